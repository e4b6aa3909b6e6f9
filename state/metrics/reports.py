"""The six reports: one merged window, looked at from six sides.

All of them are pure: the same window gives the same report, on whichever replica. A filter by operation or priority
holds for what is counted by them. What is not (health, and spending by tenant and by session) is None under one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TypeVar

from state.metrics.buckets import Window
from state.metrics.cells import Lookups, merged_lookups
from state.metrics.figures import (
    MONTH_DAYS,
    CacheFigures,
    ComponentFigures,
    OperationFigures,
    QualityFigures,
    Span,
    SpenderFigures,
    SpendFigures,
    Usd,
    cache_figures,
    component_figures,
    operation_figures,
    projected_usd,
    quality_figures,
    share,
    span_of,
    spend_figures,
    spender_figures,
)
from state.metrics.labels import CacheLevel, Component, Labels, Layer, Operation
from state.metrics.spend import Spend, total
from state.model import Priority

NAMED_SPENDERS = 20
"""Tenants, and sessions, that a report names."""
NO_PRIORITY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """None lets all through."""

    operation: Operation | None = None
    priority: Priority | None = None

    @property
    def is_open(self) -> bool:
        return self.operation is None and self.priority is None

    def lets(self, labels: Labels) -> bool:
        return self.operation in (None, labels.operation) and self.priority in (None, labels.priority)


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceReport:
    """A request contains its completions, so that nothing is added up across layers: all groups but the first two are
    of completions alone."""

    span: Span
    by_layer: Mapping[Layer, OperationFigures]
    by_operation: Mapping[Operation, OperationFigures]
    by_priority: Mapping[str, OperationFigures]
    by_model: Mapping[str, OperationFigures]
    by_prompt: Mapping[str, OperationFigures]
    by_variant: Mapping[str, OperationFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsReport:
    """`by_model` is by 'PROVIDER:MODEL'. Projections take the whole window for typical."""

    span: Span
    total: SpendFigures
    projected_day_usd: Usd | None
    projected_month_usd: Usd | None
    by_operation: Mapping[Operation, SpendFigures]
    by_model: Mapping[str, SpendFigures]
    by_priority: Mapping[str, SpendFigures]
    tenants: SpenderFigures | None
    sessions: SpenderFigures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    span: Span
    total: QualityFigures
    by_priority: Mapping[str, QualityFigures]
    by_model: Mapping[str, QualityFigures]
    by_prompt: Mapping[str, QualityFigures]
    by_variant: Mapping[str, QualityFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReport:
    """`overall_hit_rate` is of embeddings: what L1 or L2 had, of all that L1 was asked for. Lookups have no priority,
    so that a filter by one leaves none."""

    span: Span
    overall_hit_rate: float | None
    by_level: Mapping[CacheLevel, CacheFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """A component that was not checked in the window is missing."""

    span: Span
    components: Mapping[Component, ComponentFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardReport:
    """The first look: the sums of the other five."""

    span: Span
    requests: OperationFigures
    completions: OperationFigures
    spend: SpendFigures
    projected_day_usd: Usd | None
    quality: QualityFigures
    cache_hit_rate: float | None
    prompt_cache_hit_rate: float | None
    components: Mapping[Component, ComponentFigures] | None


def performance_report(window: Window, wanted: Filter = EVERYTHING) -> PerformanceReport:
    cells = _let(window.cells.performance, wanted)
    completions = {labels: cell for labels, cell in cells.items() if labels.operation.layer is Layer.COMPLETION}
    figures = partial(operation_figures, seconds=window.seconds)
    return PerformanceReport(
        span=span_of(window),
        by_layer=_by(_layer, cells, figures),
        by_operation=_by(_operation, cells, figures),
        by_priority=_by(_priority, completions, figures),
        by_model=_by(_model, completions, figures),
        by_prompt=_by(_prompt, completions, figures),
        by_variant=_by(_variant, completions, figures),
    )


def costs_report(window: Window, wanted: Filter = EVERYTHING) -> CostsReport:
    spends = {labels: cost.spend for labels, cost in _let(window.cells.costs, wanted).items()}
    spent = _spend_figures(spends.values())
    return CostsReport(
        span=span_of(window),
        total=spent,
        projected_day_usd=projected_usd(spent.cost_usd, window.seconds, days=1),
        projected_month_usd=projected_usd(spent.cost_usd, window.seconds, days=MONTH_DAYS),
        by_operation=_by(_operation, spends, _spend_figures),
        by_model=_by(_model, spends, _spend_figures),
        by_priority=_by(_priority, spends, _spend_figures),
        tenants=spender_figures(window.cells.tenants, NAMED_SPENDERS) if wanted.is_open else None,
        sessions=spender_figures(window.cells.sessions, NAMED_SPENDERS) if wanted.is_open else None,
    )


def quality_report(window: Window, wanted: Filter = EVERYTHING) -> QualityReport:
    cells = _let(window.cells.quality, wanted)
    return QualityReport(
        span=span_of(window),
        total=quality_figures(cells.values()),
        by_priority=_by(_priority, cells, quality_figures),
        by_model=_by(_model, cells, quality_figures),
        by_prompt=_by(_prompt, cells, quality_figures),
        by_variant=_by(_variant, cells, quality_figures),
    )


def cache_report(window: Window, wanted: Filter = EVERYTHING) -> CacheReport:
    by_level: dict[CacheLevel, list[Lookups]] = {}
    if wanted.priority is None:
        for labels, held in window.cells.caches.items():
            if wanted.operation in (None, labels.operation):
                by_level.setdefault(labels.level, []).append(held)
    lookups = {level: merged_lookups(held) for level, held in by_level.items()}
    return CacheReport(
        span=span_of(window),
        overall_hit_rate=_embedding_hit_rate(lookups),
        by_level={level: cache_figures(held) for level, held in lookups.items()},
    )


def health_report(window: Window) -> HealthReport:
    components = {component: component_figures(health) for component, health in window.cells.health.items()}
    return HealthReport(span=span_of(window), components=components)


def dashboard_report(window: Window, wanted: Filter = EVERYTHING) -> DashboardReport:
    by_layer = grouped(_let(window.cells.performance, wanted), _layer)
    costs = costs_report(window, wanted)
    caches = cache_report(window, wanted)
    prompt_cache = caches.by_level.get(CacheLevel.PROMPT)
    return DashboardReport(
        span=costs.span,
        requests=operation_figures(by_layer.get(Layer.REQUEST, ()), window.seconds),
        completions=operation_figures(by_layer.get(Layer.COMPLETION, ()), window.seconds),
        spend=costs.total,
        projected_day_usd=costs.projected_day_usd,
        quality=quality_figures(_let(window.cells.quality, wanted).values()),
        cache_hit_rate=caches.overall_hit_rate,
        prompt_cache_hit_rate=prompt_cache.hit_rate if prompt_cache else None,
        components=health_report(window).components if wanted.is_open else None,
    )


C = TypeVar("C")
G = TypeVar("G", bound=Hashable)
S = TypeVar("S", bound=str)
F = TypeVar("F")


def _let(cells: Mapping[Labels, C], wanted: Filter) -> Mapping[Labels, C]:
    return cells if wanted.is_open else {labels: cell for labels, cell in cells.items() if wanted.lets(labels)}


def _by(key: Callable[[Labels], S], cells: Mapping[Labels, C], figures: Callable[[Iterable[C]], F]) -> dict[S, F]:
    """The figures of each group, in the order of the groups' names."""
    return {group: figures(held) for group, held in sorted(grouped(cells, key).items(), key=itemgetter(0))}


def grouped(cells: Mapping[Labels, C], key: Callable[[Labels], G]) -> dict[G, list[C]]:
    """The cells that have a key in common, by it."""
    groups: dict[G, list[C]] = {}
    for labels, cell in cells.items():
        groups.setdefault(key(labels), []).append(cell)
    return groups


def _layer(labels: Labels) -> Layer:
    return labels.operation.layer


def _operation(labels: Labels) -> Operation:
    return labels.operation


def _priority(labels: Labels) -> str:
    return labels.priority or NO_PRIORITY


def _model(labels: Labels) -> str:
    return f"{labels.provider}:{labels.model}"


def _prompt(labels: Labels) -> str:
    return labels.prompt


def _variant(labels: Labels) -> str:
    return labels.variant


def _spend_figures(spends: Iterable[Spend]) -> SpendFigures:
    return spend_figures(total(spends))


def _embedding_hit_rate(lookups: Mapping[CacheLevel, Lookups]) -> float | None:
    """L2 is asked for what L1 has not, so that L1's lookups are all there are. One that is still under way at the end
    of the window is in L1's count and not yet in L2's."""
    first, second = (lookups.get(level, Lookups()) for level in (CacheLevel.L1, CacheLevel.L2))
    rate = share(first.hits + second.hits, first.hits + first.misses)
    return None if rate is None else min(rate, 1.0)
