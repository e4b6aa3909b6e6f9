"""Outcomes read out of a text: changes, their direction, and the figures told with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from actors.grounding.changes import changes, weak_changes
from actors.grounding.facts import Fact
from actors.grounding.numbers import is_size
from actors.grounding.quantities import figures_in, quantities, shares_of
from actors.grounding.readings import kept
from actors.grounding.stems import stems


@dataclass(frozen=True, slots=True)
class Told:
    """Figures, the directions of change told with them, the sizes of change that follow, and the stems of what it is about.

    A `weak` one is not told as a change; it bears one out that is told with all its figures.
    """

    figures: frozenset[Decimal]
    ways: frozenset[str]
    sizes: frozenset[Decimal] = frozenset()
    about: frozenset[str] = frozenset()
    weak: bool = False


DIRECTIONS: dict[str, re.Pattern[str]] = {
    "down": re.compile(
        r"\b(?:reduc\w+|cut|cuts|cutting|lower(?:ed|ing|s)|decreas\w+|dropp\w+|fell|falls|fallen|sav(?:ed|ing|es|ings)"
        r"|shorten\w*|shrank|shrunk|eliminat\w+|declin\w+|halv\w+|(?:brought|bringing|went|going|gone) (?:\w+ )?down"
        r"|minimi[sz]\w+|shed)\b",
        re.IGNORECASE,
    ),
    "up": re.compile(
        r"\b(?:increas\w+|rais(?:ed|es|ing)|rose|rise|rises|risen|rising|grew|grow\w*|boost\w*|lift(?:ed|ing|s)|gain(?:ed|s|ing)?|doubl(?:ed|ing|es)"
        r"|tripl\w+|quadrupl\w+|climb\w*|(?:went|going|gone) up|extend(?:ed|ing|s)|expand(?:ed|ing|s)|lengthen\w*|maximi[sz]\w+)\b",
        re.IGNORECASE,
    ),
    "worse": re.compile(r"\b(?:worsen\w*|deteriorat\w*|worse)\b", re.IGNORECASE),
    "change": re.compile(
        r"\b(?:improv\w+|accelerat\w+|sped|optimi[sz]\w+|transform\w*|enhanc\w+|strengthen\w*)\b", re.IGNORECASE
    ),
}
_TOLD: dict[str, re.Pattern[str]] = {
    "down": re.compile(
        r"\b(?:down|less|fewer|lower|shorter|faster|quicker|instead|rather|replac\w+|stopp\w+|avoid\w*"
        r"|no longer)\b",
        re.IGNORECASE,
    ),
    "up": re.compile(r"\b(?:up|more|higher|extra|additional|better|longer)\b", re.IGNORECASE),
    "mended": re.compile(
        r"\b(?:fix(?:ed|es)|correct(?:ed|s)|mend(?:ed|s)|chang(?:ed|es)|re-?wr[io]t\w+|redesign\w*|rebuil\w+|adapt\w+"
        r"|adjust\w+|updat\w+|repair\w+|re-?worked|refined)\b",
        re.IGNORECASE,
    ),
}
_MEASURED = re.compile(
    r"%|[£$€]|\b(?:per ?cent|percentage|by|from|to|sav\w+|halv\w+|doubl\w+|tripl\w+|\d+x)\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.;!?](?=\s|$)|[\n•]")
CLAUSE_END = re.compile(r"[.;!?,](?=\s|$)|[\n•]|\s[–—-]\s")


def asserted_outcomes(text: str) -> Iterator[Fact]:
    for clause in _outcome_clauses(text):
        directions = [name for name, words in DIRECTIONS.items() if words.search(clause)]
        if directions and _MEASURED.search(clause):
            found = [
                (figure, is_size(quantity, clause)) for quantity in quantities(clause) for figure in shares_of(quantity)
            ]
            figures, sizes = (frozenset(figure for figure, size in found if size is wanted) for wanted in (False, True))
            yield from (Fact(clause.strip(), (direction, figures, sizes)) for direction in directions if found)


def _outcome_clauses(text: str) -> Iterator[str]:
    """Clauses, cut at 'and' too where both sides hold figures and one tells of a change."""
    for clause in CLAUSE_END.split(text):
        parts = clause.split(" and ")
        measured = [part for part in parts if figures_in(part)]
        tells = any(words.search(part) for words in DIRECTIONS.values() for part in measured)
        yield from parts if len(measured) > 1 and tells else [clause]


def asserted_changes(text: str) -> Iterator[Fact]:
    """'from 4 to 12', whatever words say of it."""
    for sentence in sentences_in(text):
        for change in changes(sentence, strict=True):
            if change.before.unit != change.after.unit:
                continue
            words = sentence[change.before.start : change.after.end] or sentence[change.after.start : change.before.end]
            yield Fact(words, (change.before.value, change.after.value))


@kept
def told_changes(text: str) -> frozenset[tuple[Decimal, Decimal]]:
    """(before, after) of every change, in base units."""
    return frozenset(
        (change.before.value, change.after.value) for sentence in sentences_in(text) for change in changes(sentence)
    )


@kept
def told_outcomes(text: str) -> tuple[Told, ...]:
    """What is told of each change, clause by clause; of the whole sentence where no clause tells a direction."""
    found: list[Told] = []
    for sentence in sentences_in(text):
        about = stems(sentence)
        told = [Told(change.figures, _ways(change.direction), change.sizes, about) for change in changes(sentence)]
        paired = frozenset().union(*(pair.figures for pair in told))
        clauses = [Told(figures_in(clause) - paired, directions_told(clause)) for clause in CLAUSE_END.split(sentence)]
        told += [clause for clause in clauses if clause.figures and clause.ways]
        found += told or [Told(figures_in(sentence), directions_told(sentence)), *_weakly_told(sentence)]
    return tuple(found)


def _weakly_told(sentence: str) -> Iterator[Told]:
    """Changes that no word tells of; only the two figures together bear one out."""
    for change in weak_changes(sentence):
        if change.direction:
            yield Told(change.figures, _ways(change.direction), weak=True)


def _ways(direction: str) -> frozenset[str]:
    """What a change of figures may be called; one of unlike figures may be called anything."""
    return frozenset({direction, "change"} if direction else {"up", "down", "change"})


@kept
def directions_told(text: str) -> frozenset[str]:
    """The directions of change a text tells of: 'down', 'up', and 'change' for either."""
    told = {name for table in (DIRECTIONS, _TOLD) for name, words in table.items() if words.search(text)}
    if "change" in told:
        told |= {"up", "down"}
    return frozenset((told - {"mended"}) | {"change"} if told - {"worse"} else told)


def ways_told(sentence: str) -> frozenset[str]:
    """The directions a sentence tells by its words or by its figures."""
    return directions_told(sentence) | {change.direction for change in changes(sentence) if change.direction}


def sentences_in(text: str) -> list[str]:
    return _SENTENCE_END.split(text)
