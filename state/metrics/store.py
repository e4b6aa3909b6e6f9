"""Where buckets are kept: Redis, a version and a record each, all of them in one hash slot.

    askwell:{metrics}:minute:START   hash      version, record; for a day
    askwell:{metrics}:hour:START     hash      version, record; for 30 days
    askwell:{metrics}:totals         hash      version, record; all hours before the last few
    askwell:{metrics}:alerts         hash      version, record; see `state.alerts.book`
    askwell:{metrics}:unrolled       hash      by hour, how often its minutes have changed since it was rolled up

A minute is written by whoever has read the version before, so that of two writers at once one reads again and merges
again. An hour is made of its minutes, and written by whoever has seen all of them. One slot, so that a window is read
in two round trips; with buckets as dense as they can be that is some 100 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from state.backend import Argument, Backend
from state.metrics.buckets import hour_expires_ms, hour_of, minute_expires_ms

_PREFIX = "askwell:{metrics}"
_UNROLLED = f"{_PREFIX}:unrolled"
TOTALS = f"{_PREFIX}:totals"
ALERTS = f"{_PREFIX}:alerts"
AT_ONCE = 160
"""Buckets that one script reads; a window of a day, whose hours are rolled up, is one of hours and one of minutes."""
SEARCHED_AT_ONCE = 24
"""Records that one script looks through: some megabytes at most, which holds others up for milliseconds."""
NEW = 0
"""The version of a bucket that is not there yet."""


class Size(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"


class Place(NamedTuple):
    """Which bucket; `start_ms` as in `state.metrics.buckets`."""

    size: Size
    start_ms: int

    @property
    def key(self) -> str:
        return f"{_PREFIX}:{self.size}:{self.start_ms}"

    @property
    def expires_ms(self) -> int:
        return minute_expires_ms(self.start_ms) if self.size is Size.MINUTE else hour_expires_ms(self.start_ms)


class Kept(NamedTuple):
    """`record` is None where it is the one that the caller has."""

    version: int
    record: bytes | None


class BucketStore:
    """All methods raise `StoreUnavailable`; whether a bucket was written is unknown then."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def read(self, places: Sequence[Place], known: Mapping[Place, int]) -> dict[Place, Kept]:
        """Those of the buckets that are there; `known` has the versions that the caller holds."""
        found: dict[Place, Kept] = {}
        for part in _parts(places, AT_ONCE):
            versions: list[Argument] = [known.get(place, "") for place in part]
            rows = await self._backend.read("buckets.lua", [place.key for place in part], versions)
            for place, row in zip(part, rows, strict=True):
                if isinstance(row, list):
                    found[place] = Kept(int(row[0]), row[1])
                elif row is not None:
                    found[place] = Kept(int(row), None)
        return found

    async def keep_minute(self, start_ms: int, version: int, record: bytes) -> bool:
        """Write the minute that was made of `version`, and have its hour rolled up (again); False where another has
        written it since."""
        return await self._keep(Place(Size.MINUTE, start_ms), version, record, str(hour_of(start_ms)))

    async def rewrite(self, place: Place, version: int, record: bytes) -> bool:
        """As `keep_minute`, of any bucket, and without its hour being made again."""
        return await self._keep(place, version, record, "")

    async def unrolled(self) -> dict[int, int]:
        """The hours, this one too, whose minutes have changed since they were rolled up, and how often they have."""
        row = await self._backend.read("unrolled.lua", [_UNROLLED])
        return {int(hour): int(count) for hour, count in zip(row[::2], row[1::2], strict=True)}

    async def keep_hour(self, start_ms: int, count: int, record: bytes) -> bool:
        """Write the hour whose minutes were read after `unrolled` gave `count`; False where one of them has changed
        since. An empty record leaves the hour as it is."""
        place = Place(Size.HOUR, start_ms)
        args: list[Argument] = [start_ms, count, record, place.expires_ms]
        return bool(await self._backend.write("roll_up.lua", [place.key, _UNROLLED], args))

    async def naming(self, places: Sequence[Place], name: str) -> list[Place]:
        """Those of the buckets whose records hold the name, or seem to."""
        found: list[Place] = []
        for part in _parts(places, SEARCHED_AT_ONCE):
            numbers = await self._backend.read("naming.lua", [place.key for place in part], [name])
            found += [part[number - 1] for number in numbers]
        return found

    async def _keep(self, place: Place, version: int, record: bytes, hour: str) -> bool:
        args: list[Argument] = [version, record, place.expires_ms, hour]
        return bool(await self._backend.write("keep_bucket.lua", [place.key, _UNROLLED], args))


def _parts(places: Sequence[Place], most: int) -> list[Sequence[Place]]:
    return [places[start : start + most] for start in range(0, len(places), most)]
