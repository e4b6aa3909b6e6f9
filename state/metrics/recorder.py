"""The port that everything measured is told to.

with Timed(recorder, Labels(Operation.WRITE_ANSWER, Priority.HIGH), time.perf_counter_ns) as timed:
    ...
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from state.metrics.cells import Verdict
from state.metrics.labels import (
    GIVEN_UP,
    NONE,
    CacheLevel,
    Component,
    Labels,
    Operation,
    Status,
    Variant,
    error_kind,
)
from state.metrics.latencies import NS_PER_MS
from state.model import Priority
from state.spending import CallRecord, CallStatus, Usage


class Recorder(Protocol):
    """Whoever takes observations. No method waits, and none raises; all are for one thread."""

    def performed(self, labels: Labels, latency_ns: int, error: str = NONE) -> None:
        """An operation ended, after `latency_ns`, well or with an error of a kind in `ERROR_KINDS`."""
        ...

    def spent(
        self, labels: Labels, *, tenant: str, session_id: str, usage: Usage | None, cost_usd: float | None
    ) -> None:
        """A call to a provider. `usage` is None where it gave none, `cost_usd` where no price is known; an empty
        `session_id` is no session's."""
        ...

    def judged(self, labels: Labels, *, score: float, verdict: Verdict, refinements: int) -> None:
        """An answer was scored, 1 to 10, after that many refinements."""
        ...

    def looked_up(self, level: CacheLevel, operation: Operation, *, hits: int = 0, misses: int = 0) -> None:
        """Some lookups in a cache."""
        ...

    def checked(self, component: Component, status: Status, *, at_ms: int, latency_ns: int, error: str = NONE) -> None:
        """A component was looked at; `error` is the kind of failure of one that is not OK."""
        ...


class Timed:
    """Records how long its block takes, and the kind of the exception that ends it.

    The block may set `labels`, where a reply says which model it came from, and `error`, where nothing is raised.
    """

    __slots__ = ("_began_ns", "_now_ns", "_recorder", "error", "labels")

    def __init__(self, recorder: Recorder, labels: Labels, now_ns: Callable[[], int]) -> None:
        self._recorder = recorder
        self._now_ns = now_ns
        self.labels = labels
        self.error = NONE

    def __enter__(self) -> Self:
        self._began_ns = self._now_ns()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: TracebackType | None) -> None:
        told = self.error or (error_kind(error) if error is not None else NONE)
        self._recorder.performed(self.labels, self._now_ns() - self._began_ns, told)


def operation_of(name: str) -> Operation:
    """What is counted as an operation of this name."""
    return _OPERATIONS.get(name, Operation.OTHER)


def record_call(
    recorder: Recorder, record: CallRecord, *, priority: Priority | None = None, variant: Variant = Variant.USUAL
) -> None:
    """A call to a provider as the ledger keeps it: what it took, and what it cost."""
    labels = Labels(
        operation=operation_of(record.operation),
        priority=priority,
        provider=record.provider,
        model=record.model,
        prompt=record.prompt,
        variant=variant,
    )
    error = GIVEN_UP if record.status is CallStatus.GIVEN_UP else record.fault
    recorder.performed(labels, round(record.latency_ms * NS_PER_MS), error)
    recorder.spent(
        labels,
        tenant=record.tenant,
        session_id=record.session_id,
        usage=record.usage,
        cost_usd=record.cost_usd,
    )


_OPERATIONS = {operation.value: operation for operation in Operation}


class Silent:
    """Records nothing: what the cost of recording is measured against."""

    def performed(self, labels: Labels, latency_ns: int, error: str = NONE) -> None: ...

    def spent(
        self, labels: Labels, *, tenant: str, session_id: str, usage: Usage | None, cost_usd: float | None
    ) -> None: ...

    def judged(self, labels: Labels, *, score: float, verdict: Verdict, refinements: int) -> None: ...

    def looked_up(self, level: CacheLevel, operation: Operation, *, hits: int = 0, misses: int = 0) -> None: ...

    def checked(
        self, component: Component, status: Status, *, at_ms: int, latency_ns: int, error: str = NONE
    ) -> None: ...


SILENT: Final = Silent()
