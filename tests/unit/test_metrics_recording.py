"""What a process records between two flushes, and that it can never record without bound."""

from __future__ import annotations

from itertools import count

import pytest

from state.errors import Overloaded
from state.metrics.buffer import Buffer
from state.metrics.cells import CacheLabels, Lookups, Verdict
from state.metrics.labels import OTHER, CacheLevel, Component, LabelAdmission, Operation, Status, Variant
from state.metrics.recorder import Recorder, Silent, Timed, record_call
from state.metrics.spend import MAX_NAMES, NO_SIZES
from state.model import Priority
from state.spending import CallStatus
from tests.observations import (
    LABELS,
    MS,
    REQUEST,
    USAGE,
    all_of,
    cells_of,
    checked,
    judged,
    looked_up,
    performed,
    spent,
)
from tests.unit.test_costs import a_call

RECORDERS: list[Recorder] = [Buffer("p1"), Silent()]


def ticking(step_ns: int) -> count[int]:
    return count(0, step_ns)


def test_a_block_is_timed_under_its_labels() -> None:
    buffer = Buffer("p1")
    with Timed(buffer, LABELS, ticking(7 * MS).__next__):
        pass
    flush = buffer.take(0)
    assert flush is not None
    assert flush.cells.performance[LABELS].latencies.sum_ns == 7 * MS
    assert flush.cells.performance[LABELS].errors == {}


def test_an_exception_is_counted_by_kind_and_goes_on() -> None:
    buffer = Buffer("p1")
    with pytest.raises(Overloaded), Timed(buffer, LABELS, ticking(1).__next__):
        raise Overloaded
    flush = buffer.take(0)
    assert flush is not None
    assert flush.cells.performance[LABELS].errors == {"Overloaded": 1}


def test_a_block_may_say_which_model_it_was_and_that_it_failed() -> None:
    buffer = Buffer("p1")
    with Timed(buffer, REQUEST, ticking(1).__next__) as timed:
        timed.labels = LABELS
        timed.error = "late"
    flush = buffer.take(0)
    assert flush is not None
    assert flush.cells.performance[LABELS].errors == {"late": 1}
    assert REQUEST not in flush.cells.performance


def test_an_unknown_kind_of_error_is_other() -> None:
    cells = cells_of([performed(1, "Ada Nowak was not found"), checked(Component.REDIS, Status.DOWN, 1, "secret")])
    assert cells.performance[LABELS].errors == {OTHER: 1}
    assert cells.health[Component.REDIS].last_error == (1, OTHER)


def test_open_labels_are_bounded_for_as_long_as_the_process_lives() -> None:
    buffer = Buffer("p1", LabelAdmission(models=3))
    for flush_number in range(4):
        for number in range(20):
            buffer.performed(LABELS._replace(model=f"m{flush_number}-{number}"), MS)
        flush = buffer.take(0)
        assert flush is not None
        assert len(flush.cells.performance) <= 4
        assert sum(cell.latencies.count for cell in flush.cells.performance.values()) == 20


def test_tokens_and_money_are_counted_by_labels_tenant_and_session() -> None:
    cells = cells_of([spent(0.25), spent(0.5, tenant="globex", session_id=""), spent(None, usage=None)])
    cost = cells.costs[LABELS]
    assert (cost.spend.calls, cost.spend.unmeasured, cost.spend.pico_usd) == (3, 1, 750_000_000_000)
    assert (cost.spend.input_tokens, cost.spend.cached_tokens) == (2 * USAGE.input_tokens, 2 * USAGE.cached_tokens)
    assert cost.input_sizes == tuple(2 if place == 6 else 0 for place in range(len(NO_SIZES)))
    assert {name: spend.pico_usd for name, spend in cells.tenants.by_name.items()} == {
        "acme": 250_000_000_000,
        "globex": 500_000_000_000,
    }
    assert set(cells.sessions.by_name) == {"s1"}
    assert cells.sessions.rest.pico_usd == 500_000_000_000


def test_any_number_of_sessions_between_two_flushes_takes_bounded_room() -> None:
    calls = [spent(number / 1000, session_id=f"s{number}") for number in range(3 * MAX_NAMES)]
    sessions = cells_of(calls).sessions
    assert len(sessions.by_name) == MAX_NAMES
    assert f"s{3 * MAX_NAMES - 1}" in sessions.by_name
    assert all_of(sessions) == cells_of(calls).costs[LABELS].spend


def test_any_number_of_calls_for_one_name_adds_up() -> None:
    cells = cells_of([spent(0.001)] * 500)
    assert cells.costs[LABELS].spend == cells.tenants.by_name["acme"] == cells.sessions.by_name["s1"]
    assert cells.costs[LABELS].spend.calls == 500


def test_scores_are_kept_by_tenths_and_first_ones_apart() -> None:
    cells = cells_of(
        [
            judged(7.4, Verdict.ACCEPTED),
            judged(5.0, Verdict.NEEDS_REFINEMENT),
            judged(7.4, Verdict.ACCEPTED, refinements=1),
        ]
    )
    quality = cells.quality[LABELS]
    assert quality.scores == {74: 2, 50: 1}
    assert quality.verdicts == {Verdict.ACCEPTED: 2, Verdict.NEEDS_REFINEMENT: 1}
    assert (quality.first, quality.first_accepted) == (2, 1)


def test_lookups_add_up_by_level() -> None:
    cells = cells_of([looked_up(CacheLevel.L1, 3, 1), looked_up(CacheLevel.L1, 1, 0), looked_up(CacheLevel.L2, 0, 1)])
    assert cells.caches == {
        CacheLabels(CacheLevel.L1, Operation.EMBED): Lookups(4, 1),
        CacheLabels(CacheLevel.L2, Operation.EMBED): Lookups(0, 1),
    }


def test_a_ledgers_record_says_what_a_call_took_and_cost() -> None:
    buffer = Buffer("p1")
    record_call(buffer, a_call(latency_ms=900.0), priority=Priority.HIGH, variant=Variant.USUAL)
    record_call(buffer, a_call(status=CallStatus.FAILED, fault="late", usage=None), priority=Priority.HIGH)
    record_call(buffer, a_call(status=CallStatus.GIVEN_UP, usage=None), priority=Priority.HIGH)
    record_call(buffer, a_call(operation="dream"))
    flush = buffer.take(0)
    assert flush is not None
    performance = flush.cells.performance[LABELS]
    assert performance.latencies.sum_ns == 3 * 900 * MS
    assert performance.errors == {"late": 1, "given_up": 1}
    assert (flush.cells.costs[LABELS].spend.calls, flush.cells.costs[LABELS].spend.unmeasured) == (3, 2)
    assert LABELS._replace(operation=Operation.OTHER, priority=None) in flush.cells.costs


def test_flushes_are_numbered_and_an_empty_one_takes_no_number() -> None:
    buffer = Buffer("p1")
    assert buffer.take(0) is None
    buffer.performed(LABELS, MS)
    first = buffer.take(5)
    assert buffer.take(6) is None
    buffer.performed(LABELS, MS)
    second = buffer.take(7)
    assert first is not None
    assert second is not None
    assert [(flush.source, flush.sequence, flush.at_ms) for flush in (first, second)] == [("p1", 1, 5), ("p1", 2, 7)]
    assert first.cells == second.cells


@pytest.mark.parametrize("recorder", RECORDERS, ids=lambda recorder: type(recorder).__name__)
def test_every_recorder_takes_every_observation(recorder: Recorder) -> None:
    for observe in (
        performed(1),
        spent(0.1),
        judged(7, Verdict.ACCEPTED),
        looked_up(CacheLevel.PROMPT, 1, 0),
        checked(Component.LLM, Status.OK, 1),
    ):
        observe(recorder)
