"""Whose work it was: 'led' where nobody says so, and 'built' where the source says 'helped to build'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actors.grounding.facts import Fact
from actors.grounding.outcomes import CLAUSE_END, sentences_in
from actors.grounding.persons import HELPING
from actors.grounding.source import Source
from actors.grounding.stems import akin, stem, stems
from actors.grounding.vocabulary import PAST_FORMS, any_of, words_of

_LEADING = re.compile(
    r"""\b(?: (?<!the\ )(?<!of\ )(?<!our\ )(?<!new\ )(?<!sales\ )(?<!s\ )(?:led|leads|leading)(?!\ (?:to|by|edge)\b) | spearhead\w* | head(?:ed|ing)(?!\ by\b)
      | (?:directed|oversaw|oversees|overseen|overseeing|manag(?:ed|es|ing)|supervis(?:ed|es|ing)|line-manag\w+)(?!\ (?:by|to)\b)
      | guid(?:ed|es|ing)(?!\ (?:by|to)\b) | orchestrat\w+ | mastermind\w* | champion(?:ed|ing|s) | chair(?:ed|ing) | captained | commanded | governed
      | (?:in|took|taking|take)\ (?:full\ |overall\ )?charge | accountab\w+ | single-handed\w* | solely
      | sole\ (?:responsib\w+|owner\w*|charge|author\w*) | owned | owning | ownership | at\ the\ helm
      | dr(?:ove|iving|ive)\ (?:the\ |its\ |forward\ )?(?:execution|delivery|adoption|change|project|initiative|strategy|effort) )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_LED = re.compile(
    r"""\b(?: lead|leads|led|leading|leader|head(?:ed|ing)?|manag\w+|supervis\w+|direct(?:ed|ing|s)?|charge|chair\w*
      |coordinat\w+|co-ordinat\w+|guid(?:ed|es|ing)|organi[sz]e\w*|organi[sz]ing|owner|owned|oversaw|oversee\w*|responsib\w+|captain|sole|(?:took|take|taken)\ over
      |on\ my\ own|by\ myself|alone|single-handed\w*|self-employed|founder|my\ (?:team|staff|shift) )\b
      | (?:\b(?:I|we|and|who|also)\ |^\s*(?:[-•*]\s*)?)(?:run|runs|running)\b | \bran\b""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_STARTING = re.compile(
    r"\b(?:initiat(?:ed|es|ing)|pioneer\w+|conceiv\w+|found(?:ed|ing)\b(?! by)|originat\w+|instigat\w+|kick-?start\w*|devised)\b",
    re.IGNORECASE,
)
_STARTED = re.compile(
    r"\b(?:initiat\w+|start\w*|open(?:ed|s)|launch\w*|began|begin|set up|introduc\w+|my idea|suggest\w*|propos\w+|invent\w*|notic\w+|found(?:ed|er)|made|wrote"
    r"|built|creat\w+|design\w*|came up|devis\w+|organi[sz]e\w*|new)\b",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(r"\bwho\b.*")
_VERBS = frozenset({*PAST_FORMS, *words_of("runs leads manages builds writes handles designs")})
_CLAUSE = re.compile(rf"{CLAUSE_END.pattern}| and ")
_PREPOSITION = re.compile(r" (?:of|for|to|with|in|on|at|by|from|and|into|that|which|across|over|using|against) |,")
_NEXT_DEED = re.compile(
    rf",? and (?=(?:\w+ed|{any_of(PAST_FORMS)})\b)|, (?=(?:\w+ed|{any_of(PAST_FORMS)})\b)", re.IGNORECASE
)


def asserted_leading(text: str) -> Iterator[Fact]:
    for clause in CLAUSE_END.split(text):
        for kind, pattern in (("led", _LEADING), ("started", _STARTING)):
            for match in pattern.finditer(_OF_OTHERS.sub("", clause)):
                yield Fact(match.group(), (kind, *sorted(stems(clause[: match.start()] + clause[match.end() :]))))


def leading_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """A clause of its writer's own deeds tells of leading, and at least as much of what the answer's clause is about
    as any clause on what was only helped with."""
    kind, *about = fact.key
    told = _LED if kind == "led" else _STARTED
    wanted = frozenset(map(str, about))
    shared = max((len(akin(wanted, clause)) for source in sources for clause in source.shared_deeds), default=0)
    clauses = (clause for source in sources for clause in _CLAUSE.split(source.own_deeds) if told.search(clause))
    return any(not wanted or len(akin(wanted, stems(clause))) >= max(shared, 1) for clause in clauses)


def asserted_deeds(text: str) -> Iterator[Fact]:
    """Clauses that begin with a deed, in sentences that do not own that it was shared."""
    for sentence in sentences_in(text):
        if HELPING.search(sentence):
            continue
        for clause in _NEXT_DEED.split(sentence):
            first = clause.split(maxsplit=1)[0].casefold() if clause.split() else ""
            if (first.endswith("ed") and first.isalpha()) or first in _VERBS:
                yield Fact(clause.strip(), (stem(first), *sorted(stems(clause))))


def _object_head(clause: str) -> str:
    """The stem of what was done: 'plan' of 'Wrote the support plan of a boy'."""
    words = _PREPOSITION.split(clause)[0].rstrip(" ,").split()
    return stem(words[-1].casefold()) if len(words) > 1 else ""


def deed_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """Refused if the sources tell it as others' work, or as helped with, more than as their writer's own."""
    verb, told = str(fact.key[0]), frozenset(map(str, fact.key[1:]))
    shared = [clause for source in sources for clause in source.shared_deeds]
    if not shared:
        return True
    overlaps = [len(akin(told, clause)) for clause in shared]
    own = [stems(sentence) for source in sources for sentence in sentences_in(source.own_deeds)]
    head = _object_head(fact.words)
    if any(head in clause for clause in shared) and not any(head in sentence for sentence in own):
        return False
    bare = len(told) == 1
    if any(verb in clause for n, clause in zip(overlaps, shared, strict=True) if n > 1 or bare):
        return any(verb in sentence and len(akin(told, sentence)) > (not bare) for sentence in own)
    closest = max(
        (n for n, clause in zip(overlaps, shared, strict=True) if n >= min(2, len(clause)) and n >= 0.3 * len(clause)),
        default=0,
    )
    if not closest:
        return True
    return max((len(akin(told, sentence)) for sentence in own), default=0) > closest
