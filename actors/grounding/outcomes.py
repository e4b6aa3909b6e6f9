"""Outcomes read out of a text: changes, their direction, and the figures told with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from actors.grounding.facts import Fact
from actors.grounding.quantities import figures_in, quantities

_DIRECTIONS: dict[str, re.Pattern[str]] = {
    "down": re.compile(
        r"\b(?:reduc\w+|cut|cutting|lowered|lowering|decreas\w+|dropp\w+|fell|fallen|sav(?:ed|ing|es)|shorten\w*"
        r"|shrank|shrunk|eliminat\w+|declin\w+|halv\w+)\b",
        re.IGNORECASE,
    ),
    "up": re.compile(
        r"\b(?:increas\w+|rais(?:ed|ing)|rose|rise|risen|rising|grew|growth|boost\w*|gained|doubl\w+|tripl\w+)\b",
        re.IGNORECASE,
    ),
    "change": re.compile(r"\b(?:improv\w+|accelerat\w+|sped|optimi[sz]\w+|transform\w*)\b", re.IGNORECASE),
}
_TOLD: dict[str, re.Pattern[str]] = {
    "down": re.compile(
        r"\b(?:down|less|fewer|lower|shorter|faster|quicker|instead|rather|replac\w+|stopp\w+|avoid\w*"
        r"|no longer)\b",
        re.IGNORECASE,
    ),
    "up": re.compile(r"\b(?:up|more|higher|extra|additional|better)\b", re.IGNORECASE),
}
_FROM_TO = re.compile(r"\bfrom\b(?P<first>.*?)\bto\b(?P<second>.*)", re.IGNORECASE | re.DOTALL)
_MEASURED = re.compile(r"%|\b(?:per ?cent|by|from|to|sav\w+|halv\w+|doubl\w+|tripl\w+|\d+x)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;!?](?=\s|$)|[\n•]")
_CLAUSE_END = re.compile(r"[.;!?,](?=\s|$)|[\n•]")


def asserted_outcomes(text: str) -> Iterator[Fact]:
    for clause in _CLAUSE_END.split(text):
        directions = [name for name, words in _DIRECTIONS.items() if words.search(clause)]
        if directions and _MEASURED.search(clause):
            figures = figures_in(clause)
            yield from (Fact(clause.strip(), (direction, figures)) for direction in directions if figures)


def directions_told(sentence: str) -> frozenset[str]:
    """The directions of change a sentence tells of: 'down', 'up', and 'change' for either."""
    told = {name for table in (_DIRECTIONS, _TOLD) for name, words in table.items() if words.search(sentence)}
    if "change" in told:
        told |= {"up", "down"}
    for match in _FROM_TO.finditer(sentence):
        first = next(quantities(match["first"]), None)
        second = next(quantities(match["second"]), None)
        if first and second and not first.unit:
            told.add("up" if first.bare < second.bare else "down")
        elif first and second and first.unit == second.unit:
            told.add("up" if first.value < second.value else "down")
        elif first and second:
            told |= {"up", "down"}
    return frozenset(told | {"change"} if told else told)


def sentences_in(text: str) -> list[str]:
    return _SENTENCE_END.split(text)
