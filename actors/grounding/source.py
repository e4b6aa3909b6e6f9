"""What may bear an answer out: the candidate's inputs and the lines of the CV."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property

from actors.grounding.dates import months_in
from actors.grounding.facts import Key
from actors.grounding.names import tokens_in
from actors.grounding.outcomes import directions_told, sentences_in
from actors.grounding.quantities import BREAK, figures_in, quantity_keys
from state.model import Document, Inputs, InputValue


class Source:
    """A text that may bear facts. Every view of it is made when a fact first asks for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Every word, its hyphenated parts, two words run together, and initials of capitalised runs."""
        return tokens_in(self.text)

    @cached_property
    def quantities(self) -> frozenset[Key]:
        """(value, unit) of every figure; (value, '') too, as a figure may be told without its unit."""
        return quantity_keys(self.text)

    @cached_property
    def months(self) -> frozenset[int]:
        return months_in(self.text)

    @cached_property
    def sentences(self) -> tuple[tuple[frozenset[Decimal], frozenset[str]], ...]:
        """Of every sentence: its figures without units, and the directions of change it tells of."""
        return tuple((figures_in(sentence), directions_told(sentence)) for sentence in sentences_in(self.text))


def sources_of(inputs: Inputs, cv: Document) -> tuple[Source, ...]:
    """The inputs together as one source, because they tell of one experience; every CV line as its own."""
    told = Source(BREAK.join(map(said, inputs.values())))
    return (told, *(Source(line) for _, line in cv.lines()))


def said(value: InputValue) -> str:
    """An input's value as the text that claims quote."""
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def folded(text: str) -> str:
    """Without differences of case and spaces, as quotes are compared."""
    return " ".join(text.split()).casefold()
