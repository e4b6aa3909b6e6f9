"""Whether the sources bear a fact out, for facts that one source has to bear by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import cast

from actors.grounding.dates import parts_of_year
from actors.grounding.facts import Fact
from actors.grounding.names import nation_of
from actors.grounding.outcomes import Told
from actors.grounding.source import Source
from actors.grounding.stems import akin, roots, stems
from actors.grounding.tools import same_name

Borne = Callable[[Fact, Sequence[Source]], bool]


def by_one(borne: Callable[[Fact, Source], bool]) -> Borne:
    """One source has to bear the fact."""

    def by_any(fact: Fact, sources: Sequence[Source]) -> bool:
        return any(borne(fact, source) for source in sources)

    return by_any


_LONG = re.compile(r"\b(?:(?:19|20)\d\d|years?|yrs?|months?|weeks?|days?|annual\w*)\b", re.IGNORECASE)
"""'in a year' needs no more than that some such time is told."""


def number_borne(fact: Fact, source: Source) -> bool:  # noqa: PLR0911 - one a form
    """The same value in the same unit, in whatever form; or the size that follows from a change that is told."""
    value, unit, *by = fact.key
    key = (value, unit)
    if key in source.quantities or key in source.lent or (by and key in source.derived):
        return True
    if by == ["span"] and _LONG.search(source.text):
        return True
    if by == ["fold"] and (value, f"{unit} or more") in source.derived:
        return True
    if not isinstance(value, Decimal):
        return False
    if unit == "":
        return ((value * 100, "%") if value < 1 else (value / 100, "count")) in source.shares
    if unit == "%":
        return (value / 100, "count") in source.shares
    return unit == "order" and any(
        isinstance(held, Decimal) and held >= 2 * value and not 1900 <= held <= 2100
        for held, held_unit in source.quantities
        if held_unit in {"count", "£", "$", "€"}
    )


def date_borne(fact: Fact, source: Source) -> bool:
    kind, value = fact.key
    if kind == "month":
        return value in source.months
    if kind == "part":
        months = value if isinstance(value, frozenset) else frozenset()
        return not months.isdisjoint(source.months) or fact.words.upper() in parts_of_year(source.text)
    if kind == "year":
        return any((Decimal(f"{century}{value}"), "") in source.quantities for century in (19, 20))
    same = {"autumn", "fall"} if value in {"autumn", "fall"} else {value}
    return not same.isdisjoint(source.tokens)


def name_borne(fact: Fact, source: Source) -> bool:
    whole, *parts = map(str, fact.key)
    if whole in source.tokens or source.tokens.issuperset(parts):
        return True
    if all(part.isalpha() and len(part) > 4 for part in parts) and akin(
        told := stems(" ".join(parts)), source.stems
    ) == roots(told):
        return True
    nations = [nation_of(part) for part in parts]
    return nations != parts and source.tokens.issuperset(nations)


def tool_borne(fact: Fact, source: Source) -> bool:
    """The same tool under any of its names, or the same words."""
    name, *tokens = map(str, fact.key)
    told = source.tools.get(name, ())
    return any(same_name(tuple(tokens), way) for way in told) or source.tokens.issuperset(
        word.casefold() for word in fact.words.split()
    )


def employer_borne(fact: Fact, source: Source) -> bool:
    return fact.words in source.text or source.tokens.issuperset(map(str, fact.key))


def title_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """Each of its words is told of the candidate, the post itself ('nurse') and what it is called by."""
    return all(any(word in source.own_tokens for source in sources) for word in fact.key)


def outcome_borne(fact: Fact, source: Source) -> bool:
    """A change and its figure must stand together, and in the same direction."""
    direction, told_figures, told_sizes = fact.key
    figures = cast("frozenset[Decimal]", told_figures)
    sizes = cast("frozenset[Decimal]", told_sizes)
    return any(direction in told.ways and _told_with(told, figures, sizes, fact.words) for told in source.outcomes)


def _told_with(told: Told, figures: frozenset[Decimal], sizes: frozenset[Decimal], clause: str) -> bool:
    """A figure of the clause is told with the change; a size that only follows from it has to be of the same thing."""
    every = figures | sizes
    if told.weak:
        return told.figures <= every
    return bool(told.figures & every) or (bool(told.sizes & sizes) and bool(akin(told.about, stems(clause))))


def change_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """'from 9 to 3' is refused where the sources tell 'from 3 to 9', or of one of the two ends with another one."""
    before, after = fact.key
    told = {change for source in sources for change in source.told_changes}
    if (before, after) in told:
        return True
    return not any(
        (first == before) != (second == after) or (second, first) == (before, after) for first, second in told
    )
