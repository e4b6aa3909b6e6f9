"""What a report is made of: figures over merged cells. What nothing is known of is None, never 0 and never NaN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer

from state.metrics.buckets import Window
from state.metrics.cells import Health, Lookups, Performance, Quality, Verdict, merged_performance, merged_quality
from state.metrics.labels import NOT_OURS, Status
from state.metrics.latencies import NS_PER_MS, quantiles_ms
from state.metrics.spend import Spend, TopSpenders, total

Usd = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""US dollars: exact here, a number in JSON."""

DAY_S = 86_400
MONTH_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a report covers, in Unix milliseconds, and how much of what was told arrived (see `Window`)."""

    start_ms: int
    end_ms: int
    flushes: int
    flushes_lost: int
    flushes_refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFigures:
    """`errors` has the service's own by kind, `refused` what was the caller's fault or given up; both are in `count`,
    and in the latencies. `error_rate` is errors among all that was not refused, 0 to 1. Quantiles are within 0.5 %."""

    count: int
    rate_per_s: float | None
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    min_ms: float | None
    max_ms: float | None
    errors: Mapping[str, int]
    refused: Mapping[str, int]
    error_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendFigures:
    """`cost_usd` is exact, and None where no call of the group has a price; calls without one are in `unpriced`
    (tokens known) and `unmeasured` (no usage). `cached_share` is of the input, 0 to 1."""

    calls: int
    unpriced: int
    unmeasured: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    thinking_tokens: int
    cached_share: float | None
    cost_usd: Usd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpenderFigures:
    """The dearest by name, dearest first, and `rest`: all others and what belongs to no name. Of what was spent for
    one name at most `missing_at_most_usd` may stand in `rest`; 0 where names were never too many."""

    by_name: Mapping[str, SpendFigures]
    rest: SpendFigures
    missing_at_most_usd: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFigures:
    """`distribution` counts scores by their whole points, '1' to '10'. `refinement_rate` is the share of all
    evaluations that asked for a refinement; `first_pass_rate` the share at or above the threshold of those of answers
    that were not refined yet."""

    count: int
    mean: float | None
    median: float | None
    distribution: Mapping[str, int]
    refinement_rate: float | None
    first_pass_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    hits: int
    misses: int
    hit_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFigures:
    """`status` is that of the latest check. `since_ms` is when another status was seen last, or, where the window has
    no other, when the component was seen first. `down_share` is of the checks, 0 to 1."""

    status: Status
    since_ms: int
    checks: int
    down_share: float
    avg_ms: float | None
    p95_ms: float | None
    errors: Mapping[str, int]
    last_error: str | None
    last_error_ms: int | None


def span_of(window: Window) -> Span:
    return Span(
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        flushes=window.flushes,
        flushes_lost=window.flushes_lost,
        flushes_refused=window.flushes_refused,
    )


def operation_figures(cells: Iterable[Performance], seconds: float) -> OperationFigures:
    """Of all cells together, over a window of so many seconds. Raises `RecordUnreadable`."""
    merged = merged_performance(cells)
    held = merged.latencies
    p50, p95, p99 = quantiles_ms(held, (0.5, 0.95, 0.99)) or (None, None, None)
    refused = {kind: count for kind, count in merged.errors.items() if kind in NOT_OURS}
    return OperationFigures(
        count=held.count,
        rate_per_s=held.count / seconds if held.count else None,
        avg_ms=held.sum_ns / held.count / NS_PER_MS if held.count else None,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        min_ms=held.min_ns / NS_PER_MS if held.count else None,
        max_ms=held.max_ns / NS_PER_MS if held.count else None,
        errors={kind: count for kind, count in merged.errors.items() if kind not in NOT_OURS},
        refused=refused,
        error_rate=share(merged.failed, held.count - sum(refused.values())),
    )


def spend_figures(spend: Spend) -> SpendFigures:
    return SpendFigures(
        calls=spend.calls,
        unpriced=spend.unpriced,
        unmeasured=spend.unmeasured,
        input_tokens=spend.input_tokens,
        cached_tokens=spend.cached_tokens,
        output_tokens=spend.output_tokens,
        thinking_tokens=spend.thinking_tokens,
        cached_share=share(spend.cached_tokens, spend.input_tokens),
        cost_usd=spend.cost_usd if spend.calls > spend.unpriced + spend.unmeasured else None,
    )


def spender_figures(spenders: TopSpenders, most: int) -> SpenderFigures:
    """The `most` dearest of them by name."""
    dearest = sorted(spenders.by_name.items(), key=lambda named: (-named[1].pico_usd, named[0]))
    others = [spend for _, spend in dearest[most:]]
    return SpenderFigures(
        by_name={name: spend_figures(spend) for name, spend in dearest[:most]},
        rest=spend_figures(total([spenders.rest, *others])),
        missing_at_most_usd=Spend(pico_usd=spenders.missing_pico_usd).cost_usd,
    )


def projected_usd(cost_usd: Decimal | None, seconds: float, *, days: int) -> Decimal | None:
    """What so many days cost, if they all go on as this window did; rounded to a millionth of a dollar."""
    if cost_usd is None:
        return None
    return (cost_usd * days * DAY_S / Decimal(seconds)).quantize(Decimal("0.000001"))


def quality_figures(cells: Iterable[Quality]) -> QualityFigures:
    """Of all cells together. Mean and median are exact: scores are kept by tenths."""
    merged = merged_quality(cells)
    count = merged.count
    points = {str(point): 0 for point in range(1, 11)}
    for tenths, held in merged.scores.items():
        points[str(min(max(tenths // 10, 1), 10))] += held
    return QualityFigures(
        count=count,
        mean=sum(tenths * held for tenths, held in merged.scores.items()) / count / 10 if count else None,
        median=_median_tenths(merged.scores) / 10 if count else None,
        distribution=points,
        refinement_rate=share(merged.verdicts.get(Verdict.NEEDS_REFINEMENT, 0), count),
        first_pass_rate=share(merged.first_accepted, merged.first),
    )


def cache_figures(lookups: Lookups) -> CacheFigures:
    return CacheFigures(
        hits=lookups.hits, misses=lookups.misses, hit_rate=share(lookups.hits, lookups.hits + lookups.misses)
    )


def component_figures(health: Health) -> ComponentFigures:
    """Of a component that was checked at least once. Of two statuses seen at the same time the worse one holds."""
    worst_last = list(Status)
    status = max(health.last_ms, key=lambda seen: (health.last_ms[seen], worst_last.index(seen)))
    others = [at_ms for seen, at_ms in health.last_ms.items() if seen is not status]
    checks = sum(health.checks.values())
    p95 = quantiles_ms(health.latencies, (0.95,))
    last_error_ms, last_error = health.last_error or (None, None)
    return ComponentFigures(
        status=status,
        since_ms=max(others, default=health.first_ms[status]),
        checks=checks,
        down_share=health.checks.get(Status.DOWN, 0) / checks,
        avg_ms=health.latencies.sum_ns / health.latencies.count / NS_PER_MS if health.latencies.count else None,
        p95_ms=p95[0] if p95 else None,
        errors=health.errors,
        last_error=last_error,
        last_error_ms=last_error_ms,
    )


def share(part: int, whole: int) -> float | None:
    """0 to 1; None of nothing."""
    return part / whole if whole else None


def _median_tenths(scores: Mapping[int, int]) -> float:
    """Of an even number of scores the middle of the two in the middle."""
    count = sum(scores.values())
    lower, upper = (count - 1) // 2, count // 2
    return (_at_rank(scores, lower) + _at_rank(scores, upper)) / 2


def _at_rank(scores: Mapping[int, int], rank: int) -> int:
    passed = 0
    for tenths in sorted(scores):
        passed += scores[tenths]
        if passed > rank:
            return tenths
    raise ValueError(f"there is no score of rank {rank}")
