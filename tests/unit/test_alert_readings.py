"""What each rule reads off a window, and how many samples it rests on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from state.alerts.readings import Reading, readings, window_lengths
from state.alerts.rules import rules_from
from state.metrics.buckets import MINUTE_MS, Window
from state.metrics.cells import Verdict
from state.metrics.labels import CacheLevel, Component, Operation, Status
from tests.observations import (
    LABELS,
    REQUEST,
    Observation,
    cells_of,
    checked,
    judged,
    looked_up,
    performed,
    spent,
)

RULES = rules_from(None)
JUDGE = LABELS._replace(operation=Operation.EVALUATE_ANSWER)


def read(observations: Iterable[Observation]) -> dict[str, Reading]:
    cells = cells_of(observations)
    windows = {
        minutes: Window(start_ms=0, end_ms=minutes * MINUTE_MS, cells=cells) for minutes in window_lengths(RULES)
    }
    return readings(RULES, windows)


def test_every_rule_has_a_reading_and_of_nothing_it_has_no_value() -> None:
    assert read([]) == dict.fromkeys(RULES, Reading(value=None, samples=0))


def test_the_windows_are_those_of_the_rules() -> None:
    assert window_lengths(RULES) == {1, 5, 15, 30, 60}


def test_latency_is_that_of_requests_in_seconds() -> None:
    told = read([performed(2_000, labels=REQUEST)] * 3 + [performed(9_000)])
    assert told["latency"].samples == 3
    assert told["latency"].value == pytest.approx(2.0, rel=0.005)


def test_errors_are_counted_of_what_was_not_refused_requests_and_calls_apart() -> None:
    told = read(
        [performed(1, error, REQUEST) for error in ("Overloaded", "NotFound", "", "")]
        + [performed(1, error) for error in ("late", "given_up", "")]
    )
    assert told["errors"] == Reading(value=1 / 3, samples=3)
    assert told["llm_errors"] == Reading(value=1 / 2, samples=2)


def test_costs_are_an_hours_and_a_days_at_the_windows_rate() -> None:
    told = read([spent(0.25), spent(0.75), spent(None)])
    assert told["hourly_cost"] == Reading(value=1.0, samples=2)
    assert told["daily_cost"] == Reading(value=24.0, samples=2)
    assert read([spent(None)])["hourly_cost"] == Reading(value=None, samples=0)


def test_quality_is_read_off_all_evaluations_and_the_first_ones() -> None:
    told = read(
        [
            judged(8, Verdict.ACCEPTED, labels=JUDGE),
            judged(4, Verdict.NEEDS_REFINEMENT, labels=JUDGE),
            judged(6, Verdict.BEST_EFFORT, refinements=2, labels=JUDGE),
        ]
    )
    assert told["quality"] == Reading(value=6.0, samples=3)
    assert told["refinements"] == Reading(value=1 / 3, samples=3)
    assert told["first_pass"] == Reading(value=0.5, samples=2)


def test_cache_hits_are_of_lookups_in_the_first_level() -> None:
    told = read([looked_up(CacheLevel.L1, 1, 9), looked_up(CacheLevel.L2, 4, 5)])
    assert told["cache_hits"] == Reading(value=0.5, samples=10)


def test_a_component_is_down_by_the_share_of_its_checks() -> None:
    told = read(
        [checked(Component.REDIS, status, 1) for status in (Status.DOWN, Status.DOWN, Status.OK, Status.DEGRADED)]
        + [checked(Component.QDRANT, Status.DOWN, 1, "timeout")]
    )
    assert told["redis"] == Reading(value=0.5, samples=4)
    assert told["qdrant"] == Reading(value=1.0, samples=1)
