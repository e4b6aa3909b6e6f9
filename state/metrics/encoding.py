"""Flushes and buckets as bytes: msgpack, with the version of this format in every one.

    [VERSION, kind, strings, fields]

The strings of all labels stand once, in `strings`; elsewhere are their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgpack

from state.errors import RecordUnreadable
from state.metrics.buckets import HourBucket, MinuteBucket
from state.metrics.cell_encoding import CellReader, Strings, written_cells
from state.metrics.flushes import Arrivals, Flush, Numbers
from state.metrics.totals import Totals

VERSION = 1

T = TypeVar("T")


def pack_flush(flush: Flush) -> bytes:
    strings = Strings()
    fields = [flush.source, flush.sequence, flush.at_ms, written_cells(flush.cells, strings)]
    return _frame("flush", strings, fields)


def unpack_flush(record: bytes) -> Flush:
    """Raises `RecordUnreadable`."""

    def read(reader: CellReader, fields: Sequence[Any]) -> Flush:
        source, sequence, at_ms, cells = fields
        reader.check(sequence, at_ms)
        return Flush(source=source, sequence=sequence, at_ms=at_ms, cells=reader.cells(cells))

    return _opened("flush", record, read)


def pack_minute(bucket: MinuteBucket) -> bytes:
    strings = Strings()
    fields = [bucket.start_ms, written_cells(bucket.cells, strings), bucket.merged, bucket.refused]
    return _frame("minute", strings, fields)


def unpack_minute(record: bytes) -> MinuteBucket:
    """Raises `RecordUnreadable`."""

    def read(reader: CellReader, fields: Sequence[Any]) -> MinuteBucket:
        start_ms, cells, merged, refused = fields
        reader.check(start_ms, refused, *(number for runs in merged.values() for run in runs for number in run))
        numbers = {source: tuple([Numbers(*run) for run in runs]) for source, runs in merged.items()}
        return MinuteBucket(start_ms=start_ms, cells=reader.cells(cells), merged=numbers, refused=refused)

    return _opened("minute", record, read)


def pack_hour(bucket: HourBucket) -> bytes:
    strings = Strings()
    fields = [bucket.start_ms, written_cells(bucket.cells, strings), bucket.arrivals, bucket.refused]
    return _frame("hour", strings, fields)


def unpack_hour(record: bytes) -> HourBucket:
    """Raises `RecordUnreadable`."""

    def read(reader: CellReader, fields: Sequence[Any]) -> HourBucket:
        start_ms, cells, arrivals, refused = fields
        reader.check(start_ms, refused, *(number for numbers in arrivals.values() for number in numbers))
        arrived = {source: Arrivals(*numbers) for source, numbers in arrivals.items()}
        return HourBucket(start_ms=start_ms, cells=reader.cells(cells), arrivals=arrived, refused=refused)

    return _opened("hour", record, read)


def pack_totals(totals: Totals) -> bytes:
    strings = Strings()
    counts = [totals.flushes, totals.flushes_lost, totals.flushes_refused]
    return _frame("totals", strings, [totals.through_ms, written_cells(totals.cells, strings), counts, totals.last])


def unpack_totals(record: bytes) -> Totals:
    """Raises `RecordUnreadable`."""

    def read(reader: CellReader, fields: Sequence[Any]) -> Totals:
        through_ms, cells, (flushes, lost, refused), last = fields
        reader.check(through_ms, flushes, lost, refused, *(number for seen in last.values() for number in seen))
        return Totals(
            through_ms=through_ms,
            cells=reader.cells(cells),
            flushes=flushes,
            flushes_lost=lost,
            flushes_refused=refused,
            last={source: (number, hour_ms) for source, (number, hour_ms) in last.items()},
        )

    return _opened("totals", record, read)


def _frame(kind: str, strings: Strings, fields: list[Any]) -> bytes:
    framed: bytes = msgpack.packb([VERSION, kind, list(strings.places), fields])
    return framed


def _opened(kind: str, record: bytes, read: Callable[[CellReader, Sequence[Any]], T]) -> T:
    try:
        version, held, strings, fields = msgpack.unpackb(record, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise RecordUnreadable(f"A stored {kind} of metrics is not a whole msgpack frame.") from None
    if version != VERSION:
        told = version if type(version) is int else "unknown"
        raise RecordUnreadable(f"A stored {kind} of metrics has version {told}; this one reads {VERSION}.")
    if held != kind:
        raise RecordUnreadable(f"A stored record of metrics is no {kind}.")
    try:
        reader = CellReader(strings)
        value = read(reader, fields)
        reader.finish()
    except (LookupError, TypeError, ValueError, AttributeError):
        raise RecordUnreadable(f"A stored {kind} of metrics has wrong fields.") from None
    return value
