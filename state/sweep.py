"""What outlives a session's record and has to go after it: its vectors, which have no expiry of their own.

An index in Redis tells when to look after each session. A session that lives on is looked after again when it
would expire; one that has expired, or was erased, has its vectors forgotten and is struck off, so that the index
holds no more than there are sessions. An erased one is looked after once more a while later: a writer that was
cut off may have remembered something in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from state.backend import Backend
from state.errors import AskwellError
from state.messages import Owner
from state.store import part_key

log = structlog.get_logger()
INDEX = ["askwell:{sweep}:sessions"]
AT_ONCE = 50
AGAIN_MS = 60_000
"""A member that was taken and not struck off comes again after this."""
SECOND_LOOK_MS = 120_000
"""After an erasure; longer than a step may take."""
MARGIN_MS = 1_000
_BETWEEN = "\0"


class Sweep:
    """The index and what is done for whoever is due in it. `forget` erases the vectors of a session.

    All methods raise `StoreUnavailable`; `sweep` also what `forget` raises, and then comes to that session again.
    """

    def __init__(
        self, backend: Backend, *, now_ms: Callable[[], int], forget: Callable[[Owner], Awaitable[None]]
    ) -> None:
        self._backend = backend
        self._now_ms = now_ms
        self._forget = forget
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    async def opened(self, tenant: str, session_id: str, ttl_ms: int) -> None:
        """Before a session's first commit, so that none is missing.

        The commit may yet be refused: a second look at what was erased under this id stays when it was due.
        """
        await self._enlist(tenant, session_id, ttl_ms + MARGIN_MS, keep="sooner")

    async def erased(self, tenant: str, session_id: str) -> None:
        """Before a session is erased."""
        await self._enlist(tenant, session_id, SECOND_LOOK_MS)

    async def sweep(self) -> int:
        """Look after those that are due, up to `AT_ONCE`; how many of them are gone for good."""
        now_ms = self._now_ms()
        due = await self._backend.write("due.lua", INDEX, [now_ms, now_ms + AGAIN_MS, AT_ONCE])
        return sum([await self._looked_after(*member.decode().split(_BETWEEN)) for member in due])

    def start(self, every_s: float) -> None:
        """Sweep from now on, in a task of its own; once is enough."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(every_s))

    async def aclose(self) -> None:
        """Stop sweeping."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _run(self, every_s: float) -> None:
        while not self._closed:
            await asyncio.sleep(every_s)
            try:
                await self.sweep()
            except AskwellError as error:
                log.warning("sweep_failed", error=type(error).__name__)

    async def _looked_after(self, tenant: str, session_id: str) -> bool:
        left_ms: int = await self._backend.write("expires.lua", [part_key("session", session_id, "record")])
        if left_ms >= 0:
            await self._enlist(tenant, session_id, left_ms + MARGIN_MS)
            return False
        await self._forget(Owner(tenant=tenant, user="", session_id=session_id))
        await self._backend.write("strike.lua", INDEX, [_member(tenant, session_id)])
        return True

    async def _enlist(self, tenant: str, session_id: str, in_ms: int, *, keep: str = "") -> None:
        due_ms = self._now_ms() + in_ms
        await self._backend.write("enlist.lua", INDEX, [due_ms, _member(tenant, session_id), keep])


def _member(tenant: str, session_id: str) -> str:
    return f"{tenant}{_BETWEEN}{session_id}"
