"""Six reports of one window: exact where sums are, None where nothing is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from state.metrics.buckets import MINUTE_MS, Window
from state.metrics.cells import Verdict
from state.metrics.figures import OperationFigures
from state.metrics.labels import CacheLevel, Component, Layer, Operation, Status
from state.metrics.reports import (
    NAMED_SPENDERS,
    NO_PRIORITY,
    Filter,
    cache_report,
    costs_report,
    dashboard_report,
    health_report,
    performance_report,
    quality_report,
)
from state.model import Priority
from state.spending import Usage
from tests.observations import (
    LABELS,
    REQUEST,
    USAGE,
    Observation,
    cells_of,
    checked,
    judged,
    looked_up,
    performed,
    spent,
)

JUDGE = LABELS._replace(operation=Operation.EVALUATE_ANSWER)
LOW = JUDGE._replace(priority=Priority.LOW)
REPORTS: list[Callable[[Window], Any]] = [
    dashboard_report,
    performance_report,
    costs_report,
    quality_report,
    cache_report,
    health_report,
]


def seen(observations: Iterable[Observation], minutes: int = 10) -> Window:
    return Window(start_ms=0, end_ms=minutes * MINUTE_MS, cells=cells_of(observations))


def figures_in(value: Any) -> Iterable[Any]:
    """Every single figure of a report."""
    if is_dataclass(value):
        for each in fields(value):
            yield from figures_in(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for held in value.values():
            yield from figures_in(held)
    else:
        yield value


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.__name__)
def test_an_empty_window_has_counts_of_zero_and_no_other_figures(report: Callable[[Window], Any]) -> None:
    told = report(seen([]))
    for figure in figures_in(told):
        assert figure is None or isinstance(figure, int | Decimal | Enum)
        assert not isinstance(figure, float) or not math.isnan(figure)
    assert not [figure for figure in figures_in(told) if isinstance(figure, float)]


def test_an_empty_window_has_no_latency_no_cost_no_score_and_no_rate() -> None:
    told = dashboard_report(seen([]))
    assert told.requests == OperationFigures(
        count=0,
        rate_per_s=None,
        avg_ms=None,
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        min_ms=None,
        max_ms=None,
        errors={},
        refused={},
        error_rate=None,
    )
    assert (told.spend.cost_usd, told.projected_day_usd, told.quality.mean) == (None, None, None)
    assert (told.cache_hit_rate, told.prompt_cache_hit_rate) == (None, None)


def test_performance_is_exact_but_for_its_quantiles() -> None:
    window = seen([performed(latency, labels=REQUEST) for latency in (100, 200, 300, 1_400)])
    figures = performance_report(window).by_layer[Layer.REQUEST]
    assert (figures.count, figures.avg_ms, figures.min_ms, figures.max_ms) == (4, 500.0, 100.0, 1_400.0)
    assert figures.rate_per_s == 4 / 600
    assert figures.p50_ms == pytest.approx(200, rel=0.005)
    assert figures.p99_ms == pytest.approx(300, rel=0.005)


def test_requests_and_the_completions_in_them_are_not_added_up() -> None:
    report = performance_report(seen([performed(900, labels=REQUEST), performed(700), performed(100)]))
    assert {layer: figures.count for layer, figures in report.by_layer.items()} == {
        Layer.REQUEST: 1,
        Layer.COMPLETION: 2,
    }
    assert report.by_model["openai:gpt-5-mini"].count == 2
    assert set(report.by_priority) == {"HIGH"}
    assert set(report.by_prompt) == {"write_answer/3"}


def test_the_error_rate_is_of_what_was_not_refused() -> None:
    errors = ["StoreUnavailable", "NotFound", "given_up", "", "", ""]
    figures = dashboard_report(seen([performed(1, error, REQUEST) for error in errors])).requests
    assert figures.count == 6
    assert figures.errors == {"StoreUnavailable": 1}
    assert figures.refused == {"NotFound": 1, "given_up": 1}
    assert figures.error_rate == 1 / 4


def test_costs_are_exact_and_projected_over_a_day_and_a_month() -> None:
    report = costs_report(seen([spent(0.1), spent(0.2), spent(None)], minutes=60))
    assert report.total.cost_usd == Decimal("0.3")
    assert (report.total.calls, report.total.unpriced) == (3, 1)
    assert report.projected_day_usd == Decimal("7.2")
    assert report.projected_month_usd == Decimal(216)
    assert report.total.cached_share == USAGE.cached_tokens / USAGE.input_tokens
    assert report.by_operation[Operation.WRITE_ANSWER] == report.by_model["openai:gpt-5-mini"] == report.total


def test_where_no_call_has_a_price_there_is_no_cost() -> None:
    report = costs_report(seen([spent(None), spent(None, usage=None)]))
    assert (report.total.cost_usd, report.projected_day_usd) == (None, None)
    assert (report.total.unpriced, report.total.unmeasured) == (1, 1)
    assert costs_report(seen([spent(0.0)])).total.cost_usd == 0


def test_the_dearest_tenants_and_sessions_are_named_and_the_rest_is_one() -> None:
    window = seen([spent(number / 100, session_id=f"s{number}") for number in range(1, 31)])
    report = costs_report(window)
    assert report.sessions is not None
    assert report.tenants is not None
    assert list(report.sessions.by_name)[:2] == ["s30", "s29"]
    assert len(report.sessions.by_name) == NAMED_SPENDERS
    assert report.sessions.rest.cost_usd == Decimal(sum(range(1, 11))) / 100
    assert report.sessions.missing_at_most_usd == 0
    assert report.tenants.by_name["acme"].cost_usd == report.total.cost_usd


def test_the_dearest_come_first_even_if_they_cost_the_same_and_nothing() -> None:
    free = Usage(input_tokens=1)
    report = costs_report(seen([spent(0.0, usage=free, session_id=name) for name in ("b", "a")]))
    assert report.sessions is not None
    assert list(report.sessions.by_name) == ["a", "b"]


def test_quality_is_exact_by_priority() -> None:
    window = seen(
        [
            judged(8.0, Verdict.ACCEPTED, labels=JUDGE),
            judged(5.5, Verdict.NEEDS_REFINEMENT, labels=JUDGE),
            judged(6.4, Verdict.BEST_EFFORT, refinements=2, labels=JUDGE),
            judged(10.0, Verdict.ACCEPTED, labels=LOW),
        ]
    )
    report = quality_report(window)
    assert report.total.count == 4
    assert report.total.mean == pytest.approx(29.9 / 4)
    assert report.total.median == pytest.approx(7.2)
    assert report.total.first_pass_rate == pytest.approx(2 / 3)
    assert report.total.refinement_rate == 1 / 4
    told = {point: count for point, count in report.total.distribution.items() if count}
    assert told == {"5": 1, "6": 1, "8": 1, "10": 1}
    assert report.by_priority["HIGH"].median == pytest.approx(6.4)
    assert report.by_priority["LOW"].first_pass_rate == 1.0


def test_the_hit_rate_over_both_levels_is_of_what_the_first_was_asked_for() -> None:
    window = seen([looked_up(CacheLevel.L1, 6, 4), looked_up(CacheLevel.L2, 2, 2), looked_up(CacheLevel.PROMPT, 8, 2)])
    report = cache_report(window)
    assert report.overall_hit_rate == 0.8
    assert {level: figures.hit_rate for level, figures in report.by_level.items()} == {
        CacheLevel.L1: 0.6,
        CacheLevel.L2: 0.5,
        CacheLevel.PROMPT: 0.8,
    }
    assert dashboard_report(window).prompt_cache_hit_rate == 0.8
    assert cache_report(seen([looked_up(CacheLevel.SINGLE_FLIGHT, 1, 3)])).overall_hit_rate is None


def test_a_components_status_is_the_latest_and_says_since_when() -> None:
    window = seen(
        [
            checked(Component.REDIS, Status.OK, 1_000),
            checked(Component.REDIS, Status.DOWN, 2_000, "StoreUnavailable"),
            checked(Component.REDIS, Status.DOWN, 3_000, "timeout"),
            checked(Component.QDRANT, Status.OK, 1_500),
            checked(Component.QDRANT, Status.OK, 2_500),
        ]
    )
    redis, qdrant = (health_report(window).components[name] for name in (Component.REDIS, Component.QDRANT))
    assert (redis.status, redis.since_ms, redis.checks, redis.down_share) == (Status.DOWN, 1_000, 3, 2 / 3)
    assert (redis.last_error, redis.last_error_ms) == ("timeout", 3_000)
    assert (qdrant.status, qdrant.since_ms, qdrant.last_error) == (Status.OK, 1_500, None)
    assert qdrant.avg_ms == 2.0


def test_of_two_checks_at_the_same_time_the_worse_one_holds() -> None:
    both = [checked(Component.LLM, Status.DOWN, 5), checked(Component.LLM, Status.OK, 5)]
    assert health_report(seen(both)).components[Component.LLM].status is Status.DOWN


def test_filters_let_one_operation_or_priority_through() -> None:
    window = seen(
        [
            performed(1),
            performed(2, labels=LOW),
            performed(3, labels=REQUEST),
            spent(0.1),
            spent(0.2, labels=LOW),
            judged(7, Verdict.ACCEPTED, labels=LOW),
            looked_up(CacheLevel.L1, 1, 1),
            checked(Component.LLM, Status.OK, 5),
        ]
    )
    low, answers = Filter(priority=Priority.LOW), Filter(operation=Operation.WRITE_ANSWER)
    assert dashboard_report(window, low).completions.count == 1
    assert set(performance_report(window, answers).by_operation) == {Operation.WRITE_ANSWER}
    assert costs_report(window, low).total.cost_usd == Decimal("0.2")
    assert costs_report(window, low).sessions is None
    assert quality_report(window, answers).total.count == 0
    assert cache_report(window, answers).overall_hit_rate is None
    assert cache_report(window, low).by_level == {}
    assert cache_report(window, Filter(operation=Operation.EMBED)).overall_hit_rate == 0.5
    assert dashboard_report(window, low).components is None
    assert set(costs_report(window).by_priority) == {"HIGH", "LOW"}
    assert NO_PRIORITY not in costs_report(window).by_priority
