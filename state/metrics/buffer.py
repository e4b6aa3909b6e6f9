"""What a process holds of its observations between two flushes: one small collector a cell."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeVar

from state.metrics.cells import CacheLabels, Cells, Health, Lookups, Performance, Quality, Verdict
from state.metrics.flushes import Flush
from state.metrics.labels import (
    ERROR_KINDS,
    NONE,
    OTHER,
    CacheLevel,
    Component,
    LabelAdmission,
    Labels,
    Operation,
    Status,
)
from state.metrics.latencies import LatencyRecorder
from state.metrics.spend import (
    MAX_NAMES,
    NO_SIZES,
    NOBODY,
    TOKEN_BOUNDS,
    Cost,
    Spend,
    TopSpenders,
    merged_spenders,
    spend_of,
    total,
)
from state.spending import Usage

K = TypeVar("K")


class Buffer:
    """A `state.metrics.recorder.Recorder` that a process empties once a second.

    Bounded: closed labels are few, and `admission` bounds the others for as long as the process lives. `source` is
    unique to the process and its start.
    """

    def __init__(self, source: str, admission: LabelAdmission | None = None) -> None:
        self._source = source
        self._admission = admission or LabelAdmission()
        self._sequence = 0
        self._clear()

    def take(self, at_ms: int) -> Flush | None:
        """All that was observed since the last one, under the next number; None where nothing was.

        A flush that could not be delivered is to be sent again as it is, or dropped: that it is missing shows by its
        number once a later one arrives.
        """
        cells = self._cells()
        if cells == Cells():
            return None
        self._sequence += 1
        self._clear()
        return Flush(source=self._source, sequence=self._sequence, at_ms=at_ms, cells=cells)

    def performed(self, labels: Labels, latency_ns: int, error: str = NONE) -> None:
        cell = self._performance.get(labels)
        if cell is None:
            cell = self._performance.setdefault(self._admission.admit(labels), _PerformanceCollector())
        cell.latencies.add(latency_ns)
        if error:
            _count(cell.errors, error if error in ERROR_KINDS else OTHER)

    def spent(
        self, labels: Labels, *, tenant: str, session_id: str, usage: Usage | None, cost_usd: float | None
    ) -> None:
        cell = self._costs.get(labels)
        if cell is None:
            cell = self._costs.setdefault(self._admission.admit(labels), _CostCollector())
        spend = spend_of(usage, cost_usd)
        cell.add(spend)
        self._tenants.add(tenant, spend)
        self._sessions.add(session_id, spend)

    def judged(self, labels: Labels, *, score: float, verdict: Verdict, refinements: int) -> None:
        cell = self._quality.get(labels)
        if cell is None:
            cell = self._quality.setdefault(self._admission.admit(labels), _QualityCollector())
        _count(cell.scores, round(score * 10))
        _count(cell.verdicts, verdict)
        if not refinements:
            cell.first += 1
            cell.first_accepted += verdict is Verdict.ACCEPTED

    def looked_up(self, level: CacheLevel, operation: Operation, *, hits: int = 0, misses: int = 0) -> None:
        labels = CacheLabels(level, operation)
        held = self._caches.get(labels, _NO_LOOKUPS)
        self._caches[labels] = Lookups(held.hits + hits, held.misses + misses)

    def checked(self, component: Component, status: Status, *, at_ms: int, latency_ns: int, error: str = NONE) -> None:
        cell = self._health.setdefault(component, _HealthCollector())
        cell.latencies.add(latency_ns)
        _count(cell.checks, status)
        cell.first_ms[status] = min(cell.first_ms.get(status, at_ms), at_ms)
        cell.last_ms[status] = max(cell.last_ms.get(status, at_ms), at_ms)
        if error:
            kind = error if error in ERROR_KINDS else OTHER
            _count(cell.errors, kind)
            cell.last_error = max(cell.last_error or (at_ms, kind), (at_ms, kind))

    def _clear(self) -> None:
        self._performance: dict[Labels, _PerformanceCollector] = {}
        self._costs: dict[Labels, _CostCollector] = {}
        self._quality: dict[Labels, _QualityCollector] = {}
        self._caches: dict[CacheLabels, Lookups] = {}
        self._health: dict[Component, _HealthCollector] = {}
        self._tenants = _SpenderCollector()
        self._sessions = _SpenderCollector()

    def _cells(self) -> Cells:
        return Cells(
            performance={
                labels: Performance(latencies=cell.latencies.latencies(), errors=cell.errors)
                for labels, cell in self._performance.items()
            },
            costs={labels: cell.cost() for labels, cell in self._costs.items()},
            quality={
                labels: Quality(
                    scores=cell.scores, verdicts=cell.verdicts, first=cell.first, first_accepted=cell.first_accepted
                )
                for labels, cell in self._quality.items()
            },
            caches=self._caches,
            health={
                component: Health(
                    latencies=cell.latencies.latencies(),
                    checks=cell.checks,
                    errors=cell.errors,
                    first_ms=cell.first_ms,
                    last_ms=cell.last_ms,
                    last_error=cell.last_error,
                )
                for component, cell in self._health.items()
            },
            tenants=self._tenants.spenders(),
            sessions=self._sessions.spenders(),
        )


_NO_LOOKUPS = Lookups()


def _count(counts: dict[K, int], key: K) -> None:
    counts[key] = counts.get(key, 0) + 1


class _PerformanceCollector:
    __slots__ = ("errors", "latencies")

    def __init__(self) -> None:
        self.latencies = LatencyRecorder()
        self.errors: dict[str, int] = {}


class _QualityCollector:
    __slots__ = ("first", "first_accepted", "scores", "verdicts")

    def __init__(self) -> None:
        self.scores: dict[int, int] = {}
        self.verdicts: dict[Verdict, int] = {}
        self.first = 0
        self.first_accepted = 0


class _HealthCollector:
    __slots__ = ("checks", "errors", "first_ms", "last_error", "last_ms", "latencies")

    def __init__(self) -> None:
        self.latencies = LatencyRecorder()
        self.checks: dict[Status, int] = {}
        self.errors: dict[str, int] = {}
        self.first_ms: dict[Status, int] = {}
        self.last_ms: dict[Status, int] = {}
        self.last_error: tuple[int, str] | None = None


class _SpendCollector:
    """Adds up many at once instead of one at a time, which takes an eighth of the time."""

    __slots__ = ("_spends",)

    _MOST = 64

    def __init__(self) -> None:
        self._spends: list[Spend] = []

    def add(self, spend: Spend) -> None:
        self._spends.append(spend)
        if len(self._spends) == self._MOST:
            self._spends = [self.total]

    @property
    def total(self) -> Spend:
        return total(self._spends)


class _CostCollector:
    __slots__ = ("_input_sizes", "_output_sizes", "_spends")

    def __init__(self) -> None:
        self._spends = _SpendCollector()
        self._input_sizes = list(NO_SIZES)
        self._output_sizes = list(NO_SIZES)

    def add(self, spend: Spend) -> None:
        self._spends.add(spend)
        if not spend.unmeasured:
            self._input_sizes[bisect_left(TOKEN_BOUNDS, spend.input_tokens)] += 1
            self._output_sizes[bisect_left(TOKEN_BOUNDS, spend.output_tokens)] += 1

    def cost(self) -> Cost:
        return Cost(
            spend=self._spends.total, input_sizes=tuple(self._input_sizes), output_sizes=tuple(self._output_sizes)
        )


class _SpenderCollector:
    """By name, at most twice as many as are kept; what belongs to nobody by name is among the rest."""

    __slots__ = ("_by_name", "_kept", "_rest")

    def __init__(self) -> None:
        self._by_name: dict[str, _SpendCollector] = {}
        self._rest = _SpendCollector()
        self._kept = NOBODY

    def add(self, name: str, spend: Spend) -> None:
        if not name:
            self._rest.add(spend)
            return
        collector = self._by_name.get(name)
        if collector is None:
            if len(self._by_name) == MAX_NAMES:
                self._kept = self.spenders()
                self._by_name = {}
                self._rest = _SpendCollector()
            collector = self._by_name.setdefault(name, _SpendCollector())
        collector.add(spend)

    def spenders(self) -> TopSpenders:
        by_name = {name: collector.total for name, collector in self._by_name.items()}
        return merged_spenders([self._kept, TopSpenders(by_name=by_name, rest=self._rest.total)])
