"""The kinds of invention, and the table of what is read out of an answer to find them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actors.grounding.agency import asserted_deeds, asserted_leading, deed_borne, leading_borne
from actors.grounding.bearing import (
    Borne,
    by_one,
    change_borne,
    date_borne,
    employer_borne,
    name_borne,
    number_borne,
    outcome_borne,
    title_borne,
    tool_borne,
)
from actors.grounding.counts import (
    asserted_bounds,
    asserted_counts,
    asserted_versions,
    bound_borne,
    count_borne,
    version_borne,
)
from actors.grounding.dates import asserted_dates
from actors.grounding.denials import asserted_denials, denial_borne
from actors.grounding.effects import asserted_clauses, asserted_effects, clause_borne, effect_borne
from actors.grounding.facts import Fact
from actors.grounding.names import asserted_employers, asserted_names, asserted_titles
from actors.grounding.numbers import asserted_numbers
from actors.grounding.outcomes import asserted_changes, asserted_outcomes
from actors.grounding.source import Source
from actors.grounding.themes import themes
from actors.grounding.tools import asserted_tools


class InventionKind(StrEnum):
    """The first four are faults of a claim, the others facts of a text."""

    SOURCE = "source"
    QUOTE = "quote"
    CLAIM = "claim"
    BASIS = "basis"
    NUMBER = "number"
    BOUND = "bound"
    COUNT = "count"
    DATE = "date"
    NAME = "name"
    TOOL = "tool"
    EMPLOYER = "employer"
    TITLE = "title"
    SENIORITY = "seniority"
    AGENCY = "agency"
    OUTCOME = "outcome"
    DENIAL = "denial"
    RECOGNITION = "recognition"
    CREDENTIAL = "credential"
    SUPERLATIVE = "superlative"
    SCOPE = "scope"
    FREQUENCY = "frequency"
    ACTIVITY = "activity"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """One rule: the facts of its kind that a text asserts, and whether the sources bear one of them."""

    name: str
    kind: InventionKind
    asserted: Callable[[str], Iterable[Fact]]
    borne: Callable[[Fact, Sequence[Source]], bool]


def _rule(name: str, kind: InventionKind, asserted: Callable[[str], Iterable[Fact]], borne: Borne) -> Extractor:
    return Extractor(name=name, kind=kind, asserted=asserted, borne=borne)


def _themed(name: str, kind: InventionKind, theme_kind: str) -> Extractor:
    table = themes(theme_kind)
    return _rule(name, kind, table.asserted, table.borne)


EXTRACTORS: tuple[Extractor, ...] = (
    _rule("numbers", InventionKind.NUMBER, asserted_numbers, by_one(number_borne)),
    _rule("bounds", InventionKind.BOUND, asserted_bounds, bound_borne),
    _rule("versions", InventionKind.NUMBER, asserted_versions, version_borne),
    _rule("counts", InventionKind.COUNT, asserted_counts, count_borne),
    _rule("dates", InventionKind.DATE, asserted_dates, by_one(date_borne)),
    _rule("names", InventionKind.NAME, asserted_names, by_one(name_borne)),
    _rule("tools", InventionKind.TOOL, asserted_tools, by_one(tool_borne)),
    _rule("employers", InventionKind.EMPLOYER, asserted_employers, by_one(employer_borne)),
    _rule("titles", InventionKind.TITLE, asserted_titles, title_borne),
    _themed("seniority", InventionKind.SENIORITY, "seniority"),
    _rule("leading", InventionKind.AGENCY, asserted_leading, leading_borne),
    _rule("deeds", InventionKind.AGENCY, asserted_deeds, deed_borne),
    _rule("outcomes", InventionKind.OUTCOME, asserted_outcomes, by_one(outcome_borne)),
    _rule("changes", InventionKind.OUTCOME, asserted_changes, change_borne),
    _rule("effects", InventionKind.OUTCOME, asserted_effects, effect_borne),
    _themed("benefits", InventionKind.OUTCOME, "benefit"),
    _rule("denials", InventionKind.DENIAL, asserted_denials, denial_borne),
    _themed("recognition", InventionKind.RECOGNITION, "recognition"),
    _themed("credentials", InventionKind.CREDENTIAL, "credential"),
    _themed("superlatives", InventionKind.SUPERLATIVE, "superlative"),
    _themed("scope", InventionKind.SCOPE, "scope"),
    _themed("frequency", InventionKind.FREQUENCY, "frequency"),
    _themed("activities", InventionKind.ACTIVITY, "activity"),
    _rule("clauses", InventionKind.UNTOLD, asserted_clauses, clause_borne),
)
