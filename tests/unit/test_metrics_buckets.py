"""Flushes are merged once, however often they come; a window has exactly what happened in it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.metrics.buckets import (
    HOUR_MS,
    LONGEST_WINDOW,
    MAX_SOURCES,
    MINUTE_MS,
    HourBucket,
    MinuteBucket,
    absorb,
    forgotten,
    hour_expires_ms,
    hour_of,
    minute_expires_ms,
    minute_of,
    minutes_of,
    roll_up,
    single_minutes,
    whole_hours,
    window,
)
from state.metrics.cells import Cells
from state.metrics.flushes import Arrivals, Flush, Numbers
from tests.observations import all_of, cells_of, performed, spent

NOON = 1_795_003_200_000 // HOUR_MS * HOUR_MS
CELLS = cells_of([performed(5.0), spent(0.01)])


def a_flush(sequence: int, *, source: str = "p1", at_ms: int = NOON, cells: Cells = CELLS) -> Flush:
    return Flush(source=source, sequence=sequence, at_ms=at_ms, cells=cells)


def absorbed(flushes: Iterable[Flush]) -> dict[int, MinuteBucket]:
    minutes: dict[int, MinuteBucket] = {}
    for flush in flushes:
        start_ms = minute_of(flush.at_ms)
        minutes[start_ms] = absorb(minutes.get(start_ms, MinuteBucket(start_ms=start_ms)), flush)
    return minutes


def rolled_up(minutes: dict[int, MinuteBucket]) -> dict[int, HourBucket]:
    hours = {hour_of(start) for start in minutes}
    return {hour: roll_up(hour, [minutes[start] for start in minutes_of(hour) if start in minutes]) for hour in hours}


def observed(bucket: MinuteBucket | HourBucket) -> int:
    return sum(cell.latencies.count for cell in bucket.cells.performance.values())


deliveries = st.lists(st.tuples(st.sampled_from(["p1", "p2"]), st.integers(1, 12)), max_size=30)


@settings(max_examples=50)
@given(deliveries)
def test_a_flush_counts_once_however_often_and_in_whatever_order_it_comes(sent: list[tuple[str, int]]) -> None:
    flushes = [a_flush(sequence, source=source) for source, sequence in sent]
    bucket = MinuteBucket(start_ms=NOON)
    for flush in flushes:
        bucket = absorb(bucket, flush)
        assert absorb(bucket, flush) is bucket
    assert observed(bucket) == len(set(sent))
    for runs in bucket.merged.values():
        assert all(one.last + 1 < next_one.first for one, next_one in pairwise(runs))
    assert {
        (source, number)
        for source, runs in bucket.merged.items()
        for run in runs
        for number in range(run.first, run.last + 1)
    } == set(sent)


def test_a_flush_that_never_came_is_seen_by_its_number() -> None:
    minutes = absorbed([a_flush(1), a_flush(2), a_flush(5), a_flush(7, source="p2")])
    seen = window(NOON, 1, minutes, {})
    assert (seen.flushes, seen.flushes_lost) == (4, 2)
    late = absorbed([a_flush(1), a_flush(2), a_flush(5), a_flush(7, source="p2"), a_flush(4), a_flush(3)])
    assert window(NOON, 1, late, {}).flushes_lost == 0


def test_a_flush_lost_between_two_minutes_is_seen_by_a_window_over_both() -> None:
    minutes = absorbed([a_flush(1), a_flush(3, at_ms=NOON + MINUTE_MS)])
    now = NOON + MINUTE_MS
    assert window(now, 1, minutes, {}).flushes_lost == 1
    assert window(now + MINUTE_MS, 1, minutes, {}).flushes_lost == 0


def test_a_flush_of_another_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        absorb(MinuteBucket(start_ms=NOON), a_flush(1, at_ms=NOON + MINUTE_MS))


def test_one_process_too_many_is_refused_and_counted() -> None:
    bucket = MinuteBucket(start_ms=NOON)
    for number in range(MAX_SOURCES + 2):
        bucket = absorb(bucket, a_flush(1, source=f"p{number}"))
    assert (observed(bucket), bucket.refused) == (MAX_SOURCES, 2)
    assert absorb(bucket, a_flush(2, source="p0")).refused == 2
    assert window(NOON, 1, {NOON: bucket}, {}).flushes_refused == 2


def test_an_hour_is_made_of_its_minutes_and_may_be_made_again() -> None:
    flushes = [a_flush(number + 1, at_ms=NOON + number * MINUTE_MS) for number in range(60)]
    minutes = absorbed(flushes)
    hour = roll_up(NOON, [minutes[start] for start in minutes_of(NOON)])
    assert (observed(hour), hour.arrivals) == (60, {"p1": Arrivals(1, 60, 60)})
    late = absorbed([*flushes, a_flush(61, at_ms=NOON)])
    assert observed(roll_up(NOON, list(late.values()))) == 61


def test_a_time_belongs_to_the_minute_and_the_hour_it_is_in() -> None:
    assert [minute_of(NOON + offset) - NOON for offset in (0, 59_999, 60_000)] == [0, 0, MINUTE_MS]
    assert [hour_of(NOON + offset) - NOON for offset in (-1, 0, HOUR_MS - 1)] == [-HOUR_MS, 0, 0]
    assert list(minutes_of(NOON))[::59] == [NOON, NOON + 59 * MINUTE_MS]


@given(st.integers(0, 3 * HOUR_MS))
def test_a_minute_is_kept_as_long_as_a_window_can_reach_it(offset_ms: int) -> None:
    now = NOON + offset_ms
    reached = single_minutes(now, LONGEST_WINDOW, ())
    assert len(reached) == LONGEST_WINDOW + 1
    assert now < minute_expires_ms(reached[0])
    assert minute_expires_ms(reached[0]) - now <= MINUTE_MS


def test_an_hour_is_kept_for_thirty_days_after_its_end() -> None:
    assert hour_expires_ms(NOON) == NOON + HOUR_MS + 30 * 24 * HOUR_MS


@given(st.integers(0, 2 * HOUR_MS), st.integers(1, LONGEST_WINDOW))
def test_hours_and_minutes_of_a_window_cover_it_without_gap_or_overlap(offset_ms: int, minutes: int) -> None:
    now = NOON + offset_ms
    hours = whole_hours(now, minutes)
    singles = single_minutes(now, minutes, hours)
    covered = sorted([*singles, *(start for hour in hours for start in minutes_of(hour))])
    assert covered == list(range(minute_of(now) - minutes * MINUTE_MS, minute_of(now) + 1, MINUTE_MS))
    assert len(hours) + len(singles) <= 23 + 120


@settings(max_examples=25)
@given(
    st.dictionaries(st.integers(-LONGEST_WINDOW - 90, 0), st.integers(1, 3), max_size=25),
    st.integers(0, MINUTE_MS - 1),
    st.integers(1, LONGEST_WINDOW),
    st.booleans(),
)
def test_a_window_is_the_current_minute_and_the_whole_minutes_before_it_with_or_without_hours(
    happened: dict[int, int], second: int, length: int, late: bool
) -> None:
    now = NOON + 17 * MINUTE_MS + second
    times = [minute_of(now) + minute * MINUTE_MS for minute, times in sorted(happened.items()) for _ in range(times)]
    minutes = absorbed(a_flush(number, at_ms=at_ms) for number, at_ms in enumerate(times, 1))
    hours = {} if late else {start: hour for start, hour in rolled_up(minutes).items() if start + HOUR_MS <= now}
    seen = window(now, length, minutes, hours)
    assert seen.flushes == sum(count for minute, count in happened.items() if minute >= -length)
    assert sum(cell.latencies.count for cell in seen.cells.performance.values()) == seen.flushes
    assert seen.cells == window(now, length, minutes, {}).cells
    assert length * 60 <= seen.seconds < length * 60 + 60


@pytest.mark.parametrize("minutes", [0, LONGEST_WINDOW + 1])
def test_a_window_of_another_length_is_refused(minutes: int) -> None:
    with pytest.raises(ValueError, match="1 to 1440 minutes"):
        window(NOON, minutes, {}, {})


def test_an_erased_session_is_forgotten_and_what_it_cost_is_not() -> None:
    left = forgotten(CELLS, "s1")
    assert left.sessions.by_name == {}
    assert all_of(left.sessions) == all_of(CELLS.sessions)
    assert left.performance == CELLS.performance
    assert forgotten(CELLS, "s2") is CELLS


def test_runs_of_numbers_join_when_the_number_between_them_comes() -> None:
    bucket = MinuteBucket(start_ms=NOON)
    for sequence in (1, 3, 2):
        bucket = absorb(bucket, a_flush(sequence))
    assert bucket.merged == {"p1": (Numbers(1, 3),)}
