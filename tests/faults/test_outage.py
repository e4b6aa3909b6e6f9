"""Redis away: what held sessions may still do, and what becomes of a journal when it is back."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loadtests.chaos.candidates import CV, JOB, TENANT
from loadtests.chaos.hosts import Server
from loadtests.chaos.notes import Notebook, awake_s
from loadtests.chaos.worker import Orders, session_state
from state import journal
from state.backend import RedisBackend, connect
from state.codec import pack, unpack
from state.errors import Degraded, RetryLater, StoreUnavailable
from state.events import InputsGiven, SaidYes
from state.model import Step
from state.outage import Outage
from state.session_actor import OpenSession, Reply, SessionState
from state.store import Commit, RecordStore
from tests.conftest import caller

WITHIN_S = 10.0
GONE = "shard/gone"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aw-") as name:
        yield Path(name)


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    server = Server(folder / "valkey")
    await server.start()
    yield server
    await server.aclose()


@dataclass
class Desk:
    """One actor with a journal, in this process; session s1 has question q1 with its prompts."""

    actor: SessionState
    store: RecordStore
    journal: Path


@pytest.fixture
async def desk(server: Server, folder: Path) -> AsyncIterator[Desk]:
    async with _desk(server, folder) as desk:
        yield desk


async def test_a_held_session_goes_on_while_redis_is_away_and_redis_has_it_all_afterwards(
    desk: Desk, server: Server
) -> None:
    await server.kill()
    given = await desk.actor.reply(_inputs("inputs"))
    assert given.step in {Step.ACCEPTED, Step.NEEDS_REFINEMENT}
    assert await desk.actor.reply(_inputs("inputs")) == given
    await server.start()
    await _until(lambda: not list(desk.journal.glob("*.wal")))
    stored = await _insist(lambda: desk.store.read("s1"))
    assert stored.version == (await desk.actor.read(TENANT, "s1")).version
    assert list(desk.journal.glob("conflicts/*")) == []


async def test_a_new_session_and_an_erasure_are_refused_while_redis_is_away(desk: Desk, server: Server) -> None:
    await server.kill()
    await desk.actor.reply(_inputs("inputs"))
    with pytest.raises(StoreUnavailable):
        await desk.actor.create(_opening("s2"))
    with pytest.raises(StoreUnavailable):
        await desk.actor.erase(TENANT, "s1")
    await server.start()
    await _until(lambda: not list(desk.journal.glob("*.wal")))
    assert (await _insist(lambda: desk.actor.create(_opening("s2")))).id == "s2"
    assert (await _insist(lambda: desk.actor.erase(TENANT, "s1"))).session_id == "s1"


async def test_readiness_is_degraded_while_the_journal_stands_in_and_whole_again_afterwards(
    desk: Desk, server: Server
) -> None:
    await desk.actor.ready()
    await server.kill()
    await desk.actor.reply(_inputs("inputs"))
    with pytest.raises(Degraded):
        await desk.actor.ready()
    await server.start()
    await _insist(desk.actor.ready)


async def test_a_watcher_of_a_held_session_goes_on_while_redis_is_away(desk: Desk, server: Server) -> None:
    version = (await desk.actor.read(TENANT, "s1")).version
    await server.kill()
    watching = asyncio.create_task(desk.actor.watch(TENANT, "s1", after=version, heard=0, wait_s=WITHIN_S))
    await desk.actor.reply(_inputs("inputs"))
    seen = await watching
    assert [entry.version for entry in seen.entries][:1] == [version + 1]
    later = await desk.actor.watch(TENANT, "s1", after=version, heard=0, wait_s=0)
    assert [type(entry.event) for entry in later.entries][:1] == [InputsGiven]


async def test_a_journal_cut_in_its_last_frame_gives_redis_what_came_before(server: Server, folder: Path) -> None:
    async with _left_journal(server, folder) as (store, outage, path):
        content = path.read_bytes()
        path.write_bytes(content[:-3])
        with capture_logs() as logs:
            await outage.settle_left_behind()
        assert (await _version(store)) == 3
        assert {log["event"] for log in logs} >= {"journal_torn", "journal_settled"}
        (torn,) = path.parent.glob("torn/*")
        last = journal.frame(pack(_commit(3)))
        assert torn.read_bytes() == last[:-3]
        assert not path.exists()


async def test_a_byte_changed_in_the_middle_of_a_journal_stops_it_there_and_keeps_the_rest(
    server: Server, folder: Path
) -> None:
    async with _left_journal(server, folder) as (store, outage, path):
        first, rest = (journal.frame(pack(_commit(1))), bytearray(path.read_bytes()))
        rest[len(first) + 20] ^= 1
        path.write_bytes(bytes(rest))
        with capture_logs() as logs:
            await outage.settle_left_behind()
        assert (await _version(store)) == 2
        assert [log["log_level"] for log in logs if log["event"] == "journal_torn"] == ["error"]
        (torn,) = path.parent.glob("torn/*")
        assert torn.read_bytes() == bytes(rest[len(first) :])


async def test_a_journal_that_is_settled_twice_changes_nothing(server: Server, folder: Path) -> None:
    async with _left_journal(server, folder) as (store, outage, path):
        again = path.with_name("again.wal")
        again.write_bytes(path.read_bytes())
        await outage.settle_left_behind()
        assert (await _version(store)) == 4
        assert await store.entries("s1", after=0) == [b"entry 1", b"entry 2", b"entry 3", b"entry 4"]
        assert list(path.parent.glob("conflicts/*")) == []
        assert not path.exists()
        assert not again.exists()


async def test_a_commit_that_redis_refuses_afterwards_is_kept_and_told(server: Server, folder: Path) -> None:
    async with _left_journal(server, folder) as (store, outage, path):
        assert await store.claim("s1", TENANT, "shard/rival", ended=GONE) is not None
        told: list[str] = []
        outage.told_of_conflicts(told.append)
        with capture_logs() as logs:
            await outage.settle_left_behind()
        assert (await _version(store)) == 1
        assert told == ["s1", "s1", "s1"]
        assert {log.get("reason") for log in logs if log["event"] == "journal_conflict"} == {"fenced"}
        kept = [journal.read(one).payloads for one in sorted(path.parent.glob("conflicts/*"))]
        assert [unpack(Commit, payload) for (payload,) in kept] == [_commit(1), _commit(2), _commit(3)]


async def test_an_erasure_takes_the_sessions_refused_and_torn_commits_along(desk: Desk) -> None:
    torn = journal.frame(pack(_commit(1)))[:-2] + journal.frame(pack(replace(_commit(1), record_id="other")))
    journal.write_whole(desk.journal / "torn" / "some.0", torn)
    for session_id in ("s1", "other"):
        journal.write_whole(desk.journal / "conflicts" / f"{session_id}.2.0", b"refused")
    await desk.actor.erase(TENANT, "s1")
    assert [path.name for path in desk.journal.glob("conflicts/*")] == ["other.2.0"]
    kept = (desk.journal / "torn" / "some.0").read_bytes()
    assert kept == journal.frame(pack(replace(_commit(1), record_id="other")))


@asynccontextmanager
async def _desk(server: Server, folder: Path) -> AsyncIterator[Desk]:
    redis = connect(server.url)
    orders = Orders(
        name="shard",
        redis_url=server.url,
        socket=folder / "unused",
        notes=folder,
        log=folder,
        lease_s=1.0,
        journal=folder / "journal",
        latency_s=0.0,
        failing_share=0.0,
        inventing_share=0.0,
    )
    actor = session_state(orders, Notebook(folder / "shard.notes", awake_s), redis)
    try:
        await actor.create(_opening("s1"))
        await actor.reply(Reply(session_id="s1", question_id="q1", caller=_by("yes"), event=SaidYes()))
        yield Desk(actor, RecordStore(RedisBackend(redis), kind="session"), folder / "journal")
    finally:
        await actor.aclose()
        await redis.aclose()


@asynccontextmanager
async def _left_journal(server: Server, folder: Path) -> AsyncIterator[tuple[RecordStore, Outage, Path]]:
    """A record at version 1 and, in the journal of its owner that is gone, the three commits after it."""
    redis = connect(server.url)
    store = RecordStore(RedisBackend(redis), kind="session")
    await store.commit(_commit(0))
    path = folder / "journal" / f"{GONE.replace('/', '~')}.wal"
    file = journal.JournalFile(path)
    file.append([pack(_commit(version)) for version in (1, 2, 3)])
    file.close()
    try:
        yield store, Outage(store, folder / "journal"), path
    finally:
        await redis.aclose()


def _commit(version: int) -> Commit:
    """The one that a record of this version takes next."""
    return Commit(
        record_id="s1",
        tenant=TENANT,
        owner=GONE,
        epoch=7,
        version=version,
        state=b"state",
        ttl_ms=60_000,
        entry=f"entry {version + 1}".encode(),
    )


def _opening(session_id: str) -> OpenSession:
    return OpenSession(session_id=session_id, caller=_by("open"), user="", cv=CV, job=JOB, gaps=None, max_questions=1)


def _inputs(key: str) -> Reply:
    event = InputsGiven(inputs={"context": "Work", "achievement": "Moved services into a cluster."})
    return Reply(session_id="s1", question_id="q1", caller=_by(key), event=event)


def _by(key: str) -> Any:
    return caller(key, tenant=TENANT)


async def _version(store: RecordStore) -> int:
    stored = await store.read("s1")
    assert stored is not None
    return stored.version


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110 - files say nothing when they go
            await asyncio.sleep(0.02)


async def _insist(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await ask()
            except RetryLater:
                await asyncio.sleep(0.02)
