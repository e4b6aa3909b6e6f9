"""What an answer denies: 'no downtime', 'without a single incident', 'error-free'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actors.grounding.facts import Fact
from actors.grounding.source import Source
from actors.grounding.stems import akin, stems

_DENIED = re.compile(
    r"""\b(?: no(?!\ (?:longer|matter|more|fewer|less|later)) | zero | nil | without(?:\ ever|\ any|\ a\ single|\ an?)?
      | not\ (?:a\ single|one|any) | never(?:\ once)? | none\ of | nobody | free\ (?:of|from) )
    \ (?P<what>(?:[\w'’-]+\ ?){1,5})""",
    re.IGNORECASE | re.VERBOSE,
)
_FREE = re.compile(r"\b(?P<what>[a-z]+)-free\b", re.IGNORECASE)
_TOLD = re.compile(
    r"\b(?:no|none|never|nobody|nothing|without|nil|0|zero|not|\w+n['’]t|stopp?\w*|avoid\w*|free|every|all|always|any|kept|each)\b",
    re.IGNORECASE,
)


def asserted_denials(text: str) -> Iterator[Fact]:
    for pattern in (_DENIED, _FREE):
        for match in pattern.finditer(text):
            denied = stems(match["what"])
            if denied:
                yield Fact(match.group().strip(), tuple(sorted(denied)))


def denial_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """A sentence that denies something, or says it of all, has to be about one of the same things."""
    denied = frozenset(map(str, fact.key))
    return any(
        _TOLD.search(sentence) and akin(denied, stems(sentence)) for source in sources for sentence in source.sentences
    )
