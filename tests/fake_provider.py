"""Providers, a ledger and flights whose every move a test decides. Times are seconds of the loop's clock."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from actors.providers.port import Call, Fault, Provider, ProviderError, Reply
from actors.resilience.target import Target
from state.errors import StoreUnavailable
from state.messages import Origin
from state.spending import NO_USAGE, CallRecord, Usage

DAY_MS = 86_400_000
TARGET = Target(provider="fake", model="fake-1")
TARGET_2 = Target(provider="other", model="other-1")
USED = Usage(input_tokens=100, output_tokens=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """Replies after `after_s`; a listener hears the first of the `pieces` after `first_s`, evenly on from there."""

    text: str = "{}"
    after_s: float = 0.0
    first_s: float = 0.0
    pieces: int = 1
    usage: Usage = USED


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """Fails after `after_s`, having told a listener `said` before."""

    fault: Fault
    after_s: float = 0.0
    said: str = ""
    retry_after_s: float | None = None
    usage: Usage | None = None


HANGS = Says(after_s=math.inf, first_s=math.inf)
Move = Says | Fails | Exception
"""An exception is raised as it is."""


class FakeProvider:
    """Makes `moves` one after another, the last one for ever; keeps the calls and counts those under way.

    `thinking_tokens` it may write beside each reply.
    """

    def __init__(self, *moves: Move, target: Target = TARGET, thinking_tokens: int = 0) -> None:
        self.moves = list(moves or (Says(),))
        self._target = target
        self._thinking_tokens = thinking_tokens
        self.calls: list[Call] = []
        self.running = 0
        self.most_running = 0
        self.cancelled = 0
        self.closed = False

    def most_output_tokens(self, call: Call) -> int:
        return call.max_output_tokens + self._thinking_tokens

    async def call(self, call: Call) -> Reply:
        move = self.moves.pop(0) if len(self.moves) > 1 else self.moves[0]
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            match move:
                case Says():
                    return await self._say(move, call)
                case Fails():
                    return await self._fail(move, call)
                case _:
                    raise move
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def aclose(self) -> None:
        self.closed = True

    async def _say(self, move: Says, call: Call) -> Reply:
        reply = Reply(
            text=move.text, provider=self._target.provider, model=self._target.model_for(call), usage=move.usage
        )
        if call.heard is None or move.after_s == math.inf:
            await _pass(move.after_s)
            return reply
        await _pass(move.first_s)
        size = math.ceil(len(move.text) / move.pieces)
        for start in range(0, len(move.text), size):
            call.heard(move.text[start : start + size])
            await _pass((move.after_s - move.first_s) / move.pieces)
        return reply

    async def _fail(self, move: Fails, call: Call) -> NoReturn:
        if move.said and call.heard is not None:
            call.heard(move.said)
        await _pass(move.after_s)
        raise ProviderError(
            move.fault,
            provider=self._target.provider,
            model=self._target.model_for(call),
            retry_after_s=move.retry_after_s,
            usage=move.usage,
        )


async def _pass(seconds: float) -> None:
    if seconds == math.inf:
        await asyncio.Event().wait()
    if seconds > 0:
        await asyncio.sleep(seconds)


@dataclass
class FakeLedger:
    """Counts tokens by tenant and day. `away` makes every method fail, `slow_s` makes each take that long."""

    counted: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    most_counted: int = 0
    asked: int = 0
    records: list[CallRecord] = field(default_factory=list)
    away: bool = False
    slow_s: float = 0.0

    async def reserve(self, *, tenant: str, now_ms: int, tokens: int, limit: int) -> bool:
        await self._answer()
        day = (tenant, now_ms // DAY_MS)
        if self.counted[day] + tokens > limit:
            return False
        self.counted[day] += tokens
        self.most_counted = max(self.most_counted, self.counted[day])
        return True

    async def settle(self, *, tenant: str, now_ms: int, reserved: int, used: int) -> None:
        await self._answer()
        self.counted[tenant, now_ms // DAY_MS] += used - reserved

    async def record(self, record: CallRecord) -> None:
        await self._answer()
        self.records.append(record)

    async def _answer(self) -> None:
        self.asked += 1
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.away:
            raise StoreUnavailable


@dataclass
class FakeFlights:
    """Flights in a dictionary, shared by the stacks of a test. `away` and `slow_s` as for the ledger; `claims` is
    how many were granted."""

    held: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    asked: int = 0
    claims: int = 0
    away: bool = False
    slow_s: float = 0.0

    async def claim(self, digest: str, owner: str, lease_s: float, *, anew: bool) -> bool:
        value = await self._value(digest)
        if value is not None and not (anew and value.startswith(b"r")):
            return False
        self._put(digest, b"c" + owner.encode(), lease_s)
        self.claims += 1
        return True

    async def renew(self, digest: str, owner: str, lease_s: float) -> bool:
        if await self._value(digest) != b"c" + owner.encode():
            return False
        self._put(digest, b"c" + owner.encode(), lease_s)
        return True

    async def publish(self, digest: str, owner: str, reply: bytes, keep_s: float) -> None:
        if await self._value(digest) == b"c" + owner.encode():
            self._put(digest, b"r" + reply, keep_s)

    async def result(self, digest: str) -> bytes | None:
        value = await self._value(digest)
        return value[1:] if value is not None and value.startswith(b"r") else None

    async def release(self, digest: str, owner: str) -> None:
        if await self._value(digest) == b"c" + owner.encode():
            del self.held[digest]

    async def _value(self, digest: str) -> bytes | None:
        self.asked += 1
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.away:
            raise StoreUnavailable
        value, until = self.held.get(digest, (None, math.inf))
        return value if asyncio.get_running_loop().time() < until else None

    def _put(self, digest: str, value: bytes, seconds: float) -> None:
        self.held[digest] = (value, asyncio.get_running_loop().time() + seconds)


class Listener:
    """What a caller who listens has on screen."""

    def __init__(self) -> None:
        self.heard: list[str | None] = []

    def __call__(self, piece: str | None) -> None:
        self.heard.append(piece)

    @property
    def text(self) -> str:
        since = len(self.heard) - self.heard[::-1].index(None) if None in self.heard else 0
        return "".join(piece for piece in self.heard[since:] if piece is not None)


def a_call(task: str = "Do it.", **changes: Any) -> Call:
    """A call for tenant 'acme' with a listener only where one is given."""
    usual: dict[str, Any] = {
        "operation": "write_answer",
        "prompt": "write_answer/1",
        "kind": "Answer",
        "schema": {"type": "object"},
        "system": "You write.",
        "context": "A CV and a job.",
        "max_output_tokens": 50,
        "origin": Origin(tenant="acme", session_id="s1"),
    }
    return Call(task=task, **{**usual, **changes})


async def fault_of(provider: Provider, call: Call) -> ProviderError:
    """The error that the call ends with."""
    try:
        reply = await provider.call(call)
    except ProviderError as error:
        return error
    raise AssertionError(reply)


def priced(_provider: str, _model: str, usage: Usage) -> float | None:
    """A dollar for a thousand tokens."""
    return None if usage == NO_USAGE else (usage.input_tokens + usage.output_tokens) / 1000


def now() -> float:
    return asyncio.get_running_loop().time()


def at(ms: int) -> Callable[[], int]:
    return lambda: ms
