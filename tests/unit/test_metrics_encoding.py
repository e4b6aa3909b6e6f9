"""Flushes and buckets come back as they were, and what is none is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.errors import RecordUnreadable
from state.metrics.buckets import MinuteBucket, absorb, minute_of, roll_up
from state.metrics.cells import Cells
from state.metrics.encoding import (
    VERSION,
    pack_flush,
    pack_hour,
    pack_minute,
    unpack_flush,
    unpack_hour,
    unpack_minute,
)
from state.metrics.flushes import Flush
from state.metrics.labels import OTHER, Labels, Operation, Variant
from state.metrics.recent import RecentBuckets
from tests.observations import LABELS, cells, cells_of, performed, spent

AT_MS = 1_795_003_200_000
READERS: list[Callable[[bytes], Any]] = [unpack_flush, unpack_minute, unpack_hour]


def a_flush(held: Cells, sequence: int = 1) -> Flush:
    return Flush(source="p1", sequence=sequence, at_ms=AT_MS, cells=held)


def a_minute(*held: Cells) -> MinuteBucket:
    bucket = MinuteBucket(start_ms=minute_of(AT_MS), refused=2)
    for number, each in enumerate(held, 1):
        bucket = absorb(bucket, a_flush(each, 2 * number))
    return bucket


@settings(max_examples=60)
@given(cells, cells)
def test_what_was_packed_is_unpacked_the_same(one: Cells, two: Cells) -> None:
    flush, minute = a_flush(one), a_minute(one, two)
    hour = roll_up(0, [minute])
    assert unpack_flush(pack_flush(flush)) == flush
    assert unpack_minute(pack_minute(minute)) == minute
    assert unpack_hour(pack_hour(hour)) == hour


def test_a_label_stands_once_in_a_record() -> None:
    labels = [LABELS._replace(operation=operation) for operation in Operation]
    record = pack_flush(a_flush(cells_of([performed(1, labels=each) for each in labels])))
    assert record.count(b"gpt-5-mini") == 1
    assert len(record) < 50 * len(labels)


def test_what_a_newer_version_counts_by_is_other_here() -> None:
    held = cells_of([performed(1), performed(2, "late"), spent(0.5)])
    version, kind, strings, fields = msgpack.unpackb(pack_flush(a_flush(held)), strict_map_key=False)
    renamed = {"write_answer": "dream", "usual": "unusual", "late": "tired"}
    newer = msgpack.packb([version, kind, [renamed.get(string, string) for string in strings], fields])
    read = unpack_flush(newer).cells
    labels = LABELS._replace(operation=Operation.OTHER, variant=Variant.OTHER)
    assert read.performance[labels].latencies.count == 2
    assert read.performance[labels].errors == {OTHER: 1}
    assert read.costs[labels].spend == held.costs[LABELS].spend


def test_cells_that_only_differ_in_unknown_labels_are_one() -> None:
    labels = [Labels(Operation.FIND_GAPS), Labels(Operation.WRITE_QUESTION)]
    held = cells_of([performed(1, labels=each) for each in labels])
    version, kind, strings, fields = msgpack.unpackb(pack_flush(a_flush(held)), strict_map_key=False)
    newer = msgpack.packb([version, kind, [f"new {string}" if string else "" for string in strings], fields])
    (merged,) = unpack_flush(newer).cells.performance.values()
    assert merged.latencies.count == 2


@pytest.mark.parametrize("read", READERS, ids=["flush", "minute", "hour"])
@given(garbage=st.binary(max_size=60))
def test_garbage_is_unreadable(read: Callable[[bytes], Any], garbage: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        read(garbage)


@settings(max_examples=150)
@given(st.data())
def test_a_record_in_which_anything_was_replaced_is_read_or_refused(data: st.DataObject) -> None:
    held = cells_of([performed(1, "late"), spent(0.5)])
    frame = msgpack.unpackb(pack_minute(a_minute(held)), strict_map_key=False)
    replaced = data.draw(st.sampled_from([None, -1, 1.5, "x", b"x", [], {}, True]))
    part = frame
    while isinstance(part, list) and part:
        place = data.draw(st.integers(0, len(part) - 1))
        if not isinstance(part[place], list) or not part[place] or data.draw(st.booleans()):
            part[place] = replaced
            break
        part = part[place]
    record = msgpack.packb(frame)
    with suppress(RecordUnreadable):
        assert isinstance(unpack_minute(record), MinuteBucket)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (msgpack.packb([VERSION + 1, "flush", [], []]), "version 2"),
        (msgpack.packb(["new", "flush", [], []]), "version unknown"),
        (msgpack.packb([VERSION, "hour", [], []]), "no flush"),
        (msgpack.packb([VERSION, "flush", [], []]), "wrong fields"),
        (msgpack.packb([VERSION]), "not a whole msgpack frame"),
    ],
)
def test_what_is_wrong_with_a_record_is_told(record: bytes, told: str) -> None:
    with pytest.raises(RecordUnreadable, match=told):
        unpack_flush(record)


@pytest.mark.parametrize("field", [1, 2])
def test_a_number_that_is_none_is_refused(field: int) -> None:
    frame = msgpack.unpackb(pack_flush(a_flush(cells_of([performed(1)]))), strict_map_key=False)
    frame[3][field] = -5
    with pytest.raises(RecordUnreadable, match="wrong fields"):
        unpack_flush(msgpack.packb(frame))


def test_a_bucket_is_held_as_of_the_version_that_was_read() -> None:
    one, two = pack_minute(a_minute(cells_of([performed(1)]))), pack_minute(a_minute(cells_of([performed(2)])))
    recent = RecentBuckets(unpack_minute, most=2)
    assert recent.held([0]) == {}
    first = recent.changed(0, 1, one)
    assert recent.held([0, 1]) == {0: (1, first)}
    assert recent.held([0])[0].bucket is first
    assert recent.changed(0, 2, two) == unpack_minute(two)
    assert recent.held([0])[0].version == 2


def test_buckets_that_were_not_asked_for_lately_are_forgotten() -> None:
    recent = RecentBuckets(bytes, most=2)
    recent.changed(0, 1, b"a")
    recent.changed(1, 1, b"b")
    assert set(recent.held([0])) == {0}
    recent.changed(2, 1, b"c")
    assert set(recent.held([0, 1, 2])) == {0, 2}
