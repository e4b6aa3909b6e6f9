"""The cells of a bucket: what was observed under one set of labels, and how cells are merged.

Merging is associative and commutative, with `NO_CELLS` as identity, as long as there is room for every cell. Where
there is none, the smallest cells are counted under labels that name less; the sums over an operation and a priority
are exact all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from state.metrics.labels import NOT_OURS, CacheLevel, Component, Labels, Operation, Status
from state.metrics.latencies import NO_LATENCIES, Latencies, merged
from state.metrics.spend import NOBODY, Cost, TopSpenders, merged_costs, merged_spenders

MAX_CELLS = 256
"""Of one kind in one bucket that keep all their labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """One operation's outcomes: every latency, whatever came of it, and the errors by kind."""

    latencies: Latencies = NO_LATENCIES
    errors: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Errors of the service; a refused request or a call that was given up is none."""
        return sum([count for kind, count in self.errors.items() if kind not in NOT_OURS])


class Verdict(StrEnum):
    """What an evaluation led to, by the threshold that code applies."""

    ACCEPTED = "accepted"
    NEEDS_REFINEMENT = "needs_refinement"
    BEST_EFFORT = "best_effort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Evaluations. `scores` counts them by tenths of a point, 10 to 100, which is how a score is rounded; `first` are
    those of answers that were not refined yet, `first_accepted` those of them at or above the threshold."""

    scores: Mapping[int, int] = field(default_factory=dict)
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    first: int = 0
    first_accepted: int = 0

    @property
    def count(self) -> int:
        return sum(self.scores.values())


class CacheLabels(NamedTuple):
    level: CacheLevel
    operation: Operation


class Lookups(NamedTuple):
    """In a cache."""

    hits: int = 0
    misses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One component's checks. `first_ms` and `last_ms` say, by status, when it was seen so first and last (Unix);
    `last_error` when a check failed last, and the kind of the failure."""

    latencies: Latencies = NO_LATENCIES
    checks: Mapping[Status, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    first_ms: Mapping[Status, int] = field(default_factory=dict)
    last_ms: Mapping[Status, int] = field(default_factory=dict)
    last_error: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """All that was observed in a span of time."""

    performance: Mapping[Labels, Performance] = field(default_factory=dict)
    costs: Mapping[Labels, Cost] = field(default_factory=dict)
    quality: Mapping[Labels, Quality] = field(default_factory=dict)
    caches: Mapping[CacheLabels, Lookups] = field(default_factory=dict)
    health: Mapping[Component, Health] = field(default_factory=dict)
    tenants: TopSpenders = NOBODY
    sessions: TopSpenders = NOBODY


NO_CELLS = Cells()

K = TypeVar("K")
V = TypeVar("V")


def merged_cells(parts: Sequence[Cells], *, most: int = MAX_CELLS) -> Cells:
    """All of them as one. Raises `RecordUnreadable` where a stored sketch contradicts itself."""
    return Cells(
        performance=_bounded(
            _grouped([part.performance for part in parts], merged_performance),
            merged_performance,
            lambda performance: performance.latencies.count,
            most,
        ),
        costs=_bounded(
            _grouped([part.costs for part in parts], merged_costs), merged_costs, lambda cost: cost.spend.calls, most
        ),
        quality=_bounded(
            _grouped([part.quality for part in parts], merged_quality),
            merged_quality,
            lambda quality: quality.count,
            most,
        ),
        caches=_grouped([part.caches for part in parts], merged_lookups),
        health=_grouped([part.health for part in parts], merged_health),
        tenants=merged_spenders([part.tenants for part in parts]),
        sessions=merged_spenders([part.sessions for part in parts]),
    )


def merged_performance(parts: Iterable[Performance]) -> Performance:
    held = list(parts)
    if len(held) == 1:
        return held[0]
    errors = [part.errors for part in held if part.errors]
    return Performance(latencies=merged([part.latencies for part in held]), errors=added(errors))


def merged_quality(parts: Iterable[Quality]) -> Quality:
    held = list(parts)
    return Quality(
        scores=added([part.scores for part in held]),
        verdicts=added([part.verdicts for part in held]),
        first=sum([part.first for part in held]),
        first_accepted=sum([part.first_accepted for part in held]),
    )


def merged_lookups(parts: Iterable[Lookups]) -> Lookups:
    held = list(parts)
    return Lookups(hits=sum([part.hits for part in held]), misses=sum([part.misses for part in held]))


def merged_health(parts: Iterable[Health]) -> Health:
    held = list(parts)
    return Health(
        latencies=merged([part.latencies for part in held]),
        checks=added([part.checks for part in held]),
        errors=added([part.errors for part in held]),
        first_ms=_joined([part.first_ms for part in held], min),
        last_ms=_joined([part.last_ms for part in held], max),
        last_error=max([part.last_error for part in held if part.last_error], default=None),
    )


def added(parts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    """Counts by key, added up."""
    sums: dict[K, int] = defaultdict(int)
    for part in parts:
        for key, count in part.items():
            sums[key] += count
    return dict(sums)


def _joined(parts: Iterable[Mapping[K, int]], choose: Callable[[int, int], int]) -> dict[K, int]:
    joined: dict[K, int] = {}
    for part in parts:
        for key, value in part.items():
            joined[key] = choose(joined[key], value) if key in joined else value
    return joined


def _grouped(parts: Iterable[Mapping[K, V]], merge: Callable[[Iterable[V]], V]) -> dict[K, V]:
    groups: dict[K, list[V]] = defaultdict(list)
    for part in parts:
        for key, cell in part.items():
            groups[key].append(cell)
    return {key: merge(cells) if len(cells) > 1 else cells[0] for key, cells in groups.items()}


def _bounded(
    cells: dict[Labels, V], merge: Callable[[Iterable[V]], V], size: Callable[[V], int], most: int
) -> dict[Labels, V]:
    """The `most` largest cells as they are, the others under folded labels: one for each operation and priority."""
    if len(cells) <= most:
        return cells
    largest = sorted(cells, key=lambda labels: (-size(cells[labels]), [str(label) for label in labels]))
    kept = {labels: cells[labels] for labels in largest[:most]}
    return _grouped([kept, *({labels.folded: cells[labels]} for labels in largest[most:])], merge)
