"""Figures that count something, read with the words of what they count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from actors.grounding.quantities import is_year, quantities
from actors.grounding.readings import kept_all
from actors.grounding.spelled import Quantity
from actors.grounding.vocabulary import PAST_FORMS, any_of, words_of


@dataclass(frozen=True, slots=True)
class Counted:
    """A figure, the words of what it counts (the last of them the thing itself) and the deed right before it."""

    quantity: Quantity
    things: tuple[str, ...]
    deed: str


MORE = "more"
"""What a figure counts of which only 'more', 'others' or 'of them' is said."""
_MORE = re.compile(
    r" (?:more|others?|further|of (?:them|these|those|us|which))(?=[.,;)]|$| (?:in|on|at|and|who|to)\b)", re.IGNORECASE
)
_NOUN_PHRASE = re.compile(
    r"[ -](?:(?:more|other|further|additional|new|extra|different|separate|of the) )?((?:[A-Za-z'’][\w'’-]*[ ]?){1,4})"
)
_DEED = re.compile(rf"\b([a-z]+ed|{any_of(PAST_FORMS)}) $", re.IGNORECASE)
_STOPS = frozenset(
    words_of(
        """a about across after all an and are as at back be before between but by each every for from had has have in instead
        into is it its more not of off on or out over per rather so than that the their then there they through to under until up
        was were when where which while who with without early late ahead now today away long old"""
    )
)
_TEAM = re.compile(
    r"\b(?:teams?|groups?|departments?|crews?|squads?|workforces?|staff|shifts?|party|size) of (?:up to |about |around |over |some )?$",
    re.IGNORECASE,
)
_TEAM_AFTER = re.compile(r"(?:-(?:person|people|strong|man|member)| strong)\b", re.IGNORECASE)


@kept_all
def counted(text: str) -> Iterator[Counted]:
    """Every figure without a unit that is no year; without things where none follows."""
    for found in quantities(text):
        if (
            found.unit not in {"", "times"}
            or is_year(found)
            or found.bare != found.bare.to_integral_value()
            or found.words.lower() == "one"
        ):
            continue
        if _TEAM.search(text[max(found.start - 30, 0) : found.start]) or _TEAM_AFTER.match(text, found.end):
            yield Counted(found, ("people",), "")
            continue
        if _MORE.match(text, found.end):
            yield Counted(found, (MORE,), "")
            continue
        match = _NOUN_PHRASE.match(text, found.end)
        words = ["times"] if found.unit else []
        for word in match[1].casefold().split() if match else ():
            if word in _STOPS:
                break
            words.append(word)
        while len(words) > 1 and words[-1].endswith(("ed", "ing", "ly")):
            words.pop()
        deed = _DEED.search(text[max(found.start - 24, 0) : found.start])
        yield Counted(found, tuple(words), deed[1].casefold() if deed else "")
