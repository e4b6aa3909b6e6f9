"""What a process has recorded arrives once, in order, or is known to be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from actors.monitoring.flushing import Flushing, Recording
from state.errors import StoreUnavailable
from state.metrics.buckets import MINUTE_MS, MinuteBucket, absorb_all, minute_of, window
from state.metrics.buffer import Buffer
from state.metrics.encoding import unpack_flush
from state.metrics.flushes import Flush
from state.metrics.recorder import SILENT
from tests.observations import LABELS, MS, REQUEST
from tests.virtual_time import on_virtual_time

NOON_MS = 1_795_003_200_000


def now_ms() -> int:
    """Noon when a test begins, at 1,000 s of the loop's clock."""
    return NOON_MS + round((asyncio.get_running_loop().time() - 1000) * 1000)


@dataclass
class Receiver:
    """Takes what is delivered, unless it is away; `hold_s` is how long it thinks about it."""

    away: bool = False
    hold_s: float = 0.0
    calls: list[list[int]] = field(default_factory=list)
    flushes: list[Flush] = field(default_factory=list)

    async def __call__(self, flushes: Sequence[bytes]) -> None:
        unpacked = [unpack_flush(flush) for flush in flushes]
        self.calls.append([flush.sequence for flush in unpacked])
        await asyncio.sleep(self.hold_s)
        if self.away:
            raise StoreUnavailable
        self.flushes += unpacked


def flushing(receiver: Receiver, *, most_waiting: int = 60, patience_s: float = 5.0) -> tuple[Buffer, Flushing]:
    buffer = Buffer("p1")
    carrying = Flushing(buffer, receiver, now_ms=now_ms, most_waiting=most_waiting, patience_s=patience_s)
    carrying.start()
    return buffer, carrying


@on_virtual_time
async def test_what_was_recorded_is_delivered_in_the_middle_of_every_second() -> None:
    receiver = Receiver()
    buffer, carrying = flushing(receiver)
    for _ in range(3):
        buffer.performed(LABELS, MS)
        await asyncio.sleep(1)
    assert [flush.sequence for flush in receiver.flushes] == [1, 2, 3]
    assert [flush.at_ms % 1000 for flush in receiver.flushes] == [500, 500, 500]
    await asyncio.sleep(10)
    assert receiver.calls == [[1], [2], [3]]
    await carrying.aclose()


@on_virtual_time
async def test_what_did_not_arrive_is_delivered_again_before_what_came_after_it() -> None:
    receiver = Receiver(away=True)
    buffer, carrying = flushing(receiver)
    for _ in range(3):
        buffer.performed(LABELS, MS)
        await asyncio.sleep(1)
    receiver.away = False
    await asyncio.sleep(1)
    assert receiver.calls == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]
    assert [flush.sequence for flush in receiver.flushes] == [1, 2, 3]
    await carrying.aclose()


@on_virtual_time
async def test_too_many_that_cannot_be_delivered_lose_the_oldest_and_the_loss_is_counted() -> None:
    receiver = Receiver()
    buffer, carrying = flushing(receiver, most_waiting=3)
    buffer.performed(LABELS, MS)
    await asyncio.sleep(1)
    receiver.away = True
    with capture_logs() as logs:
        for _ in range(5):
            buffer.performed(LABELS, MS)
            await asyncio.sleep(1)
    receiver.away = False
    await asyncio.sleep(1)
    assert [flush.sequence for flush in receiver.flushes] == [1, 4, 5, 6]
    assert [log["sequence"] for log in logs if log["event"] == "flush_dropped"] == [2, 3]
    assert [log["event"] for log in logs].count("flushes_not_delivered") == 1
    minute = absorb_all(MinuteBucket(start_ms=NOON_MS), receiver.flushes)
    assert window(NOON_MS + 30_000, 1, {NOON_MS: minute}, {}).flushes_lost == 2
    await carrying.aclose()


@on_virtual_time
async def test_a_receiver_that_hangs_holds_no_minute_up() -> None:
    receiver = Receiver(hold_s=1e6)
    buffer, carrying = flushing(receiver, patience_s=90)
    for _ in range(70):
        buffer.performed(LABELS, MS)
        await asyncio.sleep(1)
    receiver.hold_s = 0
    await asyncio.sleep(90)
    assert len(receiver.calls) == 2
    later = [flush for flush in receiver.flushes if minute_of(flush.at_ms) == NOON_MS + MINUTE_MS]
    assert {minute_of(flush.at_ms) for flush in receiver.flushes} == {NOON_MS, NOON_MS + MINUTE_MS}
    assert len(later) == 10
    await carrying.aclose()


@on_virtual_time
async def test_what_is_recorded_before_the_end_is_delivered_at_the_end() -> None:
    receiver = Receiver()
    buffer, carrying = flushing(receiver)
    buffer.performed(LABELS, MS)
    await asyncio.sleep(1)
    buffer.performed(REQUEST, MS)
    await carrying.aclose()
    assert [set(flush.cells.performance) for flush in receiver.flushes] == [{LABELS}, {REQUEST}]
    carrying.start()
    buffer.performed(REQUEST, MS)
    await asyncio.sleep(5)
    assert len(receiver.flushes) == 2


@on_virtual_time
async def test_a_process_that_records_nothing_delivers_nothing() -> None:
    off = Recording()
    off.start()
    assert off.recorder is SILENT
    await asyncio.sleep(60)
    await off.aclose()
