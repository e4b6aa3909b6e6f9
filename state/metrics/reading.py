"""A window as any replica reads it: from Redis, of which it keeps what has not changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from state.metrics.buckets import (
    HOUR_MS,
    HourBucket,
    MinuteBucket,
    Window,
    minute_of,
    minutes_of,
    single_minutes,
    whole_hours,
    window,
)
from state.metrics.encoding import unpack_hour, unpack_minute, unpack_totals
from state.metrics.recent import RecentBuckets, RecentMerges
from state.metrics.store import BucketStore, Place, Size
from state.metrics.totals import Totals, everything
from state.versioned import VersionedRecord

B = TypeVar("B")


class Windows(Protocol):
    async def window(self, minutes: int) -> Window:
        """The last `minutes` minutes, 1 to 1,440. Raises `StoreUnavailable` and `RecordUnreadable`."""
        ...

    async def totals(self) -> Totals | None:
        """All that was ever measured; None where no monitor has begun to count. Raises as `window`."""
        ...


class StoredWindows:
    """Implements `Windows`: two round trips, in which only records come that have changed since the last time; and only
    those are unpacked and merged."""

    def __init__(self, store: BucketStore, totals: VersionedRecord, *, now_ms: Callable[[], int]) -> None:
        self._minutes = _Buckets(store, Size.MINUTE, unpack_minute)
        self._hours = _Buckets(store, Size.HOUR, unpack_hour)
        self._totals = totals
        self._merges = RecentMerges()
        self._now_ms = now_ms

    async def window(self, minutes: int) -> Window:
        now_ms = self._now_ms()
        hours: dict[int, HourBucket] = await self._hours.read(whole_hours(now_ms, minutes))
        singles: dict[int, MinuteBucket] = await self._minutes.read(single_minutes(now_ms, minutes, hours))
        return window(now_ms, minutes, singles, hours, self._merges.merged)

    async def totals(self) -> Totals | None:
        """The totals are read before the buckets: an hour that becomes part of them meanwhile is still there."""
        kept = await self._totals.read()
        if kept is None or kept.record is None:
            return None
        totals, current_ms = unpack_totals(kept.record), minute_of(self._now_ms())
        since = range(totals.through_ms, current_ms + 1, HOUR_MS)
        hours = await self._hours.read(since)
        open_hours = [hour_ms for hour_ms in since if hour_ms not in hours]
        starts = [start_ms for hour_ms in open_hours for start_ms in minutes_of(hour_ms) if start_ms <= current_ms]
        minutes = await self._minutes.read(starts)
        return everything(totals, list(hours.values()), list(minutes.values()))


class _Buckets(Generic[B]):
    """Buckets of one size."""

    def __init__(self, store: BucketStore, size: Size, unpack: Callable[[bytes], B]) -> None:
        self._store = store
        self._size = size
        self._recent = RecentBuckets(unpack)

    async def read(self, starts_ms: Sequence[int]) -> dict[int, B]:
        """Those that are there, by their starts."""
        held = self._recent.held(starts_ms)
        known = {Place(self._size, start_ms): recent.version for start_ms, recent in held.items()}
        kept = await self._store.read([Place(self._size, start_ms) for start_ms in starts_ms], known)
        return {
            start_ms: held[start_ms].bucket if record is None else self._recent.changed(start_ms, version, record)
            for (_, start_ms), (version, record) in kept.items()
        }
