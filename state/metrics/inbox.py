"""Where processes leave their flushes for the monitor: Redis, so that neither has to wait for the other.

askwell:{metrics}:flushes   stream   packed flushes, in the order in which they came; gone once they are in buckets
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from state.backend import Backend

_KEYS = ["askwell:{metrics}:flushes"]
MOST_KEPT = 6_000
"""Those of a hundred processes in a minute without a monitor: some 20 MB, 60 where all of them are dense."""
KEPT_MS = 3_600_000
AT_ONCE = 500


class Left(NamedTuple):
    """A flush, and its place in the inbox."""

    place: bytes
    flush: bytes


class FlushInbox:
    """All methods raise `StoreUnavailable`; whether something was left, or dropped, is unknown then. A flush that is
    left twice is the same flush."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def leave(self, flushes: Sequence[bytes]) -> None:
        """See `actors.monitoring.flushing.Deliver`. Past `MOST_KEPT` the oldest go, which their numbers show."""
        await self._backend.write("put_flushes.lua", _KEYS, [MOST_KEPT, KEPT_MS, *flushes])

    async def oldest(self) -> list[Left]:
        """At most `AT_ONCE`."""
        found = await self._backend.read("flushes.lua", _KEYS, [AT_ONCE])
        return [Left(place, fields[1]) for place, fields in found]

    async def drop(self, left: Sequence[Left]) -> None:
        await self._backend.write("drop_flushes.lua", _KEYS, [place for place, _ in left])
