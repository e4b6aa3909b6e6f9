"""Changes read out of a sentence: from one figure to another, in whatever order they are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from actors.grounding.facts import Key
from actors.grounding.quantities import is_year, quantities, shares_of
from actors.grounding.readings import kept_all
from actors.grounding.spelled import Quantity
from actors.grounding.units import FRACTIONS, in_base_unit

_ABOUT = r"(?:about |around |roughly |nearly |almost |just |only |some |a mere |over |under )?"
_ONWARDS = re.compile(
    rf"(?:(?:(?! and )[^,;.]){{0,40}} (?:to|and now)|[^;.]{{0,40}}, now|[^;.,]{{0,25}}\bbefore,?(?: and)?| ?(?:->|→)) {_ABOUT}",
    re.IGNORECASE,
)
_YEARS = re.compile(
    r"[^;.]{0,40}\bin (?:(?:h|q)\d |(?:the )?(?:first|second) half of )?(?P<first>(?:19|20)\d\d)(?:,| and|;| to)?[^;.]{0,25} "
)
_IN_YEAR = re.compile(r" (?:\w+ )?in (?:(?:h|q)\d |(?:the )?(?:first|second) half of )?(?P<second>(?:19|20)\d\d)\b")
_FROM = re.compile(r"\bfrom (?:about |around |roughly |over |under |nearly |just )?[£$€]?$", re.IGNORECASE)
_BACKWARDS = re.compile(
    r"[^;.]{0,60}\b(?:instead of|rather than|compared (?:with|to)|as against|against|versus|vs|from|was|were|not|before"
    r"|previously|earlier|initially|used to|had been|target|goal|first (?:version|attempt|try|time|go|one))\b"
    r"[^;.,\d]{0,30}",
    re.IGNORECASE,
)
_PART_OF = re.compile(r" (?:in|of|out of)(?: every)? ", re.IGNORECASE)
_MAX_VALUE = 10**12
_ALONE = re.compile(r"\s*(?:[.,;:)\n•]|$)")


@dataclass(frozen=True, slots=True)
class Change:
    before: Quantity
    after: Quantity

    @property
    def direction(self) -> str:
        """'up', 'down', or '' where the two cannot be compared."""
        if {self.before.unit, self.after.unit} == {"", "of"}:
            return "up" if self.before.bare < self.after.bare else "down"
        if self.before.unit != self.after.unit or self.before.value == self.after.value:
            return ""
        return "up" if self.before.value < self.after.value else "down"

    @property
    def figures(self) -> frozenset[Decimal]:
        return frozenset((*shares_of(self.before), *shares_of(self.after)))

    @property
    def sizes(self) -> frozenset[Decimal]:
        return frozenset(value for value, _ in self.followed())

    def followed(self) -> Iterator[tuple[Decimal, str]]:
        """What follows from it as (value, unit): how much it is, and what part of the former value."""
        first, second = self.before, self.after
        if first.unit != second.unit or not first.value or max(first.value, second.value) > _MAX_VALUE:
            return
        difference = abs(first.value - second.value).normalize()
        yield difference, "pp" if first.unit == "%" else first.unit or "count"
        if first.unit == "" and first.value < 1 and second.value < 1:
            yield (100 * difference).normalize(), "pp"
        yield abs(first.bare - second.bare).normalize(), ""
        share = 100 * difference / first.value
        yield share.quantize(Decimal(1)).normalize(), "%"
        for parts in sorted({*FRACTIONS.values()} - {10}):
            for count in range(1, parts):
                part = (Decimal(100 * count) / parts).normalize()
                if abs(share - part) < 1:
                    yield part, "%"
        if not share % 1:
            yield share.normalize(), "%"
        if self.direction == "down" and share >= 50:
            yield Decimal(50), "% or more"
        for value in (second.value / first.value, first.value / second.value if second.value else Decimal(0)):
            if value > 1 and not value % 1:
                yield value.normalize(), "x"
            if self.direction == "up":
                yield from ((Decimal(whole), "x or more") for whole in range(2, min(int(value), 10) + 1))


@kept_all
def changes(sentence: str, *, strict: bool = False) -> Iterator[Change]:
    """Of neighbouring figures joined by 'to', 'instead of', 'it was' and the like; each figure is in one change.

    If `strict`, 'to' alone does not make a change: '30 days to 11' may be two things, 'from 30 to 11' is one.
    """
    merged = _merged(sentence)
    betweens = [sentence[first.end : second.start] for first, second in pairwise(merged)]
    onwards = [bool(_ONWARDS.fullmatch(between)) for between in betweens]
    taken = -1
    for place, (first, second) in enumerate(pairwise(merged)):
        if place == taken:
            continue
        goes_on = place + 1 < len(onwards) and onwards[place + 1]
        if onwards[place] and strict and not _FROM.search(sentence[: first.start]):
            continue
        if onwards[place] or _by_years(sentence, first, second):
            yield Change(*_alike(first, second))
            taken = place + 1
        elif not goes_on and _BACKWARDS.fullmatch(betweens[place]):
            yield Change(*reversed(_alike(first, second)))
            taken = place + 1


def _by_years(sentence: str, first: Quantity, second: Quantity) -> bool:
    """'19 in 2023, 7 in 2024'."""
    earlier = _YEARS.fullmatch(sentence, first.end, second.start)
    later = _IN_YEAR.match(sentence, second.end)
    return bool(earlier and later and earlier["first"] < later["second"])


@kept_all
def weak_changes(sentence: str) -> Iterator[Change]:
    """Neighbouring figures of one unit, as if the first one told came first: '17 in spring, 2 in summer'."""
    for first, second in pairwise(_merged(sentence)):
        if first.unit == second.unit:
            yield Change(first, second)


def lent_units(sentence: str) -> Iterator[Key]:
    """Bare figures in the units told beside them: of '3 minutes instead of 20' also 20 minutes."""
    found = sorted(quantities(sentence), key=lambda quantity: quantity.start)
    units = {quantity.named for quantity in found if quantity.named}
    for quantity in found:
        if not quantity.unit and _ALONE.match(sentence, quantity.end):
            yield from (in_base_unit(quantity.bare, unit) for unit in units)
    for change in changes(sentence):
        yield from ((told.value, told.unit) for told in (change.before, change.after))


def _merged(sentence: str) -> list[Quantity]:
    """Its figures in order, '26 of 30' as one."""
    merged: list[Quantity] = []
    for quantity in sorted(quantities(sentence), key=lambda quantity: quantity.start):
        if is_year(quantity):
            continue
        last = merged[-1] if merged else None
        if last and not (last.unit or quantity.unit) and _PART_OF.fullmatch(sentence[last.end : quantity.start]):
            share = last.bare / quantity.bare if quantity.bare else Decimal(0)
            merged[-1] = Quantity("", last.bare, share, "of", last.start, quantity.end)
        elif last is None or quantity.start >= last.end:
            merged.append(quantity)
    return merged


def _alike(first: Quantity, second: Quantity) -> tuple[Quantity, Quantity]:
    """Both in one unit where only one of them names it."""
    if first.named and not second.unit:
        return first, _in_unit_of(second, first)
    if second.named and not first.unit:
        return _in_unit_of(first, second), second
    return first, second


def _in_unit_of(bare: Quantity, other: Quantity) -> Quantity:
    value, unit = in_base_unit(bare.bare, other.named)
    return replace(bare, value=value, unit=unit)
