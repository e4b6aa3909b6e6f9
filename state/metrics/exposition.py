"""Cells as Prometheus's families of samples, by the table of `state.metrics.names`.

A counter only ever grows, so the cells to expose are all those that were ever merged, not a window's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from state.metrics.cells import Cells, Performance, Quality, Verdict, merged_performance, merged_quality
from state.metrics.labels import NOT_OURS, Labels, Layer
from state.metrics.latencies import NS_PER_MS, cumulative
from state.metrics.names import FAMILIES, SCORE_BOUNDS, Metric
from state.metrics.reports import NO_PRIORITY, grouped
from state.metrics.routes import ROUTES
from state.metrics.spend import Cost

Values = tuple[str, ...]
"""Of labels, in the order of their names in `FAMILIES`."""
CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramSample:
    """`at_most` are cumulative counts by the family's bounds, and `count` that of infinity."""

    at_most: tuple[int, ...]
    count: int
    sum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """By metric, the samples by the values of its labels."""

    counters: Mapping[Metric, Mapping[Values, float]] = field(default_factory=dict)
    histograms: Mapping[Metric, Mapping[Values, HistogramSample]] = field(default_factory=dict)


def exposition(cells: Cells, *, flushes: int, flushes_lost: int, flushes_refused: int) -> Exposition:
    """Every counter and histogram of what was measured. Raises `RecordUnreadable` where a sketch contradicts itself."""
    counters = _Counters()
    counters.count_errors(cells)
    counters.count_calls(cells)
    counters.count_evaluations(cells)
    counters.count_lookups_and_checks(cells)
    for state, number in (("merged", flushes), ("lost", flushes_lost), ("refused", flushes_refused)):
        counters.add(Metric.FLUSHES, (state,), number)
    return Exposition(counters=counters.families, histograms=_histograms(cells))


class _Counters:
    def __init__(self) -> None:
        self.families: dict[Metric, dict[Values, float]] = {}

    def add(self, metric: Metric, values: Values, by: float) -> None:
        family = self.families.setdefault(metric, {})
        family[values] = family.get(values, 0) + by

    def count_errors(self, cells: Cells) -> None:
        for labels, performance in cells.performance.items():
            for kind, errors in performance.errors.items():
                metric = Metric.OPERATION_REFUSALS if kind in NOT_OURS else Metric.OPERATION_ERRORS
                self.add(metric, (*_operation(labels), kind), errors)

    def count_calls(self, cells: Cells) -> None:
        for labels, cost in cells.costs.items():
            model, spend = _model(labels), cost.spend
            self.add(Metric.LLM_CALLS, (*model, "yes"), spend.calls - spend.unpriced - spend.unmeasured)
            self.add(Metric.LLM_CALLS, (*model, "no"), spend.unpriced)
            self.add(Metric.LLM_CALLS, (*model, "unmeasured"), spend.unmeasured)
            self.add(Metric.LLM_COST, model, float(spend.cost_usd))
            self.add(Metric.LLM_CACHED_TOKENS, model, spend.cached_tokens)

    def count_evaluations(self, cells: Cells) -> None:
        for labels, quality in cells.quality.items():
            group = _judged(labels)
            for verdict in Verdict:
                self.add(Metric.EVALUATIONS, (*group, verdict), quality.verdicts.get(verdict, 0))
            self.add(Metric.FIRST_EVALUATIONS, (*group, "yes"), quality.first_accepted)
            self.add(Metric.FIRST_EVALUATIONS, (*group, "no"), quality.first - quality.first_accepted)

    def count_lookups_and_checks(self, cells: Cells) -> None:
        for (level, operation), lookups in cells.caches.items():
            self.add(Metric.CACHE_LOOKUPS, (level, operation, "hit"), lookups.hits)
            self.add(Metric.CACHE_LOOKUPS, (level, operation, "miss"), lookups.misses)
        for component, health in cells.health.items():
            for status, checks in health.checks.items():
                self.add(Metric.COMPONENT_CHECKS, (component, status), checks)


def _histograms(cells: Cells) -> dict[Metric, dict[Values, HistogramSample]]:
    completions = {
        labels: cell for labels, cell in cells.performance.items() if labels.operation.layer is Layer.COMPLETION
    }
    requests = {labels: cell for labels, cell in cells.performance.items() if labels.operation in ROUTES}
    costs = grouped(cells.costs, _model)
    return {
        Metric.REQUEST_DURATION: _durations(Metric.REQUEST_DURATION, grouped(requests, _route)),
        Metric.OPERATION_DURATION: _durations(Metric.OPERATION_DURATION, grouped(cells.performance, _operation)),
        Metric.COMPLETION_DURATION: _durations(Metric.COMPLETION_DURATION, grouped(completions, _model)),
        Metric.TOKEN_USAGE: {
            **{(*model, "input"): _input_tokens(held) for model, held in costs.items()},
            **{(*model, "output"): _output_tokens(held) for model, held in costs.items()},
        },
        Metric.ANSWER_SCORE: {group: _scores(held) for group, held in grouped(cells.quality, _judged).items()},
    }


def _judged(labels: Labels) -> Values:
    return labels.priority or NO_PRIORITY, labels.variant


def _route(labels: Labels) -> Values:
    return ROUTES[labels.operation]


def _operation(labels: Labels) -> Values:
    return labels.operation.layer, labels.operation, labels.priority or NO_PRIORITY, labels.variant


def _model(labels: Labels) -> Values:
    return CHAT, labels.provider, labels.model, labels.operation


def _durations(metric: Metric, groups: Mapping[Values, Iterable[Performance]]) -> dict[Values, HistogramSample]:
    bounds_s = FAMILIES[metric].bounds
    held = {group: merged_performance(cells).latencies for group, cells in groups.items()}
    return {
        group: HistogramSample(
            at_most=tuple(cumulative(latencies, bounds_s)),
            count=latencies.count,
            sum=latencies.sum_ns / NS_PER_MS / 1000,
        )
        for group, latencies in held.items()
    }


def _input_tokens(costs: Iterable[Cost]) -> HistogramSample:
    held = list(costs)
    return _sizes([cost.input_sizes for cost in held], sum(cost.spend.input_tokens for cost in held))


def _output_tokens(costs: Iterable[Cost]) -> HistogramSample:
    held = list(costs)
    return _sizes([cost.output_sizes for cost in held], sum(cost.spend.output_tokens for cost in held))


def _sizes(sizes: Iterable[tuple[int, ...]], tokens: int) -> HistogramSample:
    *at_most, count = accumulate(map(sum, zip(*sizes, strict=True)))
    return HistogramSample(at_most=tuple(at_most), count=count, sum=tokens)


def _scores(cells: Iterable[Quality]) -> HistogramSample:
    scores = merged_quality(cells).scores
    return HistogramSample(
        at_most=tuple(sum(held for tenths, held in scores.items() if tenths <= bound * 10) for bound in SCORE_BOUNDS),
        count=sum(scores.values()),
        sum=sum(tenths * held for tenths, held in scores.items()) / 10,
    )
