"""Records of a newer version on a real Valkey: refused, whatever is asked of them, and left as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgpack
import pytest
from redis.asyncio import Redis

from serve_app.replay import recorded
from state.backend import RedisBackend
from state.calls import Calls, derived_id
from state.codec import SCHEMA, pack
from state.errors import RecordUnreadable
from state.events import InputsGiven, SaidYes
from state.plans import PlanBook, Progress
from state.replay import FaultKind, replay
from state.session_actor import Reply, SessionState
from state.store import Commit, RecordStore
from tests.conftest import Clock, Shard, caller
from tests.fakes import INPUTS
from tests.golden.records import PLAN
from tests.integration.test_replay_command import OPENING, RECORD, stored, told_to

NEWER = msgpack.packb([SCHEMA + 1, {"text": "SECRET"}])

Asked = Callable[[SessionState], Awaitable[object]]
ASKED: dict[str, Asked] = {
    "read": lambda actor: actor.read("acme", "s1"),
    "replied to": lambda actor: actor.reply(
        Reply(session_id="s1", question_id="q1", caller=caller("more"), event=InputsGiven(inputs=INPUTS))
    ),
    "opened again": lambda actor: actor.create(OPENING),
    "watched": lambda actor: actor.watch("acme", "s1", after=0, heard=0, wait_s=0),
    "taken over": lambda actor: actor.take_over("acme", "s1"),
    "erased": lambda actor: actor.erase("acme", "s1"),
}
asked_in_any_way = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)


async def made_newer(shard: Shard, redis: Redis, *, marked: bool) -> None:
    """A session with a question prompted, which a version after this one has written since."""
    actor = shard.actor()
    await actor.create(OPENING)
    await told_to(actor, ("q1", SaidYes()))
    await redis.hset(RECORD, "state", NEWER)  # type: ignore[misc]
    if marked:
        await redis.hset(RECORD, "schema", SCHEMA + 1)  # type: ignore[misc]
    else:
        await redis.hdel(RECORD, "schema")  # type: ignore[misc]


@asked_in_any_way
async def test_a_session_of_a_newer_schema_stays_as_it_is_byte_for_byte(shard: Shard, redis: Redis, ask: Asked) -> None:
    await made_newer(shard, redis, marked=True)
    before = await stored(redis)
    with pytest.raises(RecordUnreadable, match=f"schema {SCHEMA + 1}; this version reads up to {SCHEMA}") as refused:
        await ask(shard.actor())
    assert await stored(redis) == before
    assert "SECRET" not in str(refused.value)
    assert shard.retriever.forgotten == []


async def test_a_claim_of_a_session_of_a_newer_schema_changes_neither_owner_nor_epoch(
    shard: Shard, redis: Redis, store: RecordStore
) -> None:
    await made_newer(shard, redis, marked=True)
    before = await stored(redis)
    with pytest.raises(RecordUnreadable):
        await store.claim("s1", "acme", "another", ended=next(iter(shard.owners.values())))
    assert await store.claim("s1", "globex", "another") is None
    assert await stored(redis) == before


@asked_in_any_way
async def test_without_its_mark_nothing_but_owner_and_epoch_of_a_newer_session_changes(
    shard: Shard, redis: Redis, ask: Asked
) -> None:
    """Records that were written before there was a mark are known by their states alone, once they are read."""
    await made_newer(shard, redis, marked=False)
    before, record = await stored(redis), await redis.hgetall(RECORD)  # type: ignore[misc]
    with pytest.raises(RecordUnreadable):
        await ask(shard.actor())
    after, record_after = await stored(redis), await redis.hgetall(RECORD)  # type: ignore[misc]
    moved = {b"epoch", b"owner"}
    assert {name: value for name, value in record_after.items() if name not in moved} == {
        name: value for name, value in record.items() if name not in moved
    }
    assert {key: kept for key, kept in after.items() if key != RECORD.encode()} == {
        key: kept for key, kept in before.items() if key != RECORD.encode()
    }
    assert after[RECORD.encode()][1] == before[RECORD.encode()][1]


async def test_a_replay_of_a_newer_session_says_so_and_touches_nothing(shard: Shard, redis: Redis) -> None:
    await made_newer(shard, redis, marked=True)
    before = await stored(redis)
    found = await recorded(redis, ["acme"], "s1")
    replayed = replay(found.log, found.stored)
    assert replayed.fault is not None
    assert replayed.fault.kind is FaultKind.UNREADABLE
    assert f"schema {SCHEMA + 1}" in replayed.fault.about
    assert await stored(redis) == before


async def test_a_plan_of_a_newer_schema_is_refused_untouched(redis: Redis, store: RecordStore, clock: Clock) -> None:
    book = PlanBook(store=store, backend=RedisBackend(redis), now_ms=clock, ttl_s=3600)
    await book.create(PLAN)
    state = msgpack.packb([SCHEMA + 1, msgpack.unpackb(pack(PLAN))[1]])
    await store.commit(Commit(record_id="p1", tenant="acme", epoch=1, version=1, state=state, ttl_ms=3_600_000))
    before = await stored(redis)
    with pytest.raises(RecordUnreadable):
        await book.move("acme", "p1", "r2", Progress.IN_PROGRESS)
    with pytest.raises(RecordUnreadable):
        await book.list("acme", "ada", limit=5)
    assert await stored(redis) == before


async def test_an_outcome_of_a_newer_schema_outside_sessions_is_refused_untouched(
    redis: Redis, store: RecordStore, clock: Clock
) -> None:
    record_id = derived_id("call", "acme", "first")
    await store.commit(Commit(record_id=record_id, tenant="acme", epoch=1, version=0, state=NEWER, ttl_ms=60_000))
    before = await stored(redis)

    async def work() -> bytes:
        raise AssertionError("the work must not be done")

    calls = Calls(store=store, now_ms=clock, ttl_s=60, deadline_s=5)
    with pytest.raises(RecordUnreadable):
        await calls.once("acme", "first", "same", work)
    assert await stored(redis) == before
