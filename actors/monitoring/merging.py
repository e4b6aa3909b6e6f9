"""Flushes become minute buckets in Redis, and leave the inbox once they are there.

    inbox ── oldest ──> by minute: the bucket as it is, and all of them ── same version? ──> kept ──> out of the inbox
                                └──── no: another monitor has written, read again ────┘

Nothing is known here that Redis does not know: a monitor that is restarted, and two of them at once, go on from what
is stored, and a flush that is in its bucket changes nothing when it comes again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from state.errors import RecordUnreadable, StoreUnavailable
from state.metrics.buckets import (
    MINUTE_MS,
    MinuteBucket,
    absorb_all,
    minute_expires_ms,
    minute_of,
)
from state.metrics.cells import Cells, Performance, merged_cells, merged_performance
from state.metrics.encoding import pack_minute, unpack_flush, unpack_minute
from state.metrics.flushes import Flush
from state.metrics.inbox import AT_ONCE, FlushInbox
from state.metrics.labels import Layer
from state.metrics.store import NEW, BucketStore, Place, Size

log = structlog.get_logger()

MOST_HELD = 4
"""Minutes whose buckets are kept in memory: this one, and those that late flushes are for."""
TRIES = 10


class Held(NamedTuple):
    """A bucket as it was written, or read, last."""

    version: int
    bucket: MinuteBucket


class Merger:
    """Merges what processes leave in `inbox`."""

    def __init__(self, store: BucketStore, inbox: FlushInbox, *, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._inbox = inbox
        self._now_ms = now_ms
        self._collecting, self._merging = asyncio.Lock(), asyncio.Lock()
        self._held: OrderedDict[int, Held] = OrderedDict()

    async def collect(self) -> None:
        """Returns once all that was in the inbox is in its buckets. Raises as `take` does: what is left there is
        merged the next time."""
        async with self._collecting:
            more = True
            while more:
                left = await self._inbox.oldest()
                more = len(left) == AT_ONCE
                if left:
                    await self.take([flush for _, flush in left])
                    await self._inbox.drop(left)

    async def take(self, flushes: Sequence[bytes]) -> None:
        """Returns once all of them are in Redis, each in its minute's bucket.

        One that cannot be read, or is too old for any window, is left out, and counts as lost. Raises
        `StoreUnavailable` or `Unconfirmed`: whether they are there is unknown, and they may come again.
        """
        by_minute: dict[int, list[Flush]] = defaultdict(list)
        for flush in self._read(flushes):
            by_minute[minute_of(flush.at_ms)].append(flush)
        async with self._merging:
            for start_ms, together in by_minute.items():
                await self._merge(start_ms, together)

    def recent_completions(self) -> Performance:
        """Calls to models in this minute and the one before it, as far as this monitor has merged them."""
        oldest = minute_of(self._now_ms()) - MINUTE_MS
        return merged_performance(
            [
                cell
                for start_ms, held in self._held.items()
                if start_ms >= oldest
                for labels, cell in held.bucket.cells.performance.items()
                if labels.operation.layer is Layer.COMPLETION
            ]
        )

    def _read(self, flushes: Sequence[bytes]) -> list[Flush]:
        readable: list[Flush] = []
        for record in flushes:
            try:
                flush = unpack_flush(record)
            except RecordUnreadable as error:
                log.error("flush_unreadable", error=str(error))
                continue
            if minute_expires_ms(minute_of(flush.at_ms)) > self._now_ms():
                readable.append(flush)
        return readable

    async def _merge(self, start_ms: int, flushes: Sequence[Flush]) -> None:
        try:
            for _ in range(TRIES):
                if await self._merged(start_ms, flushes):
                    return
        except RecordUnreadable as error:
            log.error("minute_unreadable", start_ms=start_ms, error=str(error))
            return
        raise StoreUnavailable("Others write the same minute too often.")

    async def _merged(self, start_ms: int, flushes: Sequence[Flush]) -> bool:
        """Whether all of them are in the bucket now. What is held is let go before the write, because its outcome may
        stay unknown; and where it says that they are there already, Redis is asked."""
        held = self._held.pop(start_ms, None)
        version, bucket = held or await self._stored(start_ms)
        after = _with_all(bucket, flushes)
        if after is bucket:
            return held is None
        if not await self._store.keep_minute(start_ms, version, pack_minute(after)):
            return False
        self._held[start_ms] = Held(version + 1, after)
        if len(self._held) > MOST_HELD:
            del self._held[min(self._held)]
        return True

    async def _stored(self, start_ms: int) -> Held:
        place = Place(Size.MINUTE, start_ms)
        kept = (await self._store.read([place], {})).get(place)
        if kept is None or kept.record is None:
            return Held(NEW, MinuteBucket(start_ms=start_ms))
        return Held(kept.version, unpack_minute(kept.record))


def _with_all(bucket: MinuteBucket, flushes: Sequence[Flush]) -> MinuteBucket:
    """Without those whose sketches contradict themselves. Raises `RecordUnreadable` where the bucket's own do."""
    try:
        return absorb_all(bucket, flushes)
    except RecordUnreadable:
        sound = [flush for flush in flushes if _is_sound(flush.cells)]
        log.error("flushes_unreadable", count=len(flushes) - len(sound))
        return absorb_all(bucket, sound)


def _is_sound(cells: Cells) -> bool:
    try:
        merged_cells([cells, cells])
    except RecordUnreadable:
        return False
    return True
