"""Buckets that were unpacked before are not unpacked again: of those in a window one changes between two readings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

B = TypeVar("B")
MOST = 256
"""A window of a day has at most 143 buckets: 23 hours, or 22, and the minutes at its edges."""


class RecentBuckets(Generic[B]):
    """What `unpack` made of records, by the start of the bucket, for as long as the record is the same; the `most`
    that were asked for last."""

    def __init__(self, unpack: Callable[[bytes], B], *, most: int = MOST) -> None:
        self._unpack = unpack
        self._most = most
        self._held: OrderedDict[int, tuple[bytes, B]] = OrderedDict()

    def bucket(self, start_ms: int, record: bytes) -> B:
        """Raises what `unpack` raises."""
        held = self._held.get(start_ms)
        if held is None or held[0] != record:
            held = self._held[start_ms] = (record, self._unpack(record))
        self._held.move_to_end(start_ms)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return held[1]
