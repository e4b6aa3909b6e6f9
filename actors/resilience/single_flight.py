"""Identical calls that are under way at once are made once.

Within a process they share a task; between the replicas of a pool, a claim in `Flights`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Collection
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import structlog

from actors.providers.port import Call, Provider, Reply
from actors.resilience.bookkeeping import Bookkeeping
from actors.resilience.hearing import Hearing
from actors.resilience.late import late_at
from actors.resilience.target import ANYONE
from state.errors import AskwellError, StoreUnavailable
from state.metrics.labels import CacheLevel
from state.metrics.recorder import SILENT, Recorder, operation_of
from state.spending import NO_USAGE

log = structlog.get_logger()

T = TypeVar("T")
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S, _PAUSE_GROWTH = 0.02, 0.2, 1.5


class Flights(Protocol):
    """What the replicas know of each other's calls. Every method may raise `StoreUnavailable` or `Broken`."""

    async def claim(self, digest: str, owner: str, lease_s: float, *, anew: bool) -> bool:
        """Become the one that makes the call, for `lease_s`. False where another is; and where a result is
        kept, unless `anew` puts the claim in its place."""
        ...

    async def renew(self, digest: str, owner: str, lease_s: float) -> bool:
        """Hold on to the claim for another `lease_s`. False where it was lost."""
        ...

    async def publish(self, digest: str, owner: str, reply: bytes, keep_s: float) -> None:
        """Put the reply in the claim's place for `keep_s`; nothing happens where the claim was lost."""
        ...

    async def result(self, digest: str) -> bytes | None: ...

    async def release(self, digest: str, owner: str) -> None:
        """Give the claim up, so that another may have it at once."""
        ...


@dataclass(slots=True, eq=False)
class _Flight:
    task: asyncio.Task[Reply]
    waiting: int = 0


class SingleFlight:
    """Makes one call for all that have the same digest at the same time.

    The call lives as long as anybody waits for it, whoever asked first. Its reply goes to all, with its
    usage to the first alone, and is told to each other listener in one piece. An error goes to the first
    alone: the others try themselves, again as one. Between replicas a reply is kept for `keep_s`, for those
    who have been waiting for it; a claim lasts `lease_s` and is renewed, so that a dead replica holds the
    others up no longer than that.

    `operations` are the ones shared between replicas (None: all), at the price of two round trips to
    `flights`; without `flights` none are. Where they fail, or take longer than `patience_s`, calls are made without
    sharing. `owner` is unique among the replicas. `recorder` is told of every call whether it joined another one.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        flights: Flights | None,
        owner: str,
        operations: Collection[str] | None,
        lease_s: float,
        keep_s: float,
        patience_s: float,
        recorder: Recorder = SILENT,
    ) -> None:
        self._inner = inner
        self._flights = flights
        self._operations = operations
        self._lease_s = lease_s
        self._keep_s = keep_s
        self._patience_s = patience_s
        self._recorder = recorder
        self._owners = (f"{owner}:{number}" for number in itertools.count())
        self._flying: dict[str, _Flight] = {}
        self._books = Bookkeeping(event="flight_not_ended", patience_s=patience_s)

    async def call(self, call: Call) -> Reply:
        while (flight := self._flying.get(call.digest)) is not None:
            await self._wait(flight, call)
            if not flight.task.cancelled() and flight.task.exception() is None:
                self._looked(call, hits=1)
                return _passed_on(flight.task.result(), call)
        hearing = Hearing(call)
        flight = self._flying[call.digest] = _Flight(asyncio.create_task(self._fly(hearing.call)))
        flight.task.add_done_callback(lambda _: self._land(call.digest, flight))
        try:
            await self._wait(flight, call)
        finally:
            hearing.end()
        return flight.task.result()

    async def aclose(self) -> None:
        await self._books.drain()
        await self._inner.aclose()

    async def _wait(self, flight: _Flight, call: Call) -> None:
        """Until the flight has ended. The last one to leave before that ends it."""
        flight.waiting += 1
        try:
            async with late_at(call.deadline, ANYONE, call):
                await asyncio.wait({flight.task})
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(call.digest, flight)
                flight.task.cancel()
                await asyncio.wait({flight.task})

    def _land(self, digest: str, flight: _Flight) -> None:
        self._forget(digest, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # seen, so that asyncio reports none as lost after everyone has gone

    def _forget(self, digest: str, flight: _Flight) -> None:
        if self._flying.get(digest) is flight:
            del self._flying[digest]

    async def _fly(self, call: Call) -> Reply:
        flights = self._flights
        if flights is None or (self._operations is not None and call.operation not in self._operations):
            return await self._alone(call)
        owner = next(self._owners)
        try:
            shared = await self._claimed(flights, call.digest, owner)
        except AskwellError as error:
            log.warning("flights_unavailable", error=type(error).__name__)
            return await self._alone(call)
        if shared is not None:
            self._looked(call, hits=1)
            return _passed_on(_read(shared), call)
        return await self._lead(flights, call, owner)

    async def _alone(self, call: Call) -> Reply:
        self._looked(call, misses=1)
        return await self._inner.call(call)

    def _looked(self, call: Call, *, hits: int = 0, misses: int = 0) -> None:
        self._recorder.looked_up(CacheLevel.SINGLE_FLIGHT, operation_of(call.operation), hits=hits, misses=misses)

    async def _claimed(self, flights: Flights, digest: str, owner: str) -> bytes | None:
        """None once the claim is this owner's, else the reply that came to another meanwhile.

        A reply that was there before is left aside: who asks again may do so because it was no use.
        """
        pause_s, anew = _SHORTEST_PAUSE_S, True
        while not await self._claim(flights, digest, owner, anew=anew):
            anew = False
            if (reply := await self._soon(flights.result(digest))) is not None:
                return reply
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)
        return None

    async def _claim(self, flights: Flights, digest: str, owner: str, *, anew: bool) -> bool:
        """Whether the claim is this owner's now. It is given up again where nobody is left to hear that it is."""
        claiming = asyncio.create_task(flights.claim(digest, owner, self._lease_s, anew=anew))
        try:
            return await self._soon(asyncio.shield(claiming))
        except BaseException:
            self._books.begin(self._withdraw(claiming, flights, digest, owner))
            raise

    async def _withdraw(self, claiming: asyncio.Task[bool], flights: Flights, digest: str, owner: str) -> None:
        try:
            await claiming
        finally:  # a claim whose answer was lost may stand all the same
            await flights.release(digest, owner)

    async def _lead(self, flights: Flights, call: Call, owner: str) -> Reply:
        renewing = asyncio.create_task(self._renew(flights, call.digest, owner))
        try:
            reply = await self._alone(call)
        except BaseException:
            self._books.begin(flights.release(call.digest, owner))
            raise
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
        await self._books.finish(flights.publish(call.digest, owner, _written(reply), self._keep_s))
        return reply

    async def _renew(self, flights: Flights, digest: str, owner: str) -> None:
        """Until the claim is lost, or this is cancelled; a client may swallow that, which is no reason to go on."""
        held, renewing = True, asyncio.current_task()
        while held and renewing is not None and not renewing.cancelling():
            await asyncio.sleep(self._lease_s / 3)
            try:
                held = await self._soon(flights.renew(digest, owner, self._lease_s))
            except AskwellError as error:
                log.warning("flights_unavailable", error=type(error).__name__)

    async def _soon(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience_s):
                return await answer
        except TimeoutError:
            raise StoreUnavailable(cause="TimeoutError") from None


def _passed_on(reply: Reply, call: Call) -> Reply:
    """The reply to a call that was not made for it."""
    if call.heard is not None:
        call.heard(reply.text)
    return replace(reply, usage=NO_USAGE)


def _written(reply: Reply) -> bytes:
    return json.dumps([reply.text, reply.provider, reply.model]).encode()


def _read(shared: bytes) -> Reply:
    text, provider, model = json.loads(shared)
    return Reply(text=text, provider=provider, model=model, usage=NO_USAGE)
