"""Alerts over a real Valkey, a real mail server and a real webhook: told once, whoever restarts, whatever is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from actors.monitoring.alerting import AGAIN_MS, LEASE_MS, Alerting
from actors.monitoring.channels import AlertChannel, channels
from actors.monitoring.health import HealthChecks
from actors.monitoring.keeping import KeptBook
from actors.monitoring.merging import Merger
from loadtests.sinks import Sink, mail_sink, web_sink
from state.alerts.book import AlertBook, Silence, silenced
from state.alerts.rules import Rules, rules_from
from state.backend import RedisBackend
from state.errors import StoreUnavailable
from state.metrics.buckets import HOUR_MS, MINUTE_MS
from state.metrics.buffer import Buffer
from state.metrics.cells import Performance
from state.metrics.encoding import pack_flush
from state.metrics.inbox import FlushInbox
from state.metrics.labels import Component, Labels, Operation, Status
from state.metrics.reading import StoredWindows
from state.metrics.store import ALERTS, TOTALS, BucketStore
from state.versioned import VersionedRecord
from tests.conftest import Clock
from tests.integration.test_monitoring import Failing
from tests.observations import MS

NOW = 4_102_444_800_000 // HOUR_MS * HOUR_MS + 30 * MINUTE_MS
RULES: Rules = {name: rule for name, rule in rules_from(None).items() if name in ("latency", "errors", "redis")}
REQUEST = Labels(Operation.GIVE_INPUTS)


class World:
    """Monitors that watch over one Valkey, of which the first records and merges what a test wants measured."""

    def __init__(self, redis: Redis, told: dict[str, AlertChannel]) -> None:
        self.clock = Clock(NOW)
        self.backend = Failing(RedisBackend(redis))
        self.told = told
        self.rules = RULES
        self.buffer = Buffer("ingress")
        self.merger = Merger(BucketStore(self.backend), FlushInbox(self.backend), now_ms=self.clock)
        self.stamps = iter(map(str, range(1000)))

    def book(self) -> KeptBook:
        return KeptBook(VersionedRecord(self.backend, ALERTS), new_stamp=self.stamps.__next__)

    def monitor(self, me: str = "one") -> Watching:
        health = HealthChecks(
            {Component.REDIS: self.backend.ping},
            completions=Performance,
            recorder=Buffer(me),
            now_ms=self.clock,
            clock_ns=lambda: 0,
        )
        alerting = Alerting(
            rules=self.rules,
            windows=StoredWindows(BucketStore(self.backend), VersionedRecord(self.backend, TOTALS), now_ms=self.clock),
            book=self.book(),
            channels=self.told,
            health=health,
            me=me,
            link="http://127.0.0.1/api/metrics/dashboard",
            now_ms=self.clock,
        )
        return Watching(self, alerting, health)

    async def requests(self, latency_s: float, count: int = 30) -> None:
        for _ in range(count):
            self.buffer.performed(REQUEST, int(latency_s * 1000) * MS)
        flush = self.buffer.take(self.clock.ms)
        assert flush is not None
        await self.merger.take([pack_flush(flush)])

    async def stored(self) -> AlertBook:
        return await self.book().read()


class Watching:
    def __init__(self, world: World, alerting: Alerting, health: HealthChecks) -> None:
        self.world = world
        self.alerting = alerting
        self.health = health

    async def look(self, after_s: float = 0) -> None:
        """One evaluation, with a look at Redis before it, and until all channels have taken what they take."""
        self.world.clock.ms += int(after_s * 1000)
        await self.health.check()
        await self.alerting.watch()
        while tasks := [task for task in asyncio.all_tasks() if "Alerting.deliver" in repr(task.get_coro())]:
            await asyncio.wait(tasks)


@pytest.fixture
async def sinks() -> AsyncIterator[dict[str, Sink]]:
    async with AsyncExitStack() as opened:
        yield {
            "mail": await opened.enter_async_context(mail_sink()),
            "hook": await opened.enter_async_context(web_sink()),
        }


@pytest.fixture
def world(redis: Redis, sinks: dict[str, Sink], tmp_path: Path) -> World:
    addresses = {name: sink.address for name, sink in sinks.items()}
    return World(redis, channels(addresses, tmp_path / "alerts.log"))


def titles(sink: Sink) -> list[str]:
    return [arrived.title for arrived in sink.arrived]


FIRING = "[Askwell] WARNING, firing: Requests are slow (latency)"
WORSE = "[Askwell] CRITICAL, worse: Requests are slow (latency)"
OVER = "[Askwell] RESOLVED: Requests are slow (latency)"
REDIS = "[Askwell] CRITICAL, firing: Redis is down (redis)"
REDIS_OVER = "[Askwell] RESOLVED: Redis is down (redis)"


async def test_an_alert_is_told_once_when_it_fires_gets_worse_and_is_over(
    world: World, sinks: dict[str, Sink], tmp_path: Path
) -> None:
    monitor = world.monitor()
    await monitor.look()
    await world.requests(4)
    for _ in range(3):
        await monitor.look(15)
    await world.requests(7, count=100)
    for _ in range(3):
        await monitor.look(15)
    world.clock.ms += 6 * MINUTE_MS
    await world.requests(0.1)
    for _ in range(3):
        await monitor.look(15)
    for sink in sinks.values():
        assert titles(sink) == [FIRING, WORSE, OVER]
    assert (tmp_path / "alerts.log").read_text().count("[Askwell]") == 3
    mailed = sinks["mail"].arrived[0].text
    for part in ("Now 4.0", "limit 3.00 s", "Began 2100-", "Likely causes:", "What to do:", "Figures: http://127"):
        assert part in mailed
    book = await world.stored()
    assert (book.incidents, book.messages, book.undelivered) == (1, 3, ())


async def test_a_monitor_that_comes_after_another_neither_repeats_nor_forgets(
    world: World, sinks: dict[str, Sink]
) -> None:
    await world.requests(4)
    await world.monitor("killed").look()
    await world.requests(7, count=100)
    after = world.monitor("after")
    await after.look(15)
    assert titles(sinks["mail"]) == [FIRING]  # the killed one might still be there
    await after.look(LEASE_MS / 1000)
    await after.look(15)
    assert titles(sinks["mail"]) == titles(sinks["hook"]) == [FIRING, WORSE]


async def test_a_monitor_that_stops_lets_the_next_one_watch_at_once(world: World, sinks: dict[str, Sink]) -> None:
    first = world.monitor("first")
    await first.look()
    await first.alerting.aclose()
    await world.requests(4)
    await world.monitor("second").look(1)
    assert titles(sinks["hook"]) == [FIRING]


async def test_a_channel_that_fails_is_tried_again_shows_it_and_holds_no_other_up(
    world: World, sinks: dict[str, Sink]
) -> None:
    sinks["mail"].away = True
    await world.requests(4)
    monitor = world.monitor()
    await monitor.look()
    assert titles(sinks["hook"]) == [FIRING]
    failing = (await world.stored()).channels["mail"]
    assert (failing.failures, failing.error, failing.failing_since_ms) == (1, "refused", NOW)
    await monitor.look(AGAIN_MS / 1000)
    await monitor.look(AGAIN_MS / 1000)  # too early: the pause has doubled
    assert sinks["mail"].turned_down == 2
    sinks["mail"].away = False
    await monitor.look(AGAIN_MS / 1000)
    assert (titles(sinks["mail"]), titles(sinks["hook"])) == ([FIRING], [FIRING])
    well = (await world.stored()).channels["mail"]
    assert (well.sent, well.failures, well.failing_since_ms) == (1, 2, None)


async def test_redis_that_is_away_is_told_of_and_once_more_when_it_is_back(
    world: World, sinks: dict[str, Sink]
) -> None:
    monitor = world.monitor()
    await monitor.look()
    world.backend.away = True
    for _ in range(6):
        await monitor.look(15)
    assert titles(sinks["mail"]) == [REDIS]
    with pytest.raises(StoreUnavailable):
        await world.stored()
    world.backend.away = False
    for seen, after_s in ((Status.DOWN, 1), (Status.OK, 130)):
        world.clock.ms += after_s * 1000
        for _ in range(2):
            world.buffer.checked(Component.REDIS, seen, at_ms=world.clock.ms, latency_ns=0)
        flush = world.buffer.take(world.clock.ms)
        assert flush is not None
        await world.merger.take([pack_flush(flush)])
        await monitor.look()
    await monitor.look(15)
    assert titles(sinks["mail"]) == titles(sinks["hook"]) == [REDIS, REDIS_OVER]
    assert (await world.stored()).incidents == 1


async def test_an_evaluation_whose_writing_got_no_answer_is_told_of_once(world: World, sinks: dict[str, Sink]) -> None:
    monitor = world.monitor()
    await monitor.look()
    await world.requests(4)
    world.backend.lose = 1
    await monitor.look(15)
    for _ in range(3):
        await monitor.look(15)
    assert titles(sinks["mail"]) == titles(sinks["hook"]) == [FIRING]


async def test_silences_of_operators_hold_whoever_writes_the_book(world: World, sinks: dict[str, Sink]) -> None:
    monitor = world.monitor()
    await monitor.look()
    silence = Silence(id="s", rule="latency", ends_ms=NOW + 2 * MINUTE_MS, by="ops")
    await world.book().change(lambda book: silenced(book, silence))
    await world.requests(4)
    for _ in range(4):
        await monitor.look(15)
    assert titles(sinks["hook"]) == []
    await monitor.look(90)
    assert titles(sinks["hook"]) == [FIRING]


async def test_two_who_change_the_book_at_once_both_have_their_way(world: World) -> None:
    books = [world.book() for _ in range(5)]
    silences = [Silence(id=str(n), rule="*", ends_ms=NOW, by="ops") for n in range(5)]

    async def add(book: KeptBook, silence: Silence) -> None:
        await book.change(lambda held: silenced(held, silence))

    await asyncio.gather(*map(add, books, silences))
    assert {silence.id for silence in (await world.stored()).silences} == set("01234")


async def test_an_empty_redis_that_comes_back_is_given_the_book_that_was_known(
    world: World, redis: Redis, sinks: dict[str, Sink]
) -> None:
    await world.requests(4)
    monitor = world.monitor()
    await monitor.look()
    await redis.flushall()
    for _ in range(3):
        await monitor.look(15)
    assert titles(sinks["mail"]) == [FIRING]
    assert replace(await world.stored(), stamp="").messages == 1
