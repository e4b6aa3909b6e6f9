"""What may bear an answer out: the candidate's inputs and the lines of the CV."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property

from actors.grounding.changes import changes, lent_units
from actors.grounding.counting import Counted, counted
from actors.grounding.dates import months_in
from actors.grounding.facts import Key
from actors.grounding.names import tokens_in
from actors.grounding.outcomes import Told, sentences_in, told_changes, told_outcomes
from actors.grounding.persons import own_deeds, own_words, shared_deeds
from actors.grounding.quantities import BREAK, quantity_keys
from actors.grounding.readings import kept
from actors.grounding.stems import roots, stems
from actors.grounding.tools import tools_in
from state.model import Document, Inputs, InputValue

STOPS = " .;:!?-•*"
"""What may stand around a sentence without changing it."""


class Source:
    """A text that may bear facts. Every view of it is made when a fact first asks for it."""

    def __init__(self, text: str, *, values: frozenset[str] = frozenset()) -> None:
        """`values` are whole replies, folded, where the text is made of replies."""
        self.text = text
        self.values = values

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Every word, its hyphenated parts, two words run together, and initials of capitalised runs."""
        return tokens_in(self.text)

    @cached_property
    def own_tokens(self) -> frozenset[str]:
        """The same without other people's posts."""
        return tokens_in(own_words(self.text))

    @cached_property
    def own_deeds(self) -> str:
        """The text without what others did and what was only helped with."""
        return own_deeds(self.text)

    @cached_property
    def shared_deeds(self) -> tuple[frozenset[str], ...]:
        """The stems of each clause that tells of others' work, or of work that was only helped with."""
        return tuple(stems(clause) for clause in shared_deeds(self.text))

    @cached_property
    def tools(self) -> Mapping[str, set[tuple[str, ...]]]:
        return tools_in(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        return stems(self.text)

    @cached_property
    def roots(self) -> frozenset[str]:
        return roots(self.stems)

    @cached_property
    def quantities(self) -> frozenset[Key]:
        """(value, unit) of every figure; (value, '') too, as a figure may be told without its unit."""
        return quantity_keys(self.text)

    @cached_property
    def shares(self) -> frozenset[Key]:
        """Its percentages, and its figures below 1."""
        return frozenset(
            (value, unit)
            for value, unit in self.quantities
            if unit == "%" or (unit == "count" and isinstance(value, Decimal) and 0 < value < 1)
        )

    @cached_property
    def lent(self) -> frozenset[Key]:
        """Figures in the units told beside them."""
        return frozenset(key for sentence in self.sentences for key in lent_units(sentence))

    @cached_property
    def derived(self) -> frozenset[Key]:
        """What follows from the changes told: of 'from 9 to 3' that it is 6 less."""
        told = (change for sentence in self.sentences for change in changes(sentence))
        return frozenset(key for change in told for key in change.followed())

    @cached_property
    def months(self) -> frozenset[int]:
        return months_in(self.text)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        return tuple(sentence.strip() for sentence in sentences_in(self.text) if sentence.strip())

    @cached_property
    def verbatim(self) -> frozenset[str]:
        """The whole of it and each of its sentences and lines, folded and without their stops."""
        pieces = (self.text, *self.text.split(BREAK), *self.sentences, *re.split(r"[.;:!?](?=\s|$)|[\n•]", self.text))
        return frozenset(folded(piece).strip(STOPS) for piece in pieces)

    @cached_property
    def folded(self) -> str:
        return folded(self.text)

    @cached_property
    def counted(self) -> tuple[Counted, ...]:
        """Its figures that count something, each with the words of what it counts."""
        return tuple(counted(self.text))

    @cached_property
    def outcomes(self) -> tuple[Told, ...]:
        """Figures and the directions of change told with them, clause by clause."""
        return told_outcomes(self.text)

    @cached_property
    def told_changes(self) -> frozenset[tuple[Decimal, Decimal]]:
        """(before, after) of every change, in base units."""
        return told_changes(self.text)


def sources_of(inputs: Inputs, cv: Document) -> tuple[Source, ...]:
    """The inputs together as one source, because they tell of one experience; every CV line as its own."""
    replies = tuple(map(said, inputs.values()))
    told = Source(BREAK.join(replies), values=frozenset(map(folded, replies)))
    return (told, *(_line(line) for _, line in cv.lines()))


@kept
def _line(text: str) -> Source:
    """A line of a CV, which bears out the answers to all questions of its session."""
    return Source(text)


def said(value: InputValue) -> str:
    """An input's value as the text that claims quote."""
    return ", ".join(value) if isinstance(value, tuple) else str(value)


@kept
def folded(text: str) -> str:
    """Without differences of case and spaces, as quotes are compared."""
    return " ".join(text.split()).casefold()
