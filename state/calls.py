"""Idempotency for requests that belong to no session: a record a key, with the reply once there is one."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from state.codec import pack, unpack
from state.errors import Fenced, KeyReused, StepTimedOut, StillRunning
from state.store import Commit, RecordStore

RELEASED_MS = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`started_ms` is `RELEASED_MS` once the work has failed and may be tried again."""

    fingerprint: str
    started_ms: int
    reply: bytes = b""


def derived_id(kind: str, tenant: str, key: str) -> str:
    """The id that an idempotency key stands for: the same key leads to the same record, 128 bits wide."""
    return hashlib.sha256(f"{kind}\x00{tenant}\x00{key}".encode()).hexdigest()[:32]


LEASE_DEADLINES = 2
"""After this many deadlines whoever ran a call is dead, and the call may be run again."""


class Calls:
    """Runs each keyed call once, within `deadline_s`; its outcome is known for `ttl_s`."""

    def __init__(self, *, store: RecordStore, now_ms: Callable[[], int], ttl_s: float, deadline_s: float) -> None:
        self._store = store
        self._now_ms = now_ms
        self._ttl_ms = int(ttl_s * 1000)
        self._deadline_s = deadline_s
        self._lease_ms = int(deadline_s * 1000) * LEASE_DEADLINES
        self._tasks: set[asyncio.Task[bytes]] = set()

    async def once(self, tenant: str, key: str | None, fingerprint: str, work: Callable[[], Awaitable[bytes]]) -> bytes:
        """The work's reply, from the record if there is one; without a key the work is simply done.

        Raises `KeyReused` for another request under the same key, `StillRunning` while it runs, and
        `StepTimedOut` where the work takes too long.
        A caller that goes away leaves the work running to its end.
        """
        if key is None:
            return await self._in_time(work)
        record_id = derived_id("call", tenant, key)
        stored = await self._store.read(record_id)
        if stored is None:
            version = 0
        else:
            version = stored.version
            call = unpack(Call, stored.state)
            if call.fingerprint != fingerprint:
                raise KeyReused
            if call.reply:
                return call.reply
            if call.started_ms + self._lease_ms > self._now_ms():
                raise StillRunning
        begun = Call(fingerprint=fingerprint, started_ms=self._now_ms())
        try:
            await self._commit(record_id, tenant, version, begun)
        except Fenced:
            raise StillRunning from None
        task = asyncio.get_running_loop().create_task(
            self._finish(record_id, tenant, version + 1, begun, work), context=contextvars.Context()
        )
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _finish(
        self, record_id: str, tenant: str, version: int, call: Call, work: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        try:
            reply = await self._in_time(work)
        except Exception:
            await self._commit(record_id, tenant, version, replace(call, started_ms=RELEASED_MS))
            raise
        await self._commit(record_id, tenant, version, replace(call, reply=reply))
        return reply

    async def _in_time(self, work: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await work()
        except TimeoutError:
            raise StepTimedOut from None

    async def _commit(self, record_id: str, tenant: str, version: int, call: Call) -> None:
        state = pack(call)
        await self._store.commit(
            Commit(record_id=record_id, tenant=tenant, epoch=1, version=version, state=state, ttl_ms=self._ttl_ms)
        )

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: the caller may be gone, and the record tells
