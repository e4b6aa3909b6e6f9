"""No more calls at once than the provider takes, which it shows by throttling."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from actors.providers.port import Call, Fault, Provider, ProviderError, Reply
from actors.resilience.late import late_at
from actors.resilience.target import NeverSent, Target

_SMOOTHING = 0.1
_OF_USE_S = 0.1
"""With less left until its deadline, a call need not begin. It is also how far this comes before whoever
else watches the deadline, and could not tell that the call never went out."""


class Queues:
    """The queues before all providers of a process: how many calls wait there for a slot."""

    def __init__(self) -> None:
        self._limits: list[Limited] = []

    def add(self, limited: Limited) -> None:
        self._limits.append(limited)

    @property
    def waiting(self) -> int:
        return sum(limited.waiting for limited in self._limits)


class Limited:
    """At most `limit` calls at once; the others wait in the order they came, at most `max_waiting` of them.

    The limit follows additive increase, multiplicative decrease between `minimum` and `maximum`, with TCP's slow
    start: a reply raises it by 1 until the first THROTTLED, and by 1 / limit from then on, if at least half of it
    was in use; THROTTLED halves it, but once for all calls that were under way together. A call that finds no room
    to wait fails at once with THROTTLED and the time in which the queue would have emptied; one that still waits
    when its deadline is near is LATE. Both are `NeverSent`.
    """

    def __init__(
        self, inner: Provider, *, target: Target, initial: int, minimum: int, maximum: int, max_waiting: int
    ) -> None:
        self._inner = inner
        self._target = target
        self._minimum = minimum
        self._maximum = maximum
        self._max_waiting = max_waiting
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._epoch = 0
        self._round_trip_s = 1.0
        self._slow_start = True
        self.limit = float(initial)

    @property
    def waiting(self) -> int:
        """Calls that have no slot yet."""
        return len(self._waiting)

    async def call(self, call: Call) -> Reply:
        await self._enter(call)
        epoch, began, beside = self._epoch, asyncio.get_running_loop().time(), self._running
        try:
            reply = await self._inner.call(call)
            self._grow(asyncio.get_running_loop().time() - began, max(beside, self._running))
        except ProviderError as error:
            if error.fault is Fault.THROTTLED:
                self._halve(epoch)
            raise
        finally:
            self._leave()
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _enter(self, call: Call) -> None:
        if not self._waiting and self._running < int(self.limit):
            self._running += 1
            return
        if len(self._waiting) >= self._max_waiting:
            empty_s = self._round_trip_s * (len(self._waiting) + 1) / self.limit
            raise self._target.error(call, Fault.THROTTLED, retry_after_s=empty_s, kind=NeverSent)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with late_at(call.deadline - _OF_USE_S, self._target, call, kind=NeverSent):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._leave()  # its turn came just as it gave up
            with suppress(ValueError):
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        self._running -= 1
        while self._waiting and self._running < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)

    def _grow(self, took_s: float, running: int) -> None:
        self._round_trip_s += _SMOOTHING * (took_s - self._round_trip_s)
        if running * 2 >= self.limit:
            self.limit = min(float(self._maximum), self.limit + (1 if self._slow_start else 1 / self.limit))

    def _halve(self, epoch: int) -> None:
        self._slow_start = False
        if epoch == self._epoch:
            self._epoch += 1
            self.limit = max(float(self._minimum), self.limit / 2)
