"""Where a service breaks: the run in windows of time, and the first of them that held no longer."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

from loadtests.load.samples import NOT_STEPS, REFUSED, Sample
from loadtests.load.scenarios import Limits
from serve_app.bench.report import percentile

WINDOW_S = 10.0
IN_A_ROW = 2
"""Windows that do not hold, after which a run that steps up ends: a single one may be bad luck."""
MOST_REFUSED_SHARE = 0.05
"""Of the requests: a service that turns more away than this has reached what it can do."""
FEWEST = 20
"""Requests in a window that are enough to judge it by."""
MANY_USERS = 100
"""So many have more requests answered in a window, unless the service stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """`at_s` is when it began, in seconds from the run's beginning; `p95_ms` of what was answered in it."""

    at_s: float
    users: int
    requests: int
    refused: int
    errors: int
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakingPoint:
    """The fewest users that were too many, and which limits broke then; `held_again_s` is when they held again."""

    users: int
    at_s: float
    what: tuple[str, ...]
    held_again_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Counts:
    """Of all requests so far; `took` counts the latencies by how many ms they are, as Locust rounds them."""

    took: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    errors: int = 0

    def since(self, before: Counts, *, at_s: float, users: int) -> Window:
        took = self.took - before.took
        refused, errors = self.refused - before.refused, self.errors - before.errors
        requests = took.total() + refused
        return Window(
            at_s=at_s, users=users, requests=requests, refused=refused, errors=errors, p95_ms=_percentile(took, 0.95)
        )


class Entry(Protocol):
    """As Locust's statistics of one name."""

    @property
    def name(self) -> str: ...
    @property
    def num_requests(self) -> int: ...
    @property
    def num_failures(self) -> int: ...
    @property
    def response_times(self) -> Mapping[int, int]: ...


def counts_of(entries: Iterable[Entry]) -> Counts:
    """While a run goes on: errors are among the latencies too, as Locust has it."""
    counts = Counts()
    for entry in entries:
        if entry.name.endswith(REFUSED):
            counts.refused += entry.num_requests
        elif entry.name not in NOT_STEPS:
            counts.errors += entry.num_failures
            counts.took.update(entry.response_times)
    return counts


def broken(window: Window, limits: Limits) -> tuple[str, ...]:
    """Which limits a window does not hold, in words."""
    if window.requests < FEWEST:
        return (f"hardly an answer: {window.requests}",) if window.users >= MANY_USERS else ()
    found = []
    if window.p95_ms >= limits.p95_ms:
        found.append(f"p95 {window.p95_ms:,.0f} ms, limit {limits.p95_ms:,.0f} ms")
    share = window.errors / window.requests
    if limits.error_share is not None and share >= limits.error_share:
        found.append(f"errors {share:.1%}, limit {limits.error_share:.0%}")
    refused = window.refused / window.requests
    if refused >= MOST_REFUSED_SHARE:
        found.append(f"refused {refused:.1%} of the requests, at capacity from {MOST_REFUSED_SHARE:.0%} on")
    return tuple(found)


def breaking_points(windows: Sequence[Window], limits: Limits) -> list[BreakingPoint]:
    """Each begins with two bad windows in a row, and ends with two good ones; the last one may have no end.

    Those that end are passing: new replicas take seconds to come.
    """
    found: list[BreakingPoint] = []
    for first, second in pairwise(windows):
        bad = [bool(broken(window, limits)) for window in (first, second)]
        breaks = bool(found) and found[-1].held_again_s is None
        if all(bad) and not breaks:
            found.append(BreakingPoint(users=first.users, at_s=first.at_s, what=broken(first, limits)))
        elif breaks and not any(bad):
            found[-1] = replace(found[-1], held_again_s=first.at_s)
    return found


def windows_of(samples: Iterable[Sample], users_at: Callable[[float], int], *, began_s: float) -> list[Window]:
    """By when requests ended, without a gap; `users_at` takes Unix time."""
    by_window: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.step not in NOT_STEPS:
            ended_s = sample.began_s + sample.took_ms / 1000
            by_window.setdefault(int((ended_s - began_s) // WINDOW_S), []).append(sample)
    return [
        _window(number, by_window.get(number, []), users_at, began_s)
        for number in range(max(by_window, default=-1) + 1)
    ]


def counts_over_time(counted: Sequence[tuple[float, int]]) -> Callable[[float], int]:
    """From (Unix time, count) in order to the count at a time: the last one before it, and 0 before the first."""
    times = [at_s for at_s, _ in counted]

    def at(at_s: float) -> int:
        place = bisect_right(times, at_s)
        return counted[place - 1][1] if place else 0

    return at


def _percentile(took: Counter[int], share: float) -> float:
    left = took.total() * share
    for latency_ms in sorted(took):
        left -= took[latency_ms]
        if left <= 0:
            return float(latency_ms)
    return 0.0


def _window(number: int, samples: Sequence[Sample], users_at: Callable[[float], int], began_s: float) -> Window:
    took = [sample.took_ms for sample in samples if sample.answered]
    return Window(
        at_s=number * WINDOW_S,
        users=users_at(began_s + (number + 1) * WINDOW_S),
        requests=len(samples),
        refused=sum(bool(sample.refused) for sample in samples),
        errors=sum(bool(sample.error) for sample in samples),
        p95_ms=percentile(took, 95) if took else 0.0,
    )
