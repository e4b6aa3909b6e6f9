"""The monitor over a real Valkey: what it has acknowledged is there, once, whoever else writes and whatever ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from actors.monitoring.flushing import OFF
from actors.monitoring.health import HealthChecks
from actors.monitoring.merging import Merger
from actors.monitoring.monitor import Monitor, Round
from actors.monitoring.upkeep import SETTLE_MS, Upkeep
from serve_app import measuring, wiring
from serve_app.settings import Settings
from serve_app.valkey import Valkey
from state.alerts.rules import rules_from
from state.backend import Argument, Backend, RedisBackend
from state.errors import StoreUnavailable
from state.metrics import inbox
from state.metrics.buckets import HOUR_MS, MINUTE_KEPT_MS, MINUTE_MS, hour_of, minute_of
from state.metrics.buffer import Buffer
from state.metrics.encoding import pack_flush
from state.metrics.erasures import AGAIN_MS, SETTLED_MS, Erasures
from state.metrics.inbox import FlushInbox
from state.metrics.labels import Component
from state.metrics.reading import StoredWindows
from state.metrics.reports import costs_report, health_report
from state.metrics.store import TOTALS, BucketStore, Place, Size
from state.metrics.totals import SETTLE_HOURS
from state.versioned import VersionedRecord
from tests.conftest import Clock
from tests.observations import LABELS, MS, USAGE

NOON = 4_102_444_800_000 // HOUR_MS * HOUR_MS
"""In 2100, because Redis lets buckets expire by its own clock."""
NOW = NOON + 30 * MINUTE_MS + 10_000


@dataclass
class Failing:
    """A backend that may lose answers: `lose` writes are done, and nobody hears of it; `away` nothing is done."""

    inner: Backend
    lose: int = 0
    away: bool = False
    sent: list[str] = field(default_factory=list)
    received: int = 0

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        self._require(script)
        reply = await self.inner.write(script, keys, args)
        if self.lose:
            self.lose -= 1
            raise StoreUnavailable
        return reply

    async def read(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        self._require(script)
        reply = await self.inner.read(script, keys, args)
        if script == "buckets.lua":
            self.received += sum(len(row[1]) for row in reply if isinstance(row, list))
        return reply

    async def ping(self) -> None:
        self._require("ping")
        await self.inner.ping()

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _require(self, sent: str) -> None:
        self.sent.append(sent)
        if self.away:
            raise StoreUnavailable


@dataclass
class World:
    backend: Failing
    clock: Clock

    @property
    def store(self) -> BucketStore:
        return BucketStore(self.backend)

    @property
    def inbox(self) -> FlushInbox:
        return FlushInbox(self.backend)

    @property
    def totals(self) -> VersionedRecord:
        return VersionedRecord(self.backend, TOTALS)

    @property
    def erasures(self) -> Erasures:
        return Erasures(self.backend, now_ms=self.clock)

    @property
    def upkeep(self) -> Upkeep:
        return Upkeep(self.store, self.totals, self.erasures, now_ms=self.clock)

    def merger(self) -> Merger:
        return Merger(self.store, self.inbox, now_ms=self.clock)

    def windows(self) -> StoredWindows:
        return StoredWindows(self.store, self.totals, now_ms=self.clock)

    async def seen(self, minutes: int = 60) -> tuple[int, int]:
        """Latencies and lost flushes in a window, read afresh."""
        window = await self.windows().window(minutes)
        return sum(cell.latencies.count for cell in window.cells.performance.values()), window.flushes_lost


@pytest.fixture
def world(redis: Redis) -> World:
    return World(backend=Failing(RedisBackend(redis)), clock=Clock(NOW))


class Process:
    """Records, and packs what it has recorded."""

    def __init__(self) -> None:
        self.buffer = Buffer(uuid.uuid4().hex)

    def flush(self, at_ms: int = NOW, *, calls: int = 1, session_id: str = "") -> bytes:
        for _ in range(calls):
            self.buffer.performed(LABELS, 5 * MS)
        if session_id:
            self.buffer.spent(LABELS, tenant="acme", session_id=session_id, usage=USAGE, cost_usd=0.01)
        flush = self.buffer.take(at_ms)
        assert flush is not None
        return pack_flush(flush)


async def test_what_is_acknowledged_is_in_redis_and_comes_again_without_effect(world: World) -> None:
    process, merger = Process(), world.merger()
    flush = process.flush(calls=3)
    await merger.take([flush])
    assert await world.seen() == (3, 0)
    await merger.take([flush])
    await world.merger().take([flush, flush])
    assert await world.seen() == (3, 0)


async def test_flushes_that_are_collected_together_are_one_write(world: World) -> None:
    merger = world.merger()
    for _ in range(20):
        await world.inbox.leave([Process().flush()])
    world.backend.sent.clear()
    await merger.collect()
    assert world.backend.sent == ["flushes.lua", "buckets.lua", "keep_bucket.lua", "drop_flushes.lua"]
    world.backend.sent.clear()
    await merger.collect()
    assert world.backend.sent == ["flushes.lua"]
    assert await world.seen() == (20, 0)


async def test_what_is_left_while_there_is_no_monitor_is_found_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.monitoring.merging.AT_ONCE", 2)
    monkeypatch.setattr(inbox, "AT_ONCE", 2)
    process = Process()
    for _ in range(5):
        await world.inbox.leave([process.flush(), process.flush()])
    await world.merger().collect()
    assert await world.seen() == (10, 0)
    assert await world.inbox.oldest() == []


async def test_of_too_many_the_oldest_are_dropped_and_the_loss_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_KEPT", 3)
    process, merger = Process(), world.merger()
    await world.inbox.leave([process.flush()])
    await merger.collect()
    for _ in range(5):
        await world.inbox.leave([process.flush()])
    await merger.collect()
    assert await world.seen() == (4, 2)


async def test_a_flush_stays_in_the_inbox_until_it_is_known_to_be_in_its_bucket(world: World) -> None:
    merger = world.merger()
    await world.inbox.leave([Process().flush()])
    world.backend.lose = 1
    with pytest.raises(StoreUnavailable):
        await merger.collect()
    assert len(await world.inbox.oldest()) == 1
    await merger.collect()
    assert (await world.seen(), await world.inbox.oldest()) == ((1, 0), [])


async def test_two_monitors_that_collect_at_once_count_everything_once(world: World) -> None:
    process, mergers = Process(), [world.merger(), world.merger()]
    for _ in range(5):
        await world.inbox.leave([process.flush(), Process().flush()])
        await asyncio.gather(*(merger.collect() for merger in mergers))
    assert (await world.seen(), await world.inbox.oldest()) == ((10, 0), [])


async def test_a_monitor_that_is_restarted_in_the_middle_loses_nothing_that_it_acknowledged(world: World) -> None:
    processes = [Process() for _ in range(4)]
    acknowledged = 0
    for _ in range(10):
        merger = world.merger()
        flushes = [process.flush(calls=5) for process in processes]
        taking = [asyncio.create_task(merger.take([flush])) for flush in flushes]
        await asyncio.wait(taking, timeout=0.005)
        for task in taking:
            task.cancel()  # nobody hears of it; what the merger does meanwhile may be done or not
        await asyncio.gather(*taking, return_exceptions=True)
        restarted = world.merger()
        for flush in flushes:
            await restarted.take([flush])
            acknowledged += 5
        assert await world.seen() == (acknowledged, 0)


async def test_two_monitors_at_once_overwrite_nothing_of_each_other(world: World) -> None:
    one, two = world.merger(), world.merger()
    processes = [Process() for _ in range(6)]
    for _ in range(5):
        flushes = [process.flush() for process in processes]
        await asyncio.gather(*(merger.take([flush]) for flush in flushes for merger in (one, two)))
    assert await world.seen() == (30, 0)


async def test_a_write_whose_answer_was_lost_is_not_acknowledged_and_counts_once(world: World) -> None:
    process, merger = Process(), world.merger()
    await merger.take([process.flush()])
    flush = process.flush()
    world.backend.lose = 1
    with pytest.raises(StoreUnavailable):
        await merger.take([flush])
    await merger.take([flush])
    assert await world.seen() == (2, 0)


async def test_nothing_is_acknowledged_while_redis_is_away(world: World) -> None:
    process, merger = Process(), world.merger()
    first = process.flush()
    await merger.take([first])
    world.backend.away = True
    late = process.flush()
    for flush in (first, late):
        with pytest.raises(StoreUnavailable):
            await merger.take([flush])
    world.backend.away = False
    await merger.take([late])
    assert await world.seen() == (2, 0)


async def test_a_flush_that_cannot_be_read_holds_up_no_other_and_counts_as_lost(world: World) -> None:
    process, merger = Process(), world.merger()
    first, broken, last = process.flush(), process.flush(), process.flush()
    await merger.take([first, broken[: len(broken) // 2], b"\x93nonsense", last])
    assert await world.seen() == (2, 1)


async def test_a_flush_counts_for_the_minute_in_which_it_was_taken_however_late_it_comes(world: World) -> None:
    process, merger = Process(), world.merger()
    await merger.take([process.flush(NOW - 20 * MINUTE_MS), process.flush(NOW)])
    await merger.take([process.flush(NOW - MINUTE_KEPT_MS - MINUTE_MS)])
    assert await world.seen(5) == (1, 0)
    assert await world.seen(25) == (2, 0)
    assert await world.seen(1440) == (2, 0)


async def test_an_hour_is_rolled_up_when_it_is_over_and_again_after_a_flush_that_came_late(
    world: World, redis: Redis
) -> None:
    process, merger = Process(), world.merger()
    for minute in range(60):
        await merger.take([process.flush(NOON + minute * MINUTE_MS)])
    hour = Place(Size.HOUR, NOON)
    world.clock.ms = NOON + HOUR_MS + SETTLE_MS - 1
    await world.upkeep.roll_up()
    assert await world.store.read([hour], {}) == {}
    world.clock.ms = NOON + 2 * HOUR_MS + SETTLE_MS
    await world.upkeep.roll_up()
    kept = (await world.store.read([hour], {}))[hour]
    assert await world.seen(180) == (60, 0)
    await world.upkeep.roll_up()
    assert (await world.store.read([hour], {}))[hour] == kept
    await merger.take([process.flush(NOON + 5 * MINUTE_MS, calls=2)])
    await world.upkeep.roll_up()
    assert (await world.store.read([hour], {}))[hour].version == kept.version + 1
    assert await world.seen(180) == (62, 0)
    assert await redis.hgetall("askwell:{metrics}:unrolled") == {}


async def test_an_hour_is_not_made_of_minutes_that_have_changed_meanwhile(world: World) -> None:
    process, merger = Process(), world.merger()
    await merger.take([process.flush(NOON)])
    count = (await world.store.unrolled())[NOON]
    await merger.take([process.flush(NOON)])
    assert not await world.store.keep_hour(NOON, count, b"made of less")
    assert await world.store.keep_hour(NOON, count + 1, b"made of all")


async def test_an_hour_whose_minutes_may_be_gone_stays_what_it_is(world: World) -> None:
    process, merger = Process(), world.merger()
    await merger.take([process.flush(NOON)])
    world.clock.ms = NOON + 24 * HOUR_MS + 2 * MINUTE_MS
    await world.upkeep.roll_up()
    assert await world.store.unrolled() == {}
    assert await world.store.read([Place(Size.HOUR, NOON)], {}) == {}


async def test_every_bucket_ends_by_itself(world: World, redis: Redis) -> None:
    now_ms = int((await redis.time())[0]) * 1000
    world.clock.ms = now_ms
    await world.merger().take([Process().flush(now_ms)])
    minute = Place(Size.MINUTE, minute_of(now_ms))
    assert await redis.pexpiretime(minute.key) == minute_of(now_ms) + MINUTE_KEPT_MS
    hour = Place(Size.HOUR, hour_of(now_ms))
    await world.store.keep_hour(hour.start_ms, 1, b"an hour")
    assert await redis.pexpiretime(hour.key) == hour.expires_ms


async def test_a_reader_fetches_only_what_has_changed(world: World) -> None:
    process, merger = Process(), world.merger()
    for minute in range(31):
        await merger.take([process.flush(NOON + minute * MINUTE_MS)])
    windows = world.windows()
    first = await windows.window(60)
    once = world.backend.received
    assert await windows.window(60) == first
    assert world.backend.received == once
    await merger.take([process.flush(NOW)])
    await windows.window(60)
    assert world.backend.received - once < once / 15


async def test_an_erased_session_is_named_nowhere_and_what_it_cost_still_counts(world: World, redis: Redis) -> None:
    process, merger = Process(), world.merger()
    for at_ms in (NOON, NOON + MINUTE_MS, NOON + HOUR_MS):
        await merger.take([process.flush(at_ms, session_id="gone-1"), process.flush(at_ms, session_id="here-1")])
    world.clock.ms = NOON + HOUR_MS + 10 * MINUTE_MS
    await world.upkeep.roll_up()
    late = process.flush(world.clock.ms, session_id="gone-1")
    await world.erasures.note("gone-1", NOON + 5_000)
    await world.upkeep.forget()
    assert await naming(redis, "gone-1") == ["askwell:{metrics}:erased"]

    await merger.take([late])
    world.clock.ms += AGAIN_MS
    await world.upkeep.forget()
    assert await naming(redis, "gone-1") == ["askwell:{metrics}:erased"]
    world.clock.ms += SETTLED_MS
    await world.upkeep.forget()
    assert await naming(redis, "gone-1") == []

    report = costs_report(await world.windows().window(180))
    assert report.sessions is not None
    assert set(report.sessions.by_name) == {"here-1"}
    assert (report.total.calls, float(report.total.cost_usd or 0)) == (7, 0.07)


async def test_counters_grow_by_what_was_merged_and_by_nothing_else(world: World) -> None:
    """Through hours that are rolled up, made part of the totals and expire."""
    merger, process, made = world.merger(), Process(), 0
    assert await world.windows().totals() is None
    for hour in range(2 * SETTLE_HOURS + 3):
        for minute in (0, 20, 59):
            world.clock.ms = NOON + hour * HOUR_MS + minute * MINUTE_MS + SETTLE_MS
            await world.upkeep.count()
            await merger.take([process.flush(world.clock.ms, calls=3)])
            made += 3
            await world.upkeep.roll_up()
            await world.upkeep.count()
            totals = await world.windows().totals()
            assert totals is not None
            assert sum(cell.latencies.count for cell in totals.cells.performance.values()) == made
            assert (totals.flushes, totals.flushes_lost) == (made // 3, 0)
    assert totals.through_ms >= NOON + SETTLE_HOURS * HOUR_MS
    assert {labels.prompt for labels in totals.cells.performance} == {""}


async def test_a_flush_lost_between_two_hours_is_counted_for_good(world: World) -> None:
    merger, process = world.merger(), Process()
    world.clock.ms = NOON + SETTLE_MS
    await world.upkeep.count()
    await merger.take([process.flush(world.clock.ms)])
    process.flush(world.clock.ms)
    lost = []
    for hour in range(1, SETTLE_HOURS + 3):
        world.clock.ms = NOON + hour * HOUR_MS + SETTLE_MS
        await world.upkeep.roll_up()
        await world.upkeep.count()
        await merger.take([process.flush(world.clock.ms)])
        totals = await world.windows().totals()
        assert totals is not None
        lost.append(totals.flushes_lost)
    assert set(lost) == {1}


async def test_a_monitor_looks_after_the_components_and_tells_of_them(world: World) -> None:
    merger = world.merger()
    buffer = Buffer("monitor")
    health = HealthChecks(
        {Component.REDIS: world.backend.ping},
        completions=merger.recent_completions,
        recorder=buffer,
        now_ms=world.clock,
        clock_ns=lambda: 0,
    )
    monitor = Monitor(recording=OFF, rounds=[Round(3600, [merger.collect, health.check])])
    await world.inbox.leave([Process().flush(calls=10)])
    monitor.start()
    while (flush := buffer.take(NOW)) is None:  # noqa: ASYNC110 - the round tells nobody that it is over
        await asyncio.sleep(0.01)
    await merger.take([pack_flush(flush)])
    components = health_report(await world.windows().window(5)).components
    assert {name: seen.status for name, seen in components.items()} == {Component.REDIS: "ok", Component.LLM: "ok"}
    await monitor.aclose()


async def test_the_service_s_monitor_collects_what_names_an_erased_session_before_it_looks_for_it(
    valkey: Valkey, redis: Redis
) -> None:
    backend = RedisBackend(redis)
    now_ms, flush = wiring.now_ms(), Process().flush(wiring.now_ms(), session_id="erased")
    await FlushInbox(backend).leave([flush])
    await measuring.erasures(backend).note("erased", now_ms)
    monitor = measuring.monitor(Settings(redis_url=SecretStr(valkey.url)), redis, {}, rules_from(None))
    monitor.start()
    async with asyncio.timeout(10):
        while not costs_report(await measuring.windows(backend).window(5)).total.calls:  # noqa: ASYNC110 - in Redis
            await asyncio.sleep(0.05)
        while await naming(redis, "erased") != ["askwell:{metrics}:erased"]:  # noqa: ASYNC110 - in Redis
            await asyncio.sleep(0.05)
    await monitor.aclose()


async def naming(redis: Redis, name: str) -> list[str]:
    """The keys whose values hold the name."""
    found = []
    async for key in redis.scan_iter("*metrics*"):
        if name.encode() in (await redis.dump(key) or b"") or await _named_by_parts(redis, key, name):
            found.append(key.decode())
    return found


async def _named_by_parts(redis: Redis, key: bytes, name: str) -> bool:
    """A dump may be compressed."""
    if await redis.type(key) != b"hash":
        return False
    return any(name.encode() in value for value in (await redis.hgetall(key)).values())
