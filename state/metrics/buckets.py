"""Minute buckets, hour buckets, and the window that a report looks at.

    flush ──> the bucket of its minute ── 60 of them ──> the bucket of the hour
                        └───────── a window: whole hours where it can, minutes at its edges

Buckets are named by the Unix milliseconds at which they start. Minutes are kept for a day (1,441 of them, so that a
window of 1,440 is whole at any second), hours for 30 days. An hour bucket is made of its minutes, never added to:
making it again, after a flush that came late, gives the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from state.metrics.cells import NO_CELLS, Cells, merged_cells
from state.metrics.flushes import Arrivals, Flush, Numbers, arrivals_of, merged_arrivals, with_number
from state.metrics.spend import without

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LONGEST_WINDOW = 1_440
"""Minutes."""
MINUTE_KEPT_MS = (LONGEST_WINDOW + 1) * MINUTE_MS
HOUR_KEPT_MS = 30 * 24 * HOUR_MS + HOUR_MS
MAX_SOURCES = 128
"""Processes whose flushes one minute takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteBucket:
    """`merged` has, by source, the numbers of the flushes that are in it: a flush whose number is there changes
    nothing. `refused` counts flushes of one source too many; one that was sent twice counts twice there."""

    start_ms: int
    cells: Cells = NO_CELLS
    merged: Mapping[str, tuple[Numbers, ...]] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HourBucket:
    start_ms: int
    cells: Cells = NO_CELLS
    arrivals: Mapping[str, Arrivals] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `start_ms` to `end_ms`, which is now. `flushes` are in it; `flushes_lost` are known never to have arrived,
    because of one source an earlier and a later one did; `flushes_refused` as in `MinuteBucket`."""

    start_ms: int
    end_ms: int
    cells: Cells = NO_CELLS
    flushes: int = 0
    flushes_lost: int = 0
    flushes_refused: int = 0

    @property
    def seconds(self) -> float:
        return (self.end_ms - self.start_ms) / 1000


def minute_of(at_ms: int) -> int:
    """The start of the minute that a time belongs to; its first millisecond is in, its end is not."""
    return at_ms // MINUTE_MS * MINUTE_MS


def hour_of(at_ms: int) -> int:
    """The start of the hour that a time belongs to."""
    return at_ms // HOUR_MS * HOUR_MS


def minutes_of(hour_ms: int) -> range:
    """The starts of an hour's minutes."""
    return range(hour_ms, hour_ms + HOUR_MS, MINUTE_MS)


def minute_expires_ms(start_ms: int) -> int:
    """From when on no window can reach a minute any more, and its bucket may be deleted."""
    return start_ms + MINUTE_KEPT_MS


def hour_expires_ms(start_ms: int) -> int:
    return start_ms + HOUR_KEPT_MS


def absorb(bucket: MinuteBucket, flush: Flush) -> MinuteBucket:
    """The bucket with the flush in it; the same bucket where it was there before, whatever came in between.

    Raises `ValueError` for a flush of another minute, and `RecordUnreadable` where a sketch contradicts itself.
    """
    return absorb_all(bucket, [flush])


def absorb_all(bucket: MinuteBucket, flushes: Sequence[Flush]) -> MinuteBucket:
    """As `absorb`, of flushes of one minute, which are merged at once."""
    merged, refused = dict(bucket.merged), bucket.refused
    fresh: list[Cells] = []
    for flush in flushes:
        if minute_of(flush.at_ms) != bucket.start_ms:
            told = f"a flush of minute {minute_of(flush.at_ms)} does not belong to minute {bucket.start_ms}"
            raise ValueError(told)
        if flush.source not in merged and len(merged) >= MAX_SOURCES:
            refused += 1
            continue
        numbers = with_number(merged.get(flush.source, ()), flush.sequence)
        if numbers is not None:
            merged[flush.source] = numbers
            fresh.append(flush.cells)
    if not fresh and refused == bucket.refused:
        return bucket
    return replace(bucket, cells=merged_cells([bucket.cells, *fresh]), merged=merged, refused=refused)


def roll_up(start_ms: int, minutes: Sequence[MinuteBucket]) -> HourBucket:
    """The hour's bucket from those of its minutes; a minute in which nothing happened has none."""
    return HourBucket(
        start_ms=start_ms,
        cells=merged_cells([minute.cells for minute in minutes]),
        arrivals=_arrivals(minutes, ()),
        refused=sum(minute.refused for minute in minutes),
    )


def whole_hours(now_ms: int, minutes: int) -> tuple[int, ...]:
    """The starts of the hours that lie in a window whole, and are over."""
    start_ms, current = _start(now_ms, minutes), minute_of(now_ms)
    first = hour_of(start_ms + HOUR_MS - 1)
    return tuple(range(first, current - HOUR_MS + 1, HOUR_MS))


def single_minutes(now_ms: int, minutes: int, rolled_up: Collection[int]) -> tuple[int, ...]:
    """The starts of the window's minutes, without those of the hours in `rolled_up`."""
    current = minute_of(now_ms)
    return tuple(
        minute for minute in range(_start(now_ms, minutes), current + 1, MINUTE_MS) if hour_of(minute) not in rolled_up
    )


def window(
    now_ms: int,
    minutes: int,
    minute_buckets: Mapping[int, MinuteBucket],
    hour_buckets: Mapping[int, HourBucket],
    merge: Callable[[Sequence[Cells]], Cells] = merged_cells,
) -> Window:
    """The last `minutes` minutes (1 to 1,440), from buckets by their starts; a bucket that is missing held nothing.

    A window is the current minute, as far as it has gone, and the whole minutes before it: at least `minutes` long,
    and less than a minute longer. Of an hour that lies in it whole the hour's bucket is taken, or, where there is
    none, those of its minutes; either way the counts are the same. `merge` is given cells, the newest last. Raises
    `ValueError` for another length.
    """
    if not 1 <= minutes <= LONGEST_WINDOW:
        raise ValueError(f"a window has 1 to {LONGEST_WINDOW} minutes, not {minutes}")
    hours = [hour_buckets[hour] for hour in whole_hours(now_ms, minutes) if hour in hour_buckets]
    starts = single_minutes(now_ms, minutes, {hour.start_ms for hour in hours})
    singles = [minute_buckets[start] for start in starts if start in minute_buckets]
    sources = _arrivals(singles, hours).values()
    return Window(
        start_ms=_start(now_ms, minutes),
        end_ms=now_ms,
        cells=merge([*(hour.cells for hour in hours), *(single.cells for single in singles)]),
        flushes=sum(source.arrived for source in sources),
        flushes_lost=sum(source.lost for source in sources),
        flushes_refused=sum(hour.refused for hour in hours) + sum(single.refused for single in singles),
    )


def forgotten(cells: Cells, session_id: str) -> Cells:
    """The cells without an erased session's id; what was spent for it still counts."""
    if session_id not in cells.sessions.by_name:
        return cells
    return replace(cells, sessions=without(cells.sessions, session_id))


def _start(now_ms: int, minutes: int) -> int:
    return minute_of(now_ms) - minutes * MINUTE_MS


def _arrivals(minutes: Sequence[MinuteBucket], hours: Sequence[HourBucket]) -> dict[str, Arrivals]:
    parts: dict[str, list[Arrivals]] = {}
    for minute in minutes:
        for source, numbers in minute.merged.items():
            parts.setdefault(source, []).append(arrivals_of(numbers))
    for hour in hours:
        for source, arrived in hour.arrivals.items():
            parts.setdefault(source, []).append(arrived)
    return {source: merged_arrivals(arrived) for source, arrived in parts.items()}
