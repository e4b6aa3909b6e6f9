"""Looks at the components every few seconds, and records how they are.

A check returns where its component can do its work, and raises an `AskwellError` where it cannot; `Degraded` says that
it does so with less. The vector store is seen through the retriever, and the models through what became of the calls of
the last minute or two: a call only to look would cost money.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from state.alerts.readings import Reading
from state.errors import AskwellError, Degraded
from state.metrics.buckets import MINUTE_MS, minute_of
from state.metrics.cells import Performance
from state.metrics.labels import NONE, NOT_OURS, Component, Status, error_kind
from state.metrics.recorder import Recorder

Check = Callable[[], Awaitable[object]]
TIMEOUT_S = 3.0
BEHIND: Mapping[Component, Component] = {Component.RETRIEVER: Component.QDRANT}
"""What a component's check looks at beyond it. An error whose data has a `pool` is the component's own."""
FEWEST_CALLS = 5
MOST_REMEMBERED = 2_000
"""Looks; an hour's of all components."""
DEGRADED_SHARE = 0.1
DOWN_SHARE = 0.5
"""Of the calls to models that failed."""


class Seen(NamedTuple):
    status: Status
    latency_ns: int
    error: str = NONE


class HealthChecks:
    """`completions` has the recent calls to models."""

    def __init__(
        self,
        checks: Mapping[Component, Check],
        *,
        completions: Callable[[], Performance],
        recorder: Recorder,
        now_ms: Callable[[], int],
        clock_ns: Callable[[], int],
    ) -> None:
        self._checks = checks
        self._completions = completions
        self._recorder = recorder
        self._now_ms = now_ms
        self._clock_ns = clock_ns
        self._remembered: deque[tuple[int, Component, Status]] = deque(maxlen=MOST_REMEMBERED)

    async def check(self) -> None:
        """Look at all of them at once, none for longer than `TIMEOUT_S`, and record what was seen."""
        at_ms = self._now_ms()
        looks = await asyncio.gather(*(self._look(component, check) for component, check in self._checks.items()))
        seen = {component: status for look in looks for component, status in look.items()}
        models = seen_in(self._completions())
        if models is not None:
            seen[Component.LLM] = models
        for component, (status, latency_ns, error) in seen.items():
            self._remembered.append((at_ms, component, status))
            self._recorder.checked(component, status, at_ms=at_ms, latency_ns=latency_ns, error=error)

    def down_share(self, component: Component, minutes: int) -> Reading:
        """How often it was down by this process's own checks, in a window as `state.metrics.buckets` has it."""
        since_ms = minute_of(self._now_ms()) - minutes * MINUTE_MS
        seen = [status for at_ms, looked, status in self._remembered if looked is component and at_ms >= since_ms]
        return Reading(value=seen.count(Status.DOWN) / len(seen) if seen else None, samples=len(seen))

    async def _look(self, component: Component, check: Check) -> dict[Component, Seen]:
        behind, began_ns = BEHIND.get(component), self._clock_ns()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await check()
        except (AskwellError, TimeoutError) as error:
            status = Status.DEGRADED if isinstance(error, Degraded) else Status.DOWN
            seen = Seen(status, self._clock_ns() - began_ns, error_kind(error))
            if behind is None or isinstance(error, TimeoutError) or "pool" in getattr(error, "data", {}):
                return {component: seen}
            return {component: Seen(Status.OK, seen.latency_ns), behind: seen}
        seen = Seen(Status.OK, self._clock_ns() - began_ns)
        return {component: seen} if behind is None else {component: seen, behind: seen}


def seen_in(completions: Performance) -> Seen | None:
    """How the models are by the calls to them, with the average latency and the kind of most failures; None where
    there are too few calls to tell."""
    refused = sum(count for kind, count in completions.errors.items() if kind in NOT_OURS)
    ended = completions.latencies.count - refused
    if ended < FEWEST_CALLS:
        return None
    average_ns = completions.latencies.sum_ns // completions.latencies.count
    failed = completions.failed / ended
    if failed < DEGRADED_SHARE:
        return Seen(Status.OK, average_ns)
    ours = {kind: count for kind, count in completions.errors.items() if kind not in NOT_OURS}
    worst = max(ours, key=lambda kind: (ours[kind], kind))
    return Seen(Status.DOWN if failed >= DOWN_SHARE else Status.DEGRADED, average_ns, worst)
