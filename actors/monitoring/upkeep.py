"""What the buckets need beside flushes: hours made of their minutes, totals of hours, and erased sessions' ids out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from state.errors import RecordUnreadable
from state.metrics.buckets import (
    HOUR_KEPT_MS,
    HOUR_MS,
    forgotten,
    hour_of,
    minute_expires_ms,
    minutes_of,
    roll_up,
)
from state.metrics.encoding import pack_hour, pack_minute, pack_totals, unpack_hour, unpack_minute, unpack_totals
from state.metrics.erasures import Erasure, Erasures
from state.metrics.store import BucketStore, Place, Size
from state.metrics.totals import Totals, first_totals, settled_ms, with_hours
from state.versioned import NEW, VersionedRecord

log = structlog.get_logger()
SETTLE_MS = 5_000
"""After an hour's end; most of its last flushes have come by then."""
TRIES = 10


class Upkeep:
    """All methods raise `StoreUnavailable`, and leave what is not done for the next time."""

    def __init__(
        self, store: BucketStore, totals: VersionedRecord, erasures: Erasures, *, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._totals = totals
        self._counted = (0, 0)  # up to which hour, and by which version of the totals
        self._erasures = erasures
        self._now_ms = now_ms

    async def roll_up(self) -> None:
        """Make the hours that are over, and those whose minutes have changed since, of their minutes."""
        for hour_ms, count in (await self._store.unrolled()).items():
            if hour_ms + HOUR_MS + SETTLE_MS <= self._now_ms():
                await self._store.keep_hour(hour_ms, count, await self._rolled_up(hour_ms))

    async def count(self) -> None:
        """Make the hours that are settled part of the totals, after `roll_up`. Raises `RecordUnreadable` too: totals
        that are wrong would be wrong for ever, so that somebody has to look."""
        settled = settled_ms(self._now_ms())
        kept = await self._totals.read(self._counted[1] if self._counted[0] == settled else None)
        if kept is None:
            await self._totals.keep(NEW, pack_totals(first_totals(self._now_ms())))
        elif kept.record is not None:
            await self._count(unpack_totals(kept.record), kept.version, settled)

    async def _count(self, totals: Totals, version: int, settled: int) -> None:
        through_ms = min([settled, *await self._store.unrolled()])
        if through_ms > totals.through_ms:
            places = [Place(Size.HOUR, hour_ms) for hour_ms in range(totals.through_ms, through_ms, HOUR_MS)]
            found = (await self._store.read(places, {})).values()
            hours = [unpack_hour(row.record) for row in found if row.record is not None]
            await self._totals.keep(version, pack_totals(with_hours(totals, hours, through_ms)))
        elif totals.through_ms == settled:
            self._counted = (settled, version)

    async def forget(self) -> None:
        """Take the ids of erased sessions out of all buckets that may hold them."""
        for erasure in await self._erasures.due():
            for place in await self._store.naming(self._places(erasure), erasure.session_id):
                await self._forget(place, erasure.session_id)
            await self._erasures.done(erasure)

    async def _rolled_up(self, hour_ms: int) -> bytes:
        """Empty where some of the minutes may have expired: the hour then stays what it is."""
        if minute_expires_ms(hour_ms) <= self._now_ms():
            return b""
        kept = await self._store.read([Place(Size.MINUTE, start_ms) for start_ms in minutes_of(hour_ms)], {})
        try:
            minutes = [unpack_minute(record) for _, record in kept.values() if record is not None]
            return pack_hour(roll_up(hour_ms, minutes))
        except RecordUnreadable as error:
            log.error("hour_not_rolled_up", start_ms=hour_ms, error=str(error))
            return b""

    def _places(self, erasure: Erasure) -> list[Place]:
        """Every bucket of the session's time that is still kept."""
        now_ms = self._now_ms()
        first = hour_of(max(erasure.since_ms, now_ms - HOUR_KEPT_MS))
        places: list[Place] = []
        for hour_ms in range(first, now_ms + 1, HOUR_MS):
            places.append(Place(Size.HOUR, hour_ms))
            places += [
                Place(Size.MINUTE, start_ms)
                for start_ms in minutes_of(hour_ms)
                if start_ms <= now_ms < minute_expires_ms(start_ms)
            ]
        return places

    async def _forget(self, place: Place, session_id: str) -> None:
        """The bucket is written as it is but for the id. A monitor that merges into it meanwhile goes first; after
        `TRIES` of that it is left for the next time."""
        for _ in range(TRIES):
            kept = (await self._store.read([place], {})).get(place)
            if kept is None or kept.record is None:
                return
            try:
                record = _without(place, kept.record, session_id)
            except RecordUnreadable as error:
                log.error("session_not_forgotten", start_ms=place.start_ms, error=str(error))
                return
            if record == kept.record or await self._store.rewrite(place, kept.version, record):
                return


def _without(place: Place, record: bytes, session_id: str) -> bytes:
    if place.size is Size.MINUTE:
        minute = unpack_minute(record)
        return pack_minute(replace(minute, cells=forgotten(minute.cells, session_id)))
    hour = unpack_hour(record)
    return pack_hour(replace(hour, cells=forgotten(hour.cells, session_id)))
