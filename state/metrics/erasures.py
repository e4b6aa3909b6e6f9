"""Sessions whose ids have to be taken out of the buckets, because they were erased.

    askwell:{metrics}:erased   sorted set   session, since when it was there, when it was erased; by when it is due

A flush that names the session may still be on its way, so that it is due again until all of them have come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from state.backend import Backend

_INDEX = ["askwell:{metrics}:erased"]
_BETWEEN = "\0"
AT_ONCE = 50
AGAIN_MS = 60_000
SETTLED_MS = 180_000
"""After this no process has a flush left that names the session: each keeps them for a minute."""


class Erasure(NamedTuple):
    """Unix milliseconds."""

    session_id: str
    since_ms: int
    erased_ms: int


class Erasures:
    """All methods raise `StoreUnavailable`."""

    def __init__(self, backend: Backend, *, now_ms: Callable[[], int]) -> None:
        self._backend = backend
        self._now_ms = now_ms

    async def note(self, session_id: str, since_ms: int) -> None:
        """Before a session that was there since `since_ms` is erased."""
        erasure = Erasure(session_id, since_ms, self._now_ms())
        await self._backend.write("enlist.lua", _INDEX, [erasure.erased_ms, _member(erasure), "sooner"])

    async def due(self) -> list[Erasure]:
        """Those whose ids are to be taken out now, at most `AT_ONCE`; they are due again after `AGAIN_MS`."""
        now_ms = self._now_ms()
        found = await self._backend.write("due.lua", _INDEX, [now_ms, now_ms + AGAIN_MS, AT_ONCE])
        return [_erasure(member.decode()) for member in found]

    async def done(self, erasure: Erasure) -> None:
        """It has been taken out; for good where nothing that names it can come any more."""
        if self._now_ms() - erasure.erased_ms >= SETTLED_MS:
            await self._backend.write("strike.lua", _INDEX, [_member(erasure)])


def _member(erasure: Erasure) -> str:
    return _BETWEEN.join(map(str, erasure))


def _erasure(member: str) -> Erasure:
    session_id, since_ms, erased_ms = member.split(_BETWEEN)
    return Erasure(session_id, int(since_ms), int(erased_ms))
