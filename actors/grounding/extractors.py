"""The kinds of fact an answer may invent: how each is read out of it, and what bears it out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from actors.grounding.dates import asserted_dates
from actors.grounding.facts import Fact
from actors.grounding.names import asserted_employers, asserted_names, asserted_titles
from actors.grounding.outcomes import asserted_outcomes
from actors.grounding.quantities import asserted_numbers
from actors.grounding.source import Source

_CREDENTIAL = re.compile(
    r"\b(certif|accredit|award|licen[cs]ed|patent|prize|promoted to|graduat|won\b|winn)\w*", re.IGNORECASE
)


class InventionKind(StrEnum):
    SOURCE = "source"
    QUOTE = "quote"
    CLAIM = "claim"
    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    EMPLOYER = "employer"
    TITLE = "title"
    OUTCOME = "outcome"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """One kind of fact: the facts a text asserts, and whether a source bears one of them.

    A source that holds a text word for word bears every fact of the text.
    """

    kind: InventionKind
    asserted: Callable[[str], Iterable[Fact]]
    borne: Callable[[Fact, Source], bool]


def _number_borne(fact: Fact, source: Source) -> bool:
    if fact.key in source.quantities:
        return True
    value, unit = fact.key
    return unit == "order" and any(
        isinstance(held, Decimal) and isinstance(value, Decimal) and held >= 2 * value
        for held, held_unit in source.quantities
        if held_unit or not (isinstance(held, Decimal) and 1900 <= held <= 2100)
    )


def _date_borne(fact: Fact, source: Source) -> bool:
    kind, value = fact.key
    if kind == "month":
        return value in source.months
    same = {"autumn", "fall"} if value in {"autumn", "fall"} else {value}
    return not same.isdisjoint(source.tokens)


def _name_borne(fact: Fact, source: Source) -> bool:
    whole, *parts = fact.key
    return whole in source.tokens or source.tokens.issuperset(parts)


def _run_borne(fact: Fact, source: Source) -> bool:
    return fact.words in source.text or source.tokens.issuperset(str(part) for part in fact.key)


def _outcome_borne(fact: Fact, source: Source) -> bool:
    """A change and its figure must stand together, and in the same direction."""
    direction, figures = fact.key
    return isinstance(figures, frozenset) and any(
        direction in told and not figures.isdisjoint(held) for held, told in source.sentences
    )


def _asserted_credentials(text: str) -> Iterator[Fact]:
    for match in _CREDENTIAL.finditer(text):
        yield Fact(match.group(), (match[1].lower(),))


def _credential_borne(fact: Fact, source: Source) -> bool:
    return str(fact.key[0]) in source.text.lower()


EXTRACTORS: tuple[Extractor, ...] = (
    Extractor(kind=InventionKind.NUMBER, asserted=asserted_numbers, borne=_number_borne),
    Extractor(kind=InventionKind.DATE, asserted=asserted_dates, borne=_date_borne),
    Extractor(kind=InventionKind.NAME, asserted=asserted_names, borne=_name_borne),
    Extractor(kind=InventionKind.EMPLOYER, asserted=asserted_employers, borne=_run_borne),
    Extractor(kind=InventionKind.TITLE, asserted=asserted_titles, borne=_run_borne),
    Extractor(kind=InventionKind.OUTCOME, asserted=asserted_outcomes, borne=_outcome_borne),
    Extractor(kind=InventionKind.CREDENTIAL, asserted=_asserted_credentials, borne=_credential_borne),
)
