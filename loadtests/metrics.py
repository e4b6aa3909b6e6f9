"""What recording an observation takes, and what a report over a full day takes.

    .venv/bin/python -m loadtests.metrics --cells 60

A day of 1,441 minute buckets, each with about so many cells, is made of dense flushes (100 latencies a cell), packed,
and read as an endpoint would: 84 records, 23 hours and 61 minutes. Times are the best and the median of several runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated

import typer

from state.metrics.buckets import (
    HOUR_MS,
    LONGEST_WINDOW,
    MINUTE_MS,
    HourBucket,
    MinuteBucket,
    absorb,
    hour_of,
    minute_of,
    minutes_of,
    roll_up,
    single_minutes,
    whole_hours,
    window,
)
from state.metrics.buffer import Buffer
from state.metrics.cells import Verdict
from state.metrics.encoding import pack_flush, pack_hour, pack_minute, unpack_hour, unpack_minute
from state.metrics.flushes import Flush
from state.metrics.labels import CacheLevel, Component, Labels, Layer, Operation, Status
from state.metrics.recorder import Timed
from state.metrics.reports import (
    cache_report,
    costs_report,
    dashboard_report,
    health_report,
    performance_report,
    quality_report,
)
from state.model import Priority
from state.spending import Usage

NOW_MS = 1_795_003_200_000 // HOUR_MS * HOUR_MS + 30 * MINUTE_MS + 30_000
USAGE = Usage(input_tokens=4_000, cached_tokens=3_000, output_tokens=500)
CALLS = 2_000
FLUSHES = 30
REPORTS = (dashboard_report, performance_report, costs_report, quality_report, cache_report, health_report)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Buckets by their starts."""

    minutes: dict[int, MinuteBucket]
    hours: dict[int, HourBucket]


def main(cells: Annotated[int, typer.Option(help="Cells of a minute bucket, about.")] = 60) -> None:
    labels = some_labels(cells)
    for name, seconds in recording(labels[-1]).items():
        typer.echo(f"{name:<36}{seconds * 1e6:8.2f} us")
    flushes = [a_flush(labels, Random(number)) for number in range(FLUSHES)]  # noqa: S311 - samples
    day = a_day(flushes)
    minutes = {start: pack_minute(bucket) for start, bucket in day.minutes.items()}
    hours = {start: pack_hour(bucket) for start, bucket in day.hours.items()}
    hour_starts = whole_hours(NOW_MS, LONGEST_WINDOW)
    minute_starts = single_minutes(NOW_MS, LONGEST_WINDOW, hour_starts)
    seen = window(NOW_MS, LONGEST_WINDOW, day.minutes, day.hours)
    held = len(seen.cells.performance) + len(seen.cells.costs) + len(seen.cells.quality)
    held += len(seen.cells.caches) + len(seen.cells.health)
    typer.echo(f"{held} cells a bucket; {sum(map(len, minutes.values())) / len(minutes):,.0f} bytes a minute,")
    typer.echo(f"{sum(map(len, hours.values())) / len(hours):,.0f} an hour, {len(pack_flush(flushes[0])):,} a flush")
    current = day.minutes[minute_of(NOW_MS)]
    another = replace(flushes[0], source="another", at_ms=NOW_MS)
    first = [day.minutes[start] for start in minutes_of(hour_starts[0])]
    for name, work in {
        "absorb a flush": lambda: absorb(current, another),
        "roll an hour up": lambda: roll_up(hour_starts[0], first),
        "unpack a day's records, all": lambda: (
            [unpack_hour(hours[start]) for start in hour_starts],
            [unpack_minute(minutes[start]) for start in minute_starts],
        ),
        "unpack the one that changed": lambda: unpack_minute(minutes[minute_starts[-1]]),
        "merge a day, hours and minutes": lambda: window(NOW_MS, LONGEST_WINDOW, day.minutes, day.hours),
        "merge a day, minutes alone": lambda: window(NOW_MS, LONGEST_WINDOW, day.minutes, {}),
        "six reports of it": lambda: [report(seen) for report in REPORTS],
        "merge a day, and its dashboard": lambda: dashboard_report(
            window(NOW_MS, LONGEST_WINDOW, day.minutes, day.hours)
        ),
    }.items():
        best, median = timed(work)
        typer.echo(f"{name:<36}{best * 1e3:8.1f} ms{median * 1e3:8.1f} ms")


def some_labels(cells: int) -> list[Labels]:
    """Two of five cells are latencies, two costs; the rest is what every minute has anyway."""
    operations = [operation for operation in Operation if operation.layer in (Layer.REQUEST, Layer.COMPLETION)]
    priorities = list(Priority)
    return [
        Labels(
            operations[number % len(operations)], priorities[number % 7], "openai", f"model-{number % 3}", f"p/{number}"
        )
        for number in range(cells * 2 // 5)
    ]


def recording(labels: Labels) -> dict[str, float]:
    """Seconds a call, best of several."""
    buffer, clock = Buffer("bench"), time.perf_counter_ns

    def with_timed() -> None:
        with Timed(buffer, labels, clock):
            pass

    calls: dict[str, Callable[[], object]] = {
        "performed": lambda: buffer.performed(labels, 12_345_678),
        "with Timed(...)": with_timed,
        "spent": lambda: buffer.spent(labels, tenant="acme", session_id="s1", usage=USAGE, cost_usd=0.001),
        "judged": lambda: buffer.judged(labels, score=7.4, verdict=Verdict.ACCEPTED, refinements=0),
        "looked_up": lambda: buffer.looked_up(CacheLevel.L1, Operation.EMBED, hits=1),
        "checked": lambda: buffer.checked(Component.REDIS, Status.OK, at_ms=1, latency_ns=500_000),
    }
    return {name: timed(call, repeats=7, calls=CALLS)[0] for name, call in calls.items()}


def a_flush(labels: list[Labels], rng: Random) -> Flush:
    buffer = Buffer("bench")
    for each in labels:
        for _ in range(100):
            buffer.performed(each, int(rng.lognormvariate(6, 1.2) * 1e6), "late" if rng.random() < 0.02 else "")
        session_id = f"s{rng.randrange(40)}"
        buffer.spent(each, tenant=f"t{rng.randrange(5)}", session_id=session_id, usage=USAGE, cost_usd=0.001)
        if each.operation is Operation.EVALUATE_ANSWER:
            for _ in range(20):
                buffer.judged(each, score=rng.uniform(4, 10), verdict=Verdict.ACCEPTED, refinements=0)
    for component in Component:
        buffer.checked(component, Status.OK, at_ms=NOW_MS, latency_ns=1_000_000)
    for level in CacheLevel:
        buffer.looked_up(level, Operation.EMBED, hits=5, misses=2)
    flush = buffer.take(NOW_MS)
    assert flush is not None  # it has just been filled
    return flush


def a_day(flushes: list[Flush], now_ms: int = NOW_MS) -> Day:
    minutes: dict[int, MinuteBucket] = {}
    for number in range(LONGEST_WINDOW + 1):
        start_ms = minute_of(now_ms) - number * MINUTE_MS
        flush = replace(flushes[number % FLUSHES], sequence=LONGEST_WINDOW + 1 - number, at_ms=start_ms)
        minutes[start_ms] = absorb(MinuteBucket(start_ms=start_ms), flush)
    hours = {
        hour_ms: roll_up(hour_ms, [minutes[start] for start in minutes_of(hour_ms) if start in minutes])
        for hour_ms in sorted({hour_of(start) for start in minutes})
        if hour_ms + HOUR_MS <= now_ms
    }
    return Day(minutes=minutes, hours=hours)


def timed(work: Callable[[], object], *, repeats: int = 9, calls: int = 1) -> tuple[float, float]:
    """Seconds a call: the best and the median."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        taken.append((time.perf_counter() - began) / calls)
    return min(taken), statistics.median(taken)


if __name__ == "__main__":
    typer.run(main)
