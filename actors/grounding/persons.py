"""Who did it: what a text says of others, and what its writer only helped with, told apart from their own work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from actors.grounding.names import ROLES
from actors.grounding.readings import kept, kept_all
from actors.grounding.vocabulary import PAST_FORMS, any_of

_ROLE = any_of(
    [*ROLES, *(f"{role}s" for role in ROLES), "seniors", "boss", "management", "leadership", "heads", "senco"]
)
_OTHERS = re.compile(
    rf"""(?<!\bas\ )(?<!\bwas\ )(?<!\bam\ )(?<!\bbe\ )(?<!\bbeen\ )(?<!\bbecame\ )(?<!\bmade\ )(?<!\bbeing\ )
    (?<!\bbecome\ )(?<!\bbecoming\ )(?<!\bappointed\ )(?<!\bstood\ in\ )(?<!\bfilled\ in\ )(?<!\bin\ for\ )(?<!\bcovered\ )
    \b(?:my|our|the|his|her|their|an?|another|one|two|three|four|five|\d+|some|several|many|all|new|with|from|by|for|to
      |under|of|help(?:ed|ing|s)?|support(?:ed|ing|s)?|assist(?:ed|ing|s)?|got|gets?|ask(?:ed|s)?|told|persuaded)
    \ (?:(?!(?:as|and|be|been|become|was)\b)[\w'’-]+\ ){{0,2}}?(?:{_ROLE})(?:['’]s?)?\b(?:\ of\ \w+)?""",
    re.IGNORECASE | re.VERBOSE,
)
_HELPED = re.compile(
    rf"""\b(?: help(?:ed|ing|s)?\b | assist(?:ed|ing|s)?\b | (?:took|take|takes|taking)\ part\b | contribut(?:ed|ing|es|e)\b
      | support(?:ed|ing|s)?\ (?:the|our|my|his|her|an?|two|three|\d+)\ (?:[\w'’-]+\ ){{0,2}}?(?:{_ROLE})\b
      | (?:was|am|were|are|been|be|as)\ (?:a\ )?(?:part|member|one)\ of\b | in\ an?\ (?:\w+\ )?(?:group|team)\ (?:that|which|to)\b
      | shadow(?:ed|ing)\b | observ(?:ed|ing)\ (?:the|my|our|how)\b | sat\ in\b | volunteer(?:ed|ing)\ (?:on|for|at|with|in)\b )
    [^.;\n•]*?(?=[.;\n•]|,?\ (?:and|but)\ (?:I|we|\w+ed|{any_of(PAST_FORMS)})\b|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_SEVERAL = re.compile(rf"\b(?:{any_of(f'{role}s' for role in ROLES)})\b", re.IGNORECASE)
_HINT = re.compile(
    rf"\b(?:help|assist|part|contribut|support|member|one|group|team|shadow|observ|sat in|volunt|s?he|they|{_ROLE})",
    re.IGNORECASE,
)
"""Without one of these a sentence need not be looked at."""
_SENTENCE_END = re.compile(r"[.;](?=\s|$)|[\n•]")
_GUIDED = re.compile(
    r"\b(?:under (?:the )?(?:\w+ )?(?:supervision|guidance|direction)|supervised by|guided by|overseen by)\b",
    re.IGNORECASE,
)
_OTHERS_DEED = re.compile(
    rf"""(?:(?<=\A)|(?<=\A\ )|(?<=\band\ )|(?<=,\ )) (?:he|she|they|(?:my|our|the)\ (?:\w+\ )?(?:{_ROLE}))
    \ (?!(?:said|says|told|wants?|wanted|uses?|used|opens?|now|made|took|asked)\b)\w+(?:ed|s|t|d|w|e|k|g)\b[^.;,\n•]*""",
    re.IGNORECASE | re.VERBOSE,
)
HELPING = re.compile(
    r"""\b(?: help\w*|assist\w*|support(?:ed|ing|s)|(?:to|and|also)\ support|contribut\w*|(?:took|take|takes|taking)\ part|part\ of|member\ of|joint(?:ly)?
      |shadow\w*|observ\w*|volunteer(?:ed|ing|s)?(?=\ (?:on|for|at|with|in)\b)|supervised|supervision|guid\w+|overseen|learn\w*|under
      |in\ an?\ (?:\w+\ )?(?:group|team)|by\ (?:the|an?|my|our|his|her)|who\b )\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a sentence owns that the work was not its writer's alone."""


@kept
def own_words(text: str) -> str:
    """The text without other people's posts: 'supported the senior carer' makes nobody a senior carer."""
    return _OTHERS.sub(" someone ", _SEVERAL.sub("others", text))


@kept
def own_deeds(text: str) -> str:
    """The text without what others did and what was only helped with."""
    return own_words("\n".join(_own_part(sentence) for sentence in _SENTENCE_END.split(text)))


@kept_all
def shared_deeds(text: str) -> Iterator[str]:
    """The clauses that tell of others' work, or of work that was only helped with."""
    for sentence in _SENTENCE_END.split(text):
        if _GUIDED.search(sentence):
            yield sentence
        elif _HINT.search(sentence):
            yield from (match.group() for pattern in (_HELPED, _OTHERS_DEED) for match in pattern.finditer(sentence))


def _own_part(sentence: str) -> str:
    if _GUIDED.search(sentence):
        return ""
    return _OTHERS_DEED.sub(" ", _HELPED.sub(" ", sentence)) if _HINT.search(sentence) else sentence
