"""From four processes over flushes, some of them sent twice, to stored buckets, hours and one report: one truth."""

from __future__ import annotations

import math
from random import Random

import pytest

from state.metrics.buckets import (
    HOUR_MS,
    HourBucket,
    MinuteBucket,
    Window,
    absorb,
    hour_of,
    minute_of,
    minutes_of,
    roll_up,
    window,
)
from state.metrics.buffer import Buffer
from state.metrics.encoding import pack_flush, pack_hour, pack_minute, unpack_flush, unpack_hour, unpack_minute
from state.metrics.reports import costs_report, performance_report
from state.spending import Usage
from tests.observations import LABELS, MS

NOON = 1_795_003_200_000 // HOUR_MS * HOUR_MS
OPERATIONS, ROUNDS, REPLICAS = 10_000, 50, 4
USAGE = Usage(input_tokens=2_000, output_tokens=300)


def seen(latencies_ns: list[int], *, lost: int | None = None) -> Window:
    """Two hours of operations, an equal share a round, each a tenth of a cent; `lost` is a round whose flush from the
    first replica never arrives."""
    rng = Random(1)
    buffers = [Buffer(f"p{number}") for number in range(REPLICAS)]
    minutes: dict[int, bytes] = {}
    for round_ in range(ROUNDS):
        for latency_ns in latencies_ns[round_::ROUNDS]:
            buffer = rng.choice(buffers)
            buffer.performed(LABELS, latency_ns)
            buffer.spent(LABELS, tenant="acme", session_id="s1", usage=USAGE, cost_usd=0.001)
        at_ms = NOON + round_ * 2 * HOUR_MS // ROUNDS
        for number, buffer in enumerate(buffers):
            flush = buffer.take(at_ms)
            if flush is None or (number, round_) == (0, lost):
                continue
            start_ms = minute_of(at_ms)
            for _ in range(rng.choice([1, 2])):
                held = unpack_minute(minutes[start_ms]) if start_ms in minutes else MinuteBucket(start_ms=start_ms)
                minutes[start_ms] = pack_minute(absorb(held, unpack_flush(pack_flush(flush))))
    buckets = {start_ms: unpack_minute(record) for start_ms, record in minutes.items()}
    return window(NOON + 2 * HOUR_MS + 1, 180, buckets, hours_of(buckets))


def hours_of(minutes: dict[int, MinuteBucket]) -> dict[int, HourBucket]:
    starts = {hour_of(start_ms) for start_ms in minutes}
    rolled = [roll_up(hour, [minutes[start] for start in minutes_of(hour) if start in minutes]) for hour in starts]
    return {hour.start_ms: unpack_hour(pack_hour(hour)) for hour in rolled}


def some_latencies() -> list[int]:
    rng = Random(7)
    return [round(rng.lognormvariate(6.5, 1.0) * MS) for _ in range(OPERATIONS)]


def test_quantiles_over_replicas_and_hours_are_right_within_a_percent_and_sums_are_exact() -> None:
    latencies_ns = some_latencies()
    told = seen(latencies_ns)
    figures = performance_report(told).by_operation[LABELS.operation]
    assert figures.count == OPERATIONS
    assert figures.avg_ms == pytest.approx(sum(latencies_ns) / OPERATIONS / MS)
    exact = sorted(latencies_ns)
    for quantile, value in ((0.5, figures.p50_ms), (0.95, figures.p95_ms), (0.99, figures.p99_ms)):
        assert value is not None
        assert abs(value / (exact[math.floor(quantile * (OPERATIONS - 1))] / MS) - 1) < 0.01
    assert costs_report(told).total.cost_usd == OPERATIONS // 1_000
    assert (told.flushes, told.flushes_lost) == (REPLICAS * ROUNDS, 0)


def test_a_lost_flush_is_counted_and_costs_its_own_share_alone() -> None:
    told = seen(some_latencies(), lost=20)
    count = performance_report(told).by_operation[LABELS.operation].count
    assert told.flushes_lost == 1
    assert OPERATIONS - OPERATIONS // ROUNDS < count < OPERATIONS
