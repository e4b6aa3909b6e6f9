"""The same promises on one server, behind Sentinels and on a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from actors.resilience.flights_redis import RedisFlights
from serve_app import doctor, wiring
from serve_app.copies import shortcoming
from serve_app.doctor import State
from serve_app.ports import free_port
from serve_app.settings import Settings
from state.backend import RedisBackend, connect
from state.durability import FAST, Durability, Mode
from state.errors import Fenced, KeyReused, NotFound, OwnedElsewhere, StoreUnavailable
from state.ledger import RedisLedger
from state.paid import StoredPaidResults
from state.plans import PlanBook, Progress
from state.store import Commit, RecordStore
from state.topologies import Cluster
from tests.conftest import Clock
from tests.faults.servers import Group, Node, clustered, replicated, until, watched
from tests.unit.test_costs import a_call
from tests.unit.test_plans import a_plan

ONE_REPLICA = Durability(mode=Mode.REPLICATED, replicas=1, timeout_ms=2_000)
ON_DISK = Durability(mode=Mode.STRICT, timeout_ms=2_000)
NEVER_MS = 60_000
MADE = {
    "server": lambda folder: replicated(folder, 1, "--appendfsync", "always"),
    "sentinel": lambda folder: watched(folder, 1, silent_ms=NEVER_MS),
    "cluster": lambda folder: clustered(folder, 3, silent_ms=NEVER_MS),
}
"""Of these no server is replaced: with every write on disk before it is answered, a slow disk holds one up for long."""
IDS = [f"s{number}" for number in range(24)]
"""Enough for every node of a cluster to have some."""


@contextlib.asynccontextmanager
async def client_of(group: Group, **options: float) -> AsyncIterator[Redis]:
    client = connect(group.url, **options)
    try:
        yield client
    finally:
        await client.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=MADE)
async def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Group]:
    async with MADE[request.param](tmp_path_factory.mktemp(request.param)) as servers:
        yield servers


@pytest.fixture
async def group(servers: Group) -> Group:
    """The same servers for all tests of a topology, emptied for each."""
    for node in servers.nodes:
        await node.ask("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")
        if not await is_a_replica(node):
            await node.ask("FLUSHALL")
    return servers


def durabilities(group: Group) -> list[Durability]:
    return [FAST, ONE_REPLICA] if group.replicas and "cluster" not in group.url else [FAST, ON_DISK]


def a_commit(record_id: str, version: int = 0, **changes: object) -> Commit:
    given = {"tenant": "acme", "epoch": 1, "state": b"state", "entry": b"e%d" % version, "ttl_ms": 60_000}
    return Commit(record_id=record_id, version=version, **{**given, **changes})


async def test_records_keep_every_promise_on_every_topology(group: Group) -> None:
    async with client_of(group) as client:
        for number, durability in enumerate(durabilities(group)):
            store = RecordStore(RedisBackend(client, durability), kind="session")
            await asyncio.gather(*(a_life(store, f"{one}-{number}") for one in IDS))


async def a_life(store: RecordStore, record_id: str) -> None:
    """One record from its first commit to its erasure."""
    await store.commit(a_commit(record_id, documents=b"cv", key="k", outcome=b"outcome"))
    with pytest.raises(Fenced, match="exists"):
        await store.commit(a_commit(record_id))
    await store.commit(a_commit(record_id, 1))
    with pytest.raises(Fenced, match="moved on"):
        await store.commit(a_commit(record_id, 1))
    assert await store.claim(record_id, "globex", "owner-1") is None
    claimed = await store.claim(record_id, "acme", "owner-1")
    assert claimed is not None
    assert (claimed.epoch, claimed.version, claimed.documents, claimed.outcomes) == (2, 2, b"cv", {"k": b"outcome"})
    with pytest.raises(OwnedElsewhere):
        await store.claim(record_id, "acme", "owner-2")
    with pytest.raises(Fenced, match="claimed"):
        await store.commit(a_commit(record_id, 2))
    await store.commit(a_commit(record_id, 2, epoch=2, owner="owner-1", forget=("k",)))
    assert await store.entries(record_id, after=0) == [b"e0", b"e1", b"e2"]
    assert await store.entries(record_id, after=1, upto=2) == [b"e1"]
    read = await store.read(record_id)
    assert read is not None
    assert read.version == 3
    with pytest.raises(Fenced):
        await store.erase(record_id, 1)
    await store.erase(record_id, 2, "owner-1", receipt=b"receipt", receipt_ttl_ms=60_000)
    assert await store.read(record_id) is None
    assert await store.receipt(record_id) == b"receipt"
    with pytest.raises(Fenced, match="gone"):
        await store.commit(a_commit(record_id, 3, epoch=2, owner="owner-1"))


async def test_the_ledger_keeps_calls_with_their_session_and_days_by_themselves(group: Group) -> None:
    async with client_of(group) as client:
        ledger = RedisLedger(client)
        store = RecordStore(RedisBackend(client), kind="session")
        for session_id in IDS:
            await store.commit(a_commit(session_id))
            call = a_call(session_id=session_id)
            await ledger.record(call)
            assert await ledger.calls("acme", session_id) == (call,)
            assert await ledger.dropped("acme", session_id) == 0
            with pytest.raises(NotFound):
                await ledger.calls("globex", session_id)
        assert (await ledger.day("acme", date(2026, 11, 18))).total.calls == len(IDS)
        assert await ledger.reserve(tenant="acme", now_ms=0, tokens=60, limit=100)
        assert not await ledger.reserve(tenant="acme", now_ms=0, tokens=60, limit=100)
        await ledger.settle(tenant="acme", now_ms=0, reserved=60, used=7)
        assert await ledger.reserved("acme", 0) == 7


async def test_paid_results_are_found_again(group: Group) -> None:
    async with client_of(group) as client:
        backend = RedisBackend(client)
        await RecordStore(backend, kind="session").commit(a_commit("s1"))
        paid = StoredPaidResults(backend)
        await paid.keep("acme", "s1", "q1@1:prompts", b"result")
        assert await paid.find("acme", "s1", "q1@1:prompts") == b"result"


async def test_plans_are_found_by_id_and_by_user_newest_first(group: Group) -> None:
    clock = Clock()
    async with client_of(group) as client:
        for number, durability in enumerate(durabilities(group)):
            store = RecordStore(RedisBackend(client, durability), kind="plan")
            book = PlanBook(store=store, backend=RedisBackend(client, durability), now_ms=clock, ttl_s=600)
            user = f"user-{number}"
            ids = [f"p{number}-{one}" for one in range(6)]
            for age, plan_id in enumerate(ids):
                created = clock.ms + age
                await book.create(a_plan(id=plan_id, user=user, created_ms=created, updated_ms=created))
            assert [plan.id for plan in await book.list("acme", user, limit=4)] == ids[:1:-1]
            with pytest.raises(KeyReused):
                await book.create(a_plan(id=ids[0], user=user, fingerprint="another request"))
            moved = await book.move("acme", ids[0], "r1", Progress.IN_PROGRESS)
            assert moved.items[0].progress is Progress.IN_PROGRESS


async def test_a_flight_has_one_owner_and_one_reply(group: Group) -> None:
    async with client_of(group) as client:
        flights = RedisFlights(client)
        for digest in IDS:
            assert await flights.claim(digest, "a", 5, anew=False)
            assert not await flights.claim(digest, "b", 5, anew=False)
            assert await flights.renew(digest, "a", 5)
            await flights.publish(digest, "a", b"reply", 5)
            assert await flights.result(digest) == b"reply"
            assert not await flights.renew(digest, "a", 5)


async def test_more_callers_than_connections_wait_for_one(group: Group) -> None:
    async with client_of(group, max_connections=2) as client:
        for durability in durabilities(group):
            store = RecordStore(RedisBackend(client, durability), kind=f"{durability.mode}")
            await asyncio.gather(*(store.commit(a_commit(f"s{number}")) for number in range(60)))


async def test_a_script_that_a_restarted_server_has_forgotten_is_sent_again(group: Group) -> None:
    async with client_of(group) as client:
        for durability in durabilities(group):
            store = RecordStore(RedisBackend(client, durability), kind=f"{durability.mode}")
            for node in group.nodes:
                await node.ask("SCRIPT", "FLUSH")
            await asyncio.gather(*(store.commit(a_commit(one)) for one in IDS))


async def test_the_client_follows_a_failover_of_the_sentinels_within_seconds(tmp_path: Path) -> None:
    async with watched(tmp_path, 1, sentinels=3) as group, client_of(group, timeout_s=1.0) as client:
        store = RecordStore(RedisBackend(client), kind="session")
        await asyncio.gather(*(store.commit(a_commit(one)) for one in IDS))
        await until(lambda: has_all_of(group))
        for one in (group.primary, group.sentinels[0]):
            one.kill()
        began = asyncio.get_running_loop().time()
        await until_written(store, "after")
        assert asyncio.get_running_loop().time() - began < 15
        assert [stored.version for stored in await asyncio.gather(*map(store.read, IDS)) if stored] == [1] * len(IDS)


async def test_connections_to_a_primary_that_was_demoted_are_left(tmp_path: Path) -> None:
    """Nothing has broken these connections: what they lead to refuses to write."""
    async with watched(tmp_path, 1) as group, client_of(group) as client:
        store = RecordStore(RedisBackend(client), kind="session")
        await asyncio.gather(*(store.commit(a_commit(one)) for one in IDS))
        await until(lambda: is_told_to_fail_over(group.sentinels[0]))
        await until(lambda: is_a_replica(group.primary))
        await until_written(store, "after")


async def test_the_client_follows_a_failover_within_a_cluster(tmp_path: Path) -> None:
    async with clustered(tmp_path, 3, replicas=1) as group, client_of(group, timeout_s=1.0) as client:
        for durability in (FAST, ONE_REPLICA):
            store = RecordStore(RedisBackend(client, durability), kind=f"{durability.mode}")
            await asyncio.gather(*(store.commit(a_commit(one)) for one in IDS))
        group.primary.kill()
        store = RecordStore(RedisBackend(client), kind="session")
        await asyncio.gather(*(until_written(store, one) for one in IDS))
        replicated_store = RecordStore(RedisBackend(client, ONE_REPLICA), kind="replicated")
        written = await asyncio.gather(*(written_once(replicated_store, one) for one in IDS))
        assert set(written) == {True, False}, "the shard that has lost its replica confirms nothing, the others go on"


async def test_a_key_that_moves_to_another_node_is_followed_with_its_confirmation(tmp_path: Path) -> None:
    async with clustered(tmp_path, 2) as group, client_of(group) as client:
        store = RecordStore(RedisBackend(client, ON_DISK), kind="session")
        await store.commit(a_commit("s1"))
        assert isinstance(client, Cluster)
        slot = client.keyslot("askwell:{session:s1}:record")
        source, target = sorted(
            group.nodes, key=lambda node: node.port != client.get_node_from_key("{session:s1}").port
        )
        source_id, target_id = [(await node.ask("CLUSTER", "MYID")).decode() for node in (source, target)]
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        keys = await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10)
        await source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        assert await store.entries("s1", after=0) == [b"e0"]
        assert await RedisBackend(client, ON_DISK).write("read.lua", ["askwell:{session:s1}:record"]) is not None
        with pytest.raises(StoreUnavailable):  # some of a record's keys are not there: a node cannot tell from where
            await store.commit(a_commit("s1", 1))
        for node in (target, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        await store.commit(a_commit("s1", 1))
        assert await store.entries("s1", after=0) == [b"e0", b"e1"]


async def test_what_the_servers_lack_is_told_before_a_write_needs_it(group: Group) -> None:
    async with client_of(group) as client:
        assert await shortcoming(client, FAST) is None
        wanted = Durability(mode=Mode.REPLICATED, replicas=2)
        detail, fix = await shortcoming(client, wanted) or ("", "")
        assert "of 2 replicas" in detail
        assert "ASKWELL_REPLICAS" in fix
        for node in group.nodes:
            await node.ask("CONFIG", "SET", "appendfsync", "everysec")
        assert "everysec" in (await shortcoming(client, ON_DISK) or ("",))[0]
        for node in group.nodes:
            await node.ask("CONFIG", "SET", "appendfsync", "always")
        assert await shortcoming(client, ON_DISK) is None
        for node in group.nodes:
            await node.ask("CONFIG", "SET", "appendonly", "no")
        assert "append-only file" in (await shortcoming(client, ON_DISK) or ("",))[0]


async def test_the_settings_make_a_client_that_writes_as_they_say(group: Group) -> None:
    asked = {"durability": "replicated", "replicas": 1} if "cluster" not in group.url else {"durability": "strict"}
    settings = Settings(REDIS_URL=group.url, **asked)
    client = wiring.redis(settings)
    try:
        backend = wiring.backend(settings, client)
        await backend.ping()
        await RecordStore(backend, kind="session").commit(a_commit("s1"))
    finally:
        await client.aclose()


async def test_a_password_that_is_not_taken_is_told_to_nobody(group: Group, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    locked = replace(group, url=group.url.replace("://", "://nobody:hunter2-hunter2@"))
    async with client_of(locked) as client:
        for durability in durabilities(group):
            with pytest.raises(StoreUnavailable) as refused:
                await RecordStore(RedisBackend(client, durability), kind="session").commit(a_commit("s1"))
            told = "".join(traceback.format_exception(refused.value))
            assert "hunter2" not in f"{told} {refused.value.data} {client!r} {caplog.text}"


async def test_the_doctor_says_what_the_servers_lack(tmp_path: Path) -> None:
    async with replicated(tmp_path, 1) as group:
        given = {"REDIS_URL": group.url, "durability": "replicated", "data_dir": tmp_path, "port": free_port()}
        for replicas, state in ((1, State.OK), (2, State.FAILED)):
            found = await doctor.examine(Settings(**given, replicas=replicas))
            (finding,) = [one for one in found if one.part == "sessions"]
            assert (finding.state, bool(finding.fix)) == (state, state is State.FAILED)


async def is_told_to_fail_over(sentinel: Node) -> bool:
    """False while the Sentinel knows no replica that it would promote: one that was silent for a moment is none."""
    try:
        await sentinel.ask("SENTINEL", "FAILOVER", "interviews")
    except ResponseError as refused:
        if "NOGOODSLAVE" not in str(refused):
            raise
        return False
    return True


async def until_written(store: RecordStore, record_id: str) -> None:
    """Commit, again and again while the store says that it may succeed later."""

    async def written() -> bool:
        try:
            await store.commit(a_commit(record_id))
        except Fenced:  # an attempt that was not answered was carried out
            return True
        except StoreUnavailable:
            return False
        return True

    await until(written)


async def written_once(store: RecordStore, record_id: str) -> bool:
    try:
        await store.commit(a_commit(record_id, 1))
    except StoreUnavailable:
        return False
    return True


async def has_all_of(group: Group) -> bool:
    sizes = [await node.ask("DBSIZE") for node in group.nodes]
    return len(set(sizes)) == 1


async def is_a_replica(node: Node) -> bool:
    return bool((await node.ask("INFO", "replication"))["role"] == "slave")
