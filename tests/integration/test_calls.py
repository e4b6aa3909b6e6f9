"""Requests outside sessions: once a key, on a real Valkey."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from state.backend import RedisBackend
from state.calls import Calls
from state.errors import KeyReused, NotFound, StepTimedOut, StillRunning, WorkUnavailable
from state.plans import PlanBook, Progress
from state.store import RecordStore
from tests.conftest import Clock
from tests.unit.test_plans import a_plan


@pytest.fixture
def calls(redis: Redis, clock: Clock) -> Calls:
    return Calls(store=RecordStore(RedisBackend(redis), kind="call"), now_ms=clock, ttl_s=600, deadline_s=30)


class Work:
    def __init__(self) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self) -> bytes:
        self.done += 1
        self.entered.set()
        await self.gate.wait()
        return b"reply %d" % self.done


async def test_a_key_s_work_is_done_once_and_its_reply_kept(calls: Calls) -> None:
    work = Work()
    work.gate.set()
    assert [await calls.once("acme", "k", "body", work) for _ in range(3)] == [b"reply 1"] * 3
    assert await calls.once("rival", "k", "body", work) == b"reply 2"
    assert await calls.once("acme", None, "body", work) == b"reply 3"


async def test_another_body_under_the_key_is_refused_and_a_running_one_waits(calls: Calls) -> None:
    work = Work()
    first = asyncio.create_task(calls.once("acme", "k", "body", work))
    await work.entered.wait()
    with pytest.raises(StillRunning):
        await calls.once("acme", "k", "body", work)
    with pytest.raises(KeyReused):
        await calls.once("acme", "k", "other", work)
    work.gate.set()
    assert await first == b"reply 1"


async def test_a_caller_that_goes_away_leaves_the_work_to_its_end(calls: Calls) -> None:
    work = Work()
    first = asyncio.create_task(calls.once("acme", "k", "body", work))
    await work.entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.gate.set()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await calls.once("acme", "k", "body", work) == b"reply 1"
            except StillRunning:
                continue
            break


async def test_work_that_failed_may_be_tried_again(calls: Calls) -> None:
    async def fail() -> bytes:
        raise WorkUnavailable

    with pytest.raises(WorkUnavailable):
        await calls.once("acme", "k", "body", fail)
    work = Work()
    work.gate.set()
    assert await calls.once("acme", "k", "body", work) == b"reply 1"


async def test_work_whose_runner_died_may_be_tried_again_after_its_lease(calls: Calls, clock: Clock) -> None:
    lost = Work()
    task = asyncio.create_task(calls.once("acme", "k", "body", lost))
    await lost.entered.wait()
    again = Work()
    again.gate.set()
    with pytest.raises(StillRunning):
        await calls.once("acme", "k", "body", again)
    clock.ms += 61_000
    assert await calls.once("acme", "k", "body", again) == b"reply 1"
    lost.gate.set()
    with pytest.raises(Exception, match="moved on"):
        await task


@pytest.fixture
def book(redis: Redis, clock: Clock) -> PlanBook:
    return PlanBook(
        store=RecordStore(RedisBackend(redis), kind="plan"), backend=RedisBackend(redis), now_ms=clock, ttl_s=600
    )


async def test_a_plan_is_kept_listed_and_foreign_to_others(book: PlanBook, clock: Clock) -> None:
    plan = await book.create(a_plan(updated_ms=clock.ms))
    assert await book.create(replace(plan, created_ms=2)) == plan
    with pytest.raises(KeyReused):
        await book.create(replace(plan, fingerprint="another request", need="other"))
    assert await book.list("acme", "ada", limit=10) == (plan,)
    assert await book.list("acme", "bob", limit=10) == ()
    with pytest.raises(NotFound):
        await book.move("rival", "p1", "r1", Progress.IN_PROGRESS)


async def test_no_tenant_and_user_make_the_list_of_another_tenant(book: PlanBook, clock: Clock) -> None:
    await book.create(a_plan(tenant="acme:eu", user="bob", updated_ms=clock.ms))
    assert await book.list("acme", "eu:bob", limit=10) == ()
    assert len(await book.list("acme:eu", "bob", limit=10)) == 1


async def test_work_past_its_deadline_is_given_up_and_may_be_tried_again(redis: Redis, clock: Clock) -> None:
    calls = Calls(store=RecordStore(RedisBackend(redis), kind="call"), now_ms=clock, ttl_s=600, deadline_s=0.05)
    for key in ("k", None):
        with pytest.raises(StepTimedOut):
            await calls.once("acme", key, "body", Work())
    work = Work()
    work.gate.set()
    assert await calls.once("acme", "k", "body", work) == b"reply 1"


async def test_two_moves_at_once_both_count(book: PlanBook, clock: Clock) -> None:
    plan = a_plan()
    item = plan.items[0]
    two = replace(item, resource=replace(item.resource, id="r2"))
    await book.create(replace(plan, items=(item, two)))
    await asyncio.gather(*(book.move("acme", "p1", name, Progress.IN_PROGRESS) for name in ("r1", "r2")))
    (read,) = await book.list("acme", "ada", limit=10)
    assert [one.progress for one in read.items] == [Progress.IN_PROGRESS] * 2


async def test_expired_plans_leave_the_list_and_every_key_expires(book: PlanBook, clock: Clock, redis: Redis) -> None:
    await book.create(a_plan(updated_ms=clock.ms))
    for key in await redis.keys("*"):
        assert await redis.pttl(key) > 0
    clock.ms += 601_000
    assert await book.list("acme", "ada", limit=10) == ()
