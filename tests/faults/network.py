"""What lies between the processes of a simulation, and how it fails: delay, loss, doubling, cuts.

Each process reaches Redis over a `Link`, which implements `state.backend.Backend`; an ingress reaches an actor
over a `Line`, which implements `serve_app.routing.SessionActor`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from serve_app.routing import Lost
from state.backend import Argument
from state.durability import Durability, Mode
from state.errors import AskwellError, Broken, StoreUnavailable
from tests.faults.loop import Process, SimLoop
from tests.faults.redis_model import CommandRefused
from tests.faults.sim_redis import Node, SimRedis, Unconfirmed

if TYPE_CHECKING:
    from tests.faults.actor import Incarnation

SOCKET_TIMEOUT_S = 1.5
_REPLICATED = Durability(mode=Mode.REPLICATED, replicas=1)


@dataclass(slots=True, kw_only=True)
class Weather:
    """Shares of messages (0 to 1) to which each of this happens, until it clears up."""

    slow: float = 0.0
    request_lost: float = 0.0
    reply_lost: float = 0.0
    doubled: float = 0.0
    resent: float = 0.0
    work_fails: float = 0.0
    replica_dies: float = 0.0

    def clear_up(self) -> None:
        """Nothing is lost or doubled any more; what was slow stays slow."""
        self.request_lost = self.reply_lost = self.doubled = self.resent = 0.0


class Delays:
    """Milliseconds mostly; some messages take long enough to be overtaken by anything."""

    def __init__(self, rng: Random, weather: Weather) -> None:
        self._rng = rng
        self._slow = weather.slow

    def __call__(self) -> float:
        drawn = self._rng.random()
        if drawn < self._slow:
            return self._rng.random() * (3.0 if drawn < self._slow / 4 else 0.3)
        return 0.0005 + 0.004 * self._rng.random()


class Link:
    """One process's way to Redis. `process` is None for a pool, which never dies."""

    def __init__(
        self, redis: SimRedis, loop: SimLoop, rng: Random, weather: Weather, process: Process | None = None
    ) -> None:
        self.redis = redis
        self.up = True
        self.refused = False
        self.behind: Node | None = None
        self.at_commit: Callable[[], None] | None = None
        self._loop = loop
        self._rng = rng
        self._weather = weather
        self._process = process
        self._delay = Delays(rng, weather)

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        return await self._call(script, keys, args, durable=True)

    async def read(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        return await self._call(script, keys, args, durable=False)

    async def ping(self) -> None:
        await self._call("read.lua", ["askwell:{ping}"], [], durable=False)

    async def aclose(self) -> None:
        return

    async def _call(self, script: str, keys: Sequence[str], args: Sequence[Argument], *, durable: bool) -> Any:
        if self._process is not None and not self._process.alive:
            raise asyncio.CancelledError
        reply = await self._sent(script, list(keys), list(args), durable=durable)
        if isinstance(reply, CommandRefused):
            raise Broken("Redis refused a command.")
        return self.checked(reply)

    def checked(self, reply: Any) -> Any:
        """A reply that its follower did not confirm is none: what was written may be lost yet."""
        if isinstance(reply, Unconfirmed):
            _REPLICATED.require(0)
        return reply

    def _sent(
        self, script: str, keys: Sequence[str], args: Sequence[Argument], *, durable: bool
    ) -> asyncio.Future[Any]:
        reply: asyncio.Future[Any] = self._loop.create_future()
        node = self.redis.node
        if self.behind is not None and self._rng.random() < 0.7:
            node = self.behind  # some of the pool's connections are to the new one
        timer = self._loop.after(SOCKET_TIMEOUT_S, _fail, reply, "TimeoutError")
        reply.add_done_callback(lambda _: timer.cancel(), context=self._loop.outside)
        drawn = self._rng.random()
        weather = self._weather
        if script == "commit.lua" and self.at_commit is not None:
            at_commit, self.at_commit = self.at_commit, None
            at_commit()

        def arrive(answering: bool) -> None:
            if self._process is not None and self._process.frozen and self._rng.random() < 0.7:
                self._process.unsent.append(lambda: arrive(answering))  # it was stopped before it had sent this
                return
            if node.away == "silent" or not (self.up or self.refused):
                return
            if node.away == "refused" or not self.up:
                self._loop.after(self._delay(), _fail, reply, "ConnectionError")
                return
            self.redis.run(
                node, script, keys, args, durable=durable, answer=self._answer(reply) if answering else _nobody
            )

        if drawn < weather.request_lost:
            return reply
        drawn -= weather.request_lost
        first, again = self._delay(), drawn < weather.doubled + weather.resent
        if again:
            self.redis.doubled += 1
            resent = drawn < weather.resent
            self._loop.after(first, arrive, not resent)
            self._loop.after(first + self._delay() + self._rng.random() * 0.5, arrive, resent)
        else:
            self._loop.after(first, arrive, True)
        return reply

    def _answer(self, reply: asyncio.Future[Any]) -> Callable[[Any], None]:
        def answer(result: Any) -> None:
            if self.up and self._rng.random() >= self._weather.reply_lost:
                self._loop.after(self._delay(), _settle, reply, result)

        return answer


class Line:
    """One ingress's way to the actor of a name, whichever incarnation that is."""

    def __init__(
        self,
        name: str,
        incarnation: Callable[[str], Incarnation | None],
        loop: SimLoop,
        rng: Random,
        weather: Weather,
        *,
        ingress: int,
    ) -> None:
        self.name = name
        self._ingress = ingress
        self._incarnation = incarnation
        self._loop = loop
        self._rng = rng
        self._weather = weather
        self._delay = Delays(rng, weather)

    async def once(self, method: str, *args: Any, **kwargs: Any) -> Any:
        reply: asyncio.Future[Any] = self._loop.create_future()
        drawn = self._rng.random()
        if drawn < self._weather.request_lost:
            self._loop.after(self._delay() + 0.1, self._lose, reply)
        else:
            self._loop.after(self._delay(), self._arrive, reply, method, args, kwargs)
            if drawn > 1 - self._weather.doubled:
                self._loop.after(self._delay() + self._rng.random(), self._arrive, None, method, args, kwargs)
        return await reply

    def _arrive(
        self, reply: asyncio.Future[Any] | None, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        actor = self._incarnation(self.name)
        if actor is None:
            if reply is not None:
                self._loop.after(0.05, self._lose, reply)
            return
        if self._ingress in actor.cut_for:
            kept = self._rng.random() < 0.5
            actor.at_heal.append(lambda: self._arrive(reply if kept else None, method, args, kwargs))
            if reply is not None and not kept:
                actor.at_heal.append(lambda: self._lose(reply))
            return
        if reply is not None:
            actor.waiting.append(reply)
        task = actor.process.start(getattr(actor.state, method)(*args, **kwargs))
        task.add_done_callback(lambda done: self._done(actor, reply, done), context=self._loop.outside)

    def _done(self, actor: Incarnation, reply: asyncio.Future[Any] | None, done: asyncio.Task[Any]) -> None:
        error = None if done.cancelled() else done.exception()
        if not actor.process.alive or reply is None or reply.done():
            return
        if error is None and not actor.process.frozen:
            actor.answered()
        if error is not None and not isinstance(error, AskwellError):
            actor.raised.append(f"raised: {type(error).__name__}: {error}")
            error = Broken(f"A remote call failed with {type(error).__name__}.")
        result = error or (Broken("A remote call was cancelled.") if done.cancelled() else done.result())
        if self._ingress in actor.cut_for:
            actor.at_heal.append(lambda: self._lose(reply))
        elif self._rng.random() < self._weather.reply_lost:
            self._loop.after(self._delay() + 0.1, self._lose, reply)
        else:
            self._loop.after(self._delay(), self._reply, actor, reply, result)

    def _reply(self, actor: Incarnation, reply: asyncio.Future[Any], result: Any) -> None:
        """Sent is sent: the reply of an actor that has died or been cut off since still arrives."""
        if actor.process.frozen:  # it was being sent
            actor.at_heal.append(lambda: _settle(reply, result))
        else:
            _settle(reply, result)

    def _lose(self, reply: asyncio.Future[Any]) -> None:
        if not reply.done():
            reply.set_exception(Lost(f"{self.name} is not there."))


def _settle(reply: asyncio.Future[Any], result: Any) -> None:
    if reply.done():
        return
    if isinstance(result, AskwellError):
        reply.set_exception(result)
    else:
        reply.set_result(result)


def _fail(reply: asyncio.Future[Any], cause: str) -> None:
    if not reply.done():
        reply.set_exception(StoreUnavailable(cause=cause))


def _nobody(_: Any) -> None:
    """A copy of a request that nobody waits for."""
