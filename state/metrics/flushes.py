"""What a process has observed since it last told, numbered so that telling it twice does no harm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from state.metrics.cells import Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """`source` is unique to the process and its start; its flushes are numbered from 1 without gaps.

    All that is in it counts for the minute of `at_ms` (Unix), when it was taken: at one flush a second an
    observation is off by a second at most.
    """

    source: str
    sequence: int
    at_ms: int
    cells: Cells


class Numbers(NamedTuple):
    """Consecutive sequence numbers, both ends included."""

    first: int
    last: int


class Arrivals(NamedTuple):
    """Of one source in a span of time: its first and its last flush that arrived, and how many did."""

    first: int
    last: int
    arrived: int

    @property
    def lost(self) -> int:
        """Flushes between the first and the last that never arrived."""
        return self.last - self.first + 1 - self.arrived


def with_number(held: tuple[Numbers, ...], number: int) -> tuple[Numbers, ...] | None:
    """`held`, ascending and apart from each other, with one number more; None where it is among them."""
    numbers: list[Numbers] = []
    first = last = number
    for run in held:
        if run.first <= number <= run.last:
            return None
        if run.last == number - 1:
            first = run.first
        elif run.first == number + 1:
            last = run.last
        else:
            numbers.append(run)
    return tuple(sorted([*numbers, Numbers(first, last)]))


def arrivals_of(held: Iterable[Numbers]) -> Arrivals:
    """Of at least one run of numbers."""
    runs = list(held)
    return Arrivals(
        first=min(run.first for run in runs),
        last=max(run.last for run in runs),
        arrived=sum(run.last - run.first + 1 for run in runs),
    )


def merged_arrivals(parts: Iterable[Arrivals]) -> Arrivals:
    """Of one source in several spans of time, at least one. No flush is in two of them."""
    held = list(parts)
    return Arrivals(
        first=min(part.first for part in held),
        last=max(part.last for part in held),
        arrived=sum(part.arrived for part in held),
    )
