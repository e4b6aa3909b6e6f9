"""Buckets that were unpacked before are not unpacked again, and cells that were merged before are not merged again: of
those in a window one changes between two readings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from state.metrics.cells import Cells, merged_cells

B = TypeVar("B")
MOST = 256
"""A window of a day has at most 143 buckets: 23 hours, or 22, and the minutes at its edges."""

MOST_MERGED = 8
"""Windows; those of the alert rules have five lengths."""


class Recent(NamedTuple, Generic[B]):
    """A bucket as of one version of its record."""

    version: int
    bucket: B


class RecentBuckets(Generic[B]):
    """What `unpack` made of records, by the start of the bucket; the `most` that were asked for last."""

    def __init__(self, unpack: Callable[[bytes], B], *, most: int = MOST) -> None:
        self._unpack = unpack
        self._most = most
        self._held: OrderedDict[int, Recent[B]] = OrderedDict()

    def held(self, starts_ms: Iterable[int]) -> dict[int, Recent[B]]:
        """Those of the buckets that are held. They may have changed since."""
        found = {start_ms: self._held[start_ms] for start_ms in starts_ms if start_ms in self._held}
        for start_ms in found:
            self._held.move_to_end(start_ms)
        return found

    def changed(self, start_ms: int, version: int, record: bytes) -> B:
        """The bucket of a record that was read anew. Raises what `unpack` raises."""
        bucket = self._unpack(record)
        self._held[start_ms] = Recent(version, bucket)
        self._held.move_to_end(start_ms)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return bucket


class RecentMerges:
    """Merges all but the newest of a window's cells once, and the newest to them each time."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, ...], tuple[Sequence[Cells], Cells]] = OrderedDict()

    def merged(self, parts: Sequence[Cells]) -> Cells:
        """As `merged_cells` of the settled ones, and then of that and the last one, whatever was held. Raises
        `RecordUnreadable`."""
        settled, newest = parts[:-1], parts[-1:]
        key = tuple(map(id, settled))  # no other objects' while these are held beside it
        if key not in self._held:
            self._held[key] = (settled, merged_cells(settled))
        self._held.move_to_end(key)
        if len(self._held) > MOST_MERGED:
            self._held.popitem(last=False)
        return merged_cells([self._held[key][1], *newest])
