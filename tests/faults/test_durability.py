"""What each mode promises, on servers that are cut off, replaced, and lose their power."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from state.backend import RedisBackend, connect
from state.durability import FAST, Durability, Mode
from state.errors import Fenced, StoreUnavailable, Unconfirmed
from state.events import SaidYes
from state.model import Step
from state.store import Commit, RecordStore
from tests.conftest import Shard
from tests.faults.power import PoweredNode, shim
from tests.faults.servers import Cable, Group, Node, Wire, ended, in_step, replicated, until
from tests.integration.test_session_state import OPENING, reply

REPLICATED = Durability(mode=Mode.REPLICATED, replicas=1, timeout_ms=200)
STRICT = Durability(mode=Mode.STRICT, timeout_ms=3_000)
STRICT_REPLICATED = Durability(mode=Mode.STRICT, replicas=1, timeout_ms=600)
STATE = b"state" * 1_200
needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="noting what is synced takes Linux and a C compiler"
)


@contextlib.asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Redis]:
    client = connect(url)
    try:
        yield client
    finally:
        await client.aclose()


def a_commit(record_id: str, version: int = 0) -> Commit:
    return Commit(record_id=record_id, tenant="acme", epoch=1, version=version, state=STATE, ttl_ms=600_000, entry=b"e")


@dataclass
class Writers:
    """Writers of a store, each with records of its own; what was acknowledged to them."""

    store: RecordStore
    acknowledged: list[str] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    refused: int = 0

    async def write(self, writers: int, commits: int) -> None:
        await asyncio.gather(*(self._one(writer, commits) for writer in range(writers)))

    async def acknowledge(self, count: int) -> None:
        async def have() -> bool:
            return len(self.acknowledged) >= count

        await until(have)

    async def lost(self, url: str) -> list[str]:
        """Acknowledged, and not there."""
        async with client_of(url) as client:
            store = RecordStore(RedisBackend(client), kind="session")
            found = await asyncio.gather(*map(store.read, self.acknowledged))
        return [one for one, stored in zip(self.acknowledged, found, strict=True) if stored is None]

    async def _one(self, writer: int, commits: int) -> None:
        for number in range(commits):
            record_id = f"{writer}-{number}"
            try:
                await self.store.commit(a_commit(record_id))
            except Unconfirmed:
                self.unconfirmed.append(record_id)
            except StoreUnavailable:
                self.refused += 1
                return
            else:
                self.acknowledged.append(record_id)


@pytest.mark.parametrize("durability", [REPLICATED, STRICT_REPLICATED], ids=["replicated", "strict"])
async def test_a_step_without_its_copies_is_unconfirmed_and_the_same_request_again_finishes_it(
    tmp_path: Path, durability: Durability
) -> None:
    async with replicated(tmp_path, 1, "--appendfsync", "always") as group, client_of(group.url) as client:
        shard = Shard(backend=RedisBackend(client, durability))
        actor = shard.actor()
        await actor.create(OPENING)
        (replica,) = group.replicas
        replica.freeze()
        asked = reply("yes", SaidYes())
        with pytest.raises(Unconfirmed):
            await actor.reply(asked)
        replica.thaw()
        await until(lambda: in_step(group.primary, group.replicas))
        question = await actor.reply(asked)
        assert question.step is Step.PROMPTED
        entries = await shard.store.entries("s1", after=0)
        assert sum(b"SaidYes" in entry for entry in entries) == 1
        assert shard.generator.calls["write_prompts"] == 1


async def test_a_refusal_is_told_only_when_what_it_rests_on_is_confirmed(tmp_path: Path) -> None:
    """WAIT by itself does not do that: a script that writes nothing leaves nothing to wait for."""
    async with replicated(tmp_path, 1) as group, client_of(group.url) as client:
        (replica,) = group.replicas
        replica.freeze()
        await RecordStore(RedisBackend(client), kind="session").commit(a_commit("s1"))
        store = RecordStore(RedisBackend(client, REPLICATED), kind="session")
        for _ in range(3):
            with pytest.raises(Unconfirmed):
                await store.commit(a_commit("s1"))
        replica.thaw()
        await until(lambda: in_step(group.primary, group.replicas))
        with pytest.raises(Fenced, match="exists"):
            await store.commit(a_commit("s1"))


async def test_a_server_that_cannot_confirm_says_why(tmp_path: Path) -> None:
    async with replicated(tmp_path, 0) as group, client_of(group.url) as client:
        await group.primary.ask("CONFIG", "SET", "appendonly", "no")
        store = RecordStore(RedisBackend(client, STRICT), kind="session")
        with pytest.raises(Unconfirmed) as refused:
            await store.commit(a_commit("s1"))
        assert "appendonly is disabled" in refused.value.data["cause"]
        assert "0 of 1 replicas" in await _cause(RecordStore(RedisBackend(client, REPLICATED), kind="session"))


async def _cause(store: RecordStore) -> str:
    with pytest.raises(Unconfirmed) as refused:
        await store.commit(a_commit("s2"))
    return str(refused.value.data["cause"])


async def test_a_primary_that_is_demoted_while_it_is_asked_has_confirmed_nothing(tmp_path: Path) -> None:
    async with replicated(tmp_path, 1) as group, client_of(group.url) as client:
        patient = Durability(mode=Mode.REPLICATED, replicas=1, timeout_ms=4_000)
        group.replicas[0].freeze()
        writing = asyncio.create_task(RecordStore(RedisBackend(client, patient), kind="session").commit(a_commit("s1")))

        async def waits() -> bool:
            return int((await group.primary.ask("INFO", "clients"))["blocked_clients"]) == 1

        await until(waits)
        await group.primary.ask("REPLICAOF", "127.0.0.1", group.replicas[0].port)
        with pytest.raises(StoreUnavailable):
            await writing


@pytest.mark.parametrize(
    ("durability", "questions"),
    [(FAST, []), (REPLICATED, [b"WAIT"]), (STRICT, [b"WAITAOF"]), (STRICT_REPLICATED, [b"WAIT", b"WAITAOF"])],
    ids=["fast", "replicated", "strict", "strict-replicated"],
)
async def test_a_write_and_its_questions_are_one_round_trip_on_one_connection(
    tmp_path: Path, durability: Durability, questions: list[bytes]
) -> None:
    async with (
        replicated(tmp_path, 1, "--appendfsync", "always") as group,
        Wire(group.primary).laid() as wire,
        client_of(f"redis://127.0.0.1:{wire.port}/0") as client,
    ):
        store = RecordStore(RedisBackend(client, durability), kind="session")
        await store.commit(a_commit("s0"))  # with the script's text, which the server does not know yet
        await asyncio.gather(*(store.commit(a_commit(f"s{number}")) for number in range(1, 11)))
    trips = [said for said in wire.trips if b"$7\r\nEVALSHA" in said or b"WAIT" in said]
    assert len(trips) == 11 + bool(questions)
    for said in trips:
        assert re.findall(rb"\r\n(EVAL|EVALSHA|WAIT|WAITAOF)\r\n", said)[1:] == questions


@pytest.mark.parametrize(
    ("durability", "window"),
    [(FAST, True), (REPLICATED, False), (STRICT_REPLICATED, False)],
    ids=["fast", "replicated", "strict"],
)
async def test_of_acknowledged_commits_a_promoted_replica_lacks_some_where_no_replica_was_asked_and_else_none(
    tmp_path: Path, durability: Durability, window: bool
) -> None:
    async with partitionable(tmp_path) as (group, cable), client_of(group.url) as client:
        (replica,) = group.replicas
        writers = Writers(RecordStore(RedisBackend(client, durability), kind="session"))
        writing = asyncio.create_task(writers.write(16, 25))
        await writers.acknowledge(150)
        cable.cut()
        await writing
        group.primary.kill()
        await replica.ask("REPLICAOF", "NO", "ONE")
        lost = await writers.lost(replica.url)
        if window:
            assert len(writers.acknowledged) == 400
            assert len(lost) > 50
        else:
            assert lost == []
            assert len(writers.acknowledged) + len(writers.unconfirmed) == 400
            assert len(writers.unconfirmed) > 50


@needs_compiler
@pytest.mark.parametrize(
    ("durability", "appendfsync", "window"),
    [(FAST, "everysec", True), (STRICT, "always", False)],
    ids=["fast", "strict"],
)
async def test_of_acknowledged_commits_a_power_cut_takes_some_where_no_disk_was_asked_and_else_none(
    tmp_path: Path, durability: Durability, appendfsync: str, window: bool
) -> None:
    node = PoweredNode(tmp_path / "node", options=("--appendfsync", appendfsync), library=shim(tmp_path))
    with ended([node]):
        await node.start()
        async with client_of(node.url) as client:
            writers = Writers(RecordStore(RedisBackend(client, durability), kind="session"))
            writing = asyncio.create_task(writers.write(32, 10_000))
            await writers.acknowledge(100)
            await until(lambda: has_unsynced(node, 100_000 if window else 0))
            lost_bytes = node.cut_power()
            await writing
        assert writers.refused == 32
        await node.start()
        lost = await writers.lost(node.url)
        if window:
            assert len(lost) > 10
            assert lost_bytes > 100_000
        else:
            assert lost == []


async def has_unsynced(node: PoweredNode, at_least: int) -> bool:
    return node.written - node.synced >= at_least


@contextlib.asynccontextmanager
async def partitionable(directory: Path) -> AsyncIterator[tuple[Group, Cable]]:
    """A primary and a replica that have only the cable between them."""
    async with replicated(directory, 0, "--appendfsync", "always") as group:
        replica = Node(directory / "replica", options=group.primary.options)
        with ended([replica]):
            async with Cable(group.primary).laid() as cable:
                await replica.start()
                await replica.ask("REPLICAOF", "127.0.0.1", cable.port)
                await until(lambda: in_step(group.primary, [replica]))
                yield Group(url=group.url, nodes=[group.primary, replica]), cable
