"""What the rules read off merged windows: a value, and how many samples it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from state.alerts.rules import Rules, Signal
from state.metrics.buckets import Window
from state.metrics.figures import DAY_S, OperationFigures, QualityFigures, operation_figures, quality_figures
from state.metrics.labels import CacheLevel, Component, Layer, Status
from state.metrics.reports import cache_report
from state.metrics.spend import total

HOUR_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`value` is None where there is none; `samples` are what `Rule.min_samples` counts."""

    value: float | None
    samples: int


def window_lengths(rules: Rules) -> set[int]:
    """The windows, in minutes, that `readings` needs."""
    return {rule.window_minutes for rule in rules.values()}


def readings(rules: Rules, windows: Mapping[int, Window]) -> dict[str, Reading]:
    """A reading for each rule, by its name, from the windows by their length. Raises `RecordUnreadable`."""
    return {name: _READERS[rule.signal](windows[rule.window_minutes]) for name, rule in rules.items()}


def _request_p95(window: Window) -> Reading:
    figures = _operations(window, Layer.REQUEST)
    return Reading(value=None if figures.p95_ms is None else figures.p95_ms / 1000, samples=figures.count)


def _error_rate(window: Window, layer: Layer) -> Reading:
    figures = _operations(window, layer)
    return Reading(value=figures.error_rate, samples=figures.count - sum(figures.refused.values()))


def _cost(window: Window, seconds: int) -> Reading:
    """Dollars in so many seconds, if they all go on as this window did."""
    spent = total([cost.spend for cost in window.cells.costs.values()])
    priced = spent.calls - spent.unpriced - spent.unmeasured
    return Reading(value=float(spent.cost_usd) * seconds / window.seconds if priced else None, samples=priced)


def _cache_hit_rate(window: Window) -> Reading:
    report = cache_report(window)
    asked = report.by_level.get(CacheLevel.L1)
    return Reading(value=report.overall_hit_rate, samples=asked.hits + asked.misses if asked else 0)


def _quality_mean(window: Window) -> Reading:
    figures = _quality(window)
    return Reading(value=figures.mean, samples=figures.count)


def _refinement_rate(window: Window) -> Reading:
    figures = _quality(window)
    return Reading(value=figures.refinement_rate, samples=figures.count)


def _first_pass_rate(window: Window) -> Reading:
    first = sum(cell.first for cell in window.cells.quality.values())
    return Reading(value=_quality(window).first_pass_rate, samples=first)


def _down_share(window: Window, component: Component) -> Reading:
    health = window.cells.health.get(component)
    checks = sum(health.checks.values()) if health else 0
    if health is None or not checks:
        return Reading(value=None, samples=0)
    return Reading(value=health.checks.get(Status.DOWN, 0) / checks, samples=checks)


def _operations(window: Window, layer: Layer) -> OperationFigures:
    cells = [cell for labels, cell in window.cells.performance.items() if labels.operation.layer is layer]
    return operation_figures(cells, window.seconds)


def _quality(window: Window) -> QualityFigures:
    return quality_figures(window.cells.quality.values())


_READERS: Mapping[Signal, Callable[[Window], Reading]] = {
    Signal.REQUEST_P95_S: _request_p95,
    Signal.REQUEST_ERROR_RATE: partial(_error_rate, layer=Layer.REQUEST),
    Signal.HOURLY_COST_USD: partial(_cost, seconds=HOUR_S),
    Signal.CACHE_HIT_RATE: _cache_hit_rate,
    Signal.PROJECTED_DAY_USD: partial(_cost, seconds=DAY_S),
    Signal.QUALITY_MEAN: _quality_mean,
    Signal.REFINEMENT_RATE: _refinement_rate,
    Signal.FIRST_PASS_RATE: _first_pass_rate,
    Signal.REDIS_DOWN_SHARE: partial(_down_share, component=Component.REDIS),
    Signal.QDRANT_DOWN_SHARE: partial(_down_share, component=Component.QDRANT),
    Signal.COMPLETION_ERROR_RATE: partial(_error_rate, layer=Layer.COMPLETION),
}
