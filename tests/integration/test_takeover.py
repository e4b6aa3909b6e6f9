"""Two owners of one session on a real Valkey: leases that stand, end, and are let go; erasure and what it leaves."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from state.backend import RedisBackend
from state.errors import Fenced, NotFound, OwnedElsewhere
from state.events import InputsGiven, SaidYes
from state.flags import DEFAULT_ROLLOUTS
from state.lease import Lease, owner_name
from state.messages import Owner
from state.model import Document, Step
from state.outcomes import Caller
from state.session_actor import OpenSession, Reply, SessionState
from state.steps import StepWork
from state.store import RecordStore
from state.sweep import SECOND_LOOK_MS, Sweep
from tests.conftest import Shard, caller
from tests.fakes import INPUTS, FakeEvaluator, FakeGenerator, FakeRetriever, a_gap

LEASE_S = 0.6
OPENING = OpenSession(
    session_id="s1",
    caller=caller("open"),
    user="ada",
    cv=Document(text="Ada\nDjango"),
    job=Document(text="Kubernetes in production"),
    gaps=(a_gap(),),
    max_questions=10,
)
YES = Reply(session_id="s1", question_id="q1", caller=caller("yes", request_id="r1"), event=SaidYes())


class StoppedClock:
    """Its owner takes time to have stood still, as a stopped process does until it looks again."""

    def __init__(self) -> None:
        self.stopped_at: float | None = None

    def __call__(self) -> float:
        return time.monotonic() if self.stopped_at is None else self.stopped_at


class Shards:
    """Actors with leases of their own on one Valkey, over pools that they share."""

    def __init__(self, redis: Redis) -> None:
        self.backend = RedisBackend(redis)
        self.generator, self.evaluator, self.retriever = FakeGenerator(), FakeEvaluator(), FakeRetriever()
        self.leases: dict[SessionState, Lease] = {}

    def actor(self, name: str = "session-state-0", clock: Callable[[], float] = time.monotonic) -> SessionState:
        work = StepWork(
            generator=self.generator,
            evaluator=self.evaluator,
            retriever=self.retriever,
            deadline_s=20,
            question_deadline_s=5,
        )
        lease = Lease(self.backend, name=name, new_nonce=lambda: uuid.uuid4().hex, lease_s=LEASE_S, clock=clock)
        actor = SessionState(
            store=RecordStore(self.backend, kind="session"),
            work=work,
            lease=lease,
            sweep=Sweep(self.backend, now_ms=lambda: time.time_ns() // 10**6, forget=self.retriever.forget),
            new_epoch=lambda: secrets.randbits(52),
            now_ms=lambda: time.time_ns() // 10**6,
            ttl_s=3600,
            rollouts=DEFAULT_ROLLOUTS,
        )
        self.leases[actor] = lease
        return actor


@pytest.fixture
async def shards(redis: Redis) -> AsyncIterator[Shards]:
    made = Shards(redis)
    yield made
    for actor in made.leases:
        await actor.aclose()


async def timed(work: Awaitable[object]) -> float:
    began = time.monotonic()
    await work
    return time.monotonic() - began


async def test_a_session_is_its_owner_s_alone_while_the_lease_stands(shards: Shards) -> None:
    first, second = shards.actor(), shards.actor("session-state-1")
    await first.create(OPENING)
    await asyncio.sleep(LEASE_S * 2)
    with pytest.raises(OwnedElsewhere) as held:
        await second.read("acme", "s1")
    assert owner_name(held.value.owner) == "session-state-0"
    assert held.value.owner == await first.here()
    assert (await first.reply(YES)).step is Step.PROMPTED


async def test_an_owner_that_others_cannot_reach_lets_go_within_a_beat_or_two(shards: Shards) -> None:
    first, second = shards.actor(), shards.actor("session-state-1")
    await first.create(OPENING)
    assert await timed(second.take_over("acme", "s1")) < LEASE_S
    assert (await second.reply(YES)).step is Step.PROMPTED
    with pytest.raises(OwnedElsewhere):
        await first.read("acme", "s1")


async def test_a_silent_owner_s_session_is_taken_over_once_its_lease_has_ended(shards: Shards) -> None:
    first, second = shards.actor(), shards.actor("session-state-1")
    await first.create(OPENING)
    await first.aclose()
    assert await timed(second.take_over("acme", "s1")) <= LEASE_S + 0.3
    assert (await second.read("acme", "s1")).version == 2


async def test_a_step_under_way_ends_before_its_session_is_let_go(shards: Shards) -> None:
    first, second = shards.actor(), shards.actor("session-state-1")
    await first.create(OPENING)
    shards.generator.gate = asyncio.Event()
    running = asyncio.create_task(first.reply(YES))
    await shards.generator.entered.wait()
    taking = asyncio.create_task(second.take_over("acme", "s1"))
    await asyncio.sleep(LEASE_S / 2)
    shards.generator.gate.set()
    question = await running
    await taking
    assert await second.reply(replace(YES, caller=caller("yes"))) == question
    assert shards.generator.calls["write_prompts"] == 1


async def test_a_stopped_owner_that_comes_back_answers_nothing_from_its_copy(shards: Shards) -> None:
    clock = StoppedClock()
    zombie, second = shards.actor(clock=clock), shards.actor("session-state-1")
    await zombie.create(OPENING)
    former = await zombie.here()
    await shards.leases[zombie].aclose()  # stopped: it renews nothing
    await second.take_over("acme", "s1")
    await second.reply(YES)
    with pytest.raises(OwnedElsewhere):
        await zombie.read("acme", "s1")
    assert await zombie.here() != former


async def test_a_zombie_that_believes_in_its_lease_is_refused_by_the_script(shards: Shards) -> None:
    clock = StoppedClock()
    zombie, second = shards.actor(clock=clock), shards.actor("session-state-1")
    await zombie.create(OPENING)
    clock.stopped_at = time.monotonic()
    await shards.leases[zombie].aclose()
    await second.take_over("acme", "s1")
    accepted = await second.reply(YES)
    with pytest.raises(Fenced):
        await zombie.reply(replace(YES, caller=caller("other")))
    assert (await second.read("acme", "s1")).require("q1") == accepted


async def test_the_recorded_outcome_is_what_the_next_owner_answers(shards: Shards) -> None:
    first, second = shards.actor(), shards.actor("session-state-1")
    await first.create(OPENING)
    question = await first.reply(YES)
    await first.aclose()
    await second.take_over("acme", "s1")
    again = Caller(tenant="acme", key="yes", fingerprint="same", request_id="another")
    assert await second.reply(replace(YES, caller=again)) == question
    assert shards.generator.calls["write_prompts"] == 1


async def test_a_takeover_of_nothing_is_nothing(shards: Shards) -> None:
    await shards.actor().take_over("acme", "unknown")


async def test_an_erasure_that_is_asked_for_again_gives_the_same_receipt_and_to_nobody_else(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    receipt = await actor.erase("acme", "s1")
    shard.clock.ms += 10_000
    assert await actor.erase("acme", "s1") == receipt
    assert await shard.actor().erase("acme", "s1") == receipt
    assert (receipt.session_id, receipt.tenant, receipt.steps) == ("s1", "acme", 2)
    with pytest.raises(NotFound):
        await actor.erase("rival", "s1")
    with pytest.raises(NotFound):
        await actor.read("acme", "s1")


async def test_a_receipt_holds_nothing_of_the_candidate(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await actor.reply(YES)
    await actor.reply(replace(YES, caller=caller("inputs"), event=InputsGiven(inputs=INPUTS)))
    await actor.erase("acme", "s1")
    kept = b"".join([await redis.dump(key) or b"" for key in await redis.keys("*session:s1*")])
    assert b"acme" in kept
    assert not any(word in kept for word in (b"ada", b"Ada", b"Django", b"Kubernetes", b"cluster"))


async def test_what_a_cut_off_writer_remembered_after_an_erasure_is_forgotten_at_the_second_look(
    shard: Shard, redis: Redis
) -> None:
    actor = shard.actor()
    sweep = Sweep(shard.backend, now_ms=shard.clock, forget=shard.retriever.forget)
    await actor.create(OPENING)
    await actor.erase("acme", "s1")
    shard.retriever.forgotten.clear()
    assert await sweep.sweep() == 0
    shard.clock.ms += SECOND_LOOK_MS
    assert await sweep.sweep() == 1
    assert shard.retriever.forgotten == [Owner(tenant="acme", user="", session_id="s1")]
    assert await redis.exists("askwell:{sweep}:sessions") == 0


async def test_what_a_step_remembered_of_a_session_that_redis_has_lost_is_forgotten(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    sweep = Sweep(shard.backend, now_ms=shard.clock, forget=shard.retriever.forget)
    await actor.create(OPENING)
    await actor.reply(YES)
    shard.generator.gate = asyncio.Event()
    shard.generator.entered.clear()
    writing = asyncio.create_task(actor.reply(replace(YES, caller=caller("inputs"), event=InputsGiven(inputs=INPUTS))))
    await shard.generator.entered.wait()
    await redis.flushall()
    shard.generator.gate.set()
    with pytest.raises(Fenced):
        await writing
    shard.clock.ms += SECOND_LOOK_MS
    assert await sweep.sweep() == 1
    assert [owner.session_id for owner in shard.retriever.forgotten] == ["s1"]


async def test_the_vectors_of_a_session_go_when_it_expires_and_not_while_it_lives(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    sweep = Sweep(shard.backend, now_ms=shard.clock, forget=shard.retriever.forget)
    await actor.create(OPENING)
    for _ in range(3):
        shard.clock.ms += 3_600_000 + 2_000
        assert await sweep.sweep() == 0
    assert shard.retriever.forgotten == []
    await redis.delete("askwell:{session:s1}:record")
    shard.clock.ms += 3_600_000 + 2_000
    assert await sweep.sweep() == 1
    assert [owner.session_id for owner in shard.retriever.forgotten] == ["s1"]
    assert await redis.exists("askwell:{sweep}:sessions") == 0
