"""All that was ever measured, for counters that only grow.

    totals: every hour before `through_ms`   +   the hours and minutes since   =   what `/metrics` says

An hour becomes part of the totals once it is over for `SETTLE_HOURS`; a flush that comes later than that is in the
reports alone. Prompts, tenants and sessions are not in them: no series has them for a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from state.metrics.buckets import HOUR_MS, HourBucket, MinuteBucket, hour_of
from state.metrics.cells import NO_CELLS, Cells, merged_cells
from state.metrics.flushes import Arrivals, arrivals_of, merged_arrivals
from state.metrics.labels import NONE, Labels
from state.metrics.spend import NOBODY

SETTLE_HOURS = 2
MOST_CELLS = 4_096
"""Of one kind; more than the labels that remain have values."""
REMEMBERED_MS = 24 * HOUR_MS
"""How long a silent source is known, so that what it lost meanwhile is counted when it comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`last` has, by source, the number of its last flush, and the hour that it came in."""

    through_ms: int
    cells: Cells = NO_CELLS
    flushes: int = 0
    flushes_lost: int = 0
    flushes_refused: int = 0
    last: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def first_totals(now_ms: int) -> Totals:
    """Where nothing was counted before: they begin with the hours that are not settled yet."""
    return Totals(through_ms=settled_ms(now_ms))


def settled_ms(now_ms: int) -> int:
    """The hours before this one may become part of the totals."""
    return hour_of(now_ms) - SETTLE_HOURS * HOUR_MS


def with_hours(totals: Totals, hours: Sequence[HourBucket], through_ms: int) -> Totals:
    """With the hours from `totals.through_ms` to `through_ms`; one in which nothing happened has no bucket. Raises
    `RecordUnreadable` where a sketch contradicts itself."""
    for hour in sorted(hours, key=lambda hour: hour.start_ms):
        totals = _with_hour(totals, hour)
    oldest_ms = through_ms - REMEMBERED_MS
    last = {source: seen for source, seen in totals.last.items() if seen[1] >= oldest_ms}
    return replace(totals, through_ms=through_ms, last=last)


def everything(totals: Totals, hours: Sequence[HourBucket], minutes: Sequence[MinuteBucket]) -> Totals:
    """The totals as of now; `minutes` are those of the hours since that have no bucket yet. Raises as `with_hours`."""
    parts: dict[str, list[Arrivals]] = {}
    for source, numbers in chain.from_iterable(minute.merged.items() for minute in minutes):
        parts.setdefault(source, []).append(arrivals_of(numbers))
    for source, arrived in chain.from_iterable(hour.arrivals.items() for hour in hours):
        parts.setdefault(source, []).append(arrived)
    since = HourBucket(
        start_ms=totals.through_ms,
        cells=merged_cells([*(hour.cells for hour in hours), *(minute.cells for minute in minutes)], most=MOST_CELLS),
        arrivals={source: merged_arrivals(arrived) for source, arrived in parts.items()},
        refused=sum(hour.refused for hour in hours) + sum(minute.refused for minute in minutes),
    )
    return _with_hour(totals, since)


def _with_hour(totals: Totals, hour: HourBucket) -> Totals:
    lost = sum(arrived.lost for arrived in hour.arrivals.values())
    between = sum(
        max(arrived.first - totals.last[source][0] - 1, 0)
        for source, arrived in hour.arrivals.items()
        if source in totals.last
    )
    seen = {source: (arrived.last, hour.start_ms) for source, arrived in hour.arrivals.items()}
    return replace(
        totals,
        cells=merged_cells([totals.cells, _nameless(hour.cells)], most=MOST_CELLS),
        flushes=totals.flushes + sum(arrived.arrived for arrived in hour.arrivals.values()),
        flushes_lost=totals.flushes_lost + lost + between,
        flushes_refused=totals.flushes_refused + hour.refused,
        last={**totals.last, **seen},
    )


def _nameless(cells: Cells) -> Cells:
    """Without what no series has for a label."""
    parts = [Cells(performance={_without_prompt(labels): cell}) for labels, cell in cells.performance.items()]
    parts += [Cells(costs={_without_prompt(labels): cell}) for labels, cell in cells.costs.items()]
    parts += [Cells(quality={_without_prompt(labels): cell}) for labels, cell in cells.quality.items()]
    named = replace(cells, performance={}, costs={}, quality={}, tenants=NOBODY, sessions=NOBODY)
    return merged_cells([named, *parts], most=MOST_CELLS)


def _without_prompt(labels: Labels) -> Labels:
    return labels._replace(prompt=NONE)
