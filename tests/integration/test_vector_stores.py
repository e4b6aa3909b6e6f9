"""One contract for every vector store, and what is particular to the embedded one and to the server's client."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from actors.vectors import Collection, Hit, MemoryVectorStore, Point, Query, VectorStore
from actors.vectors_edge import FLUSH_EVERY, OWNER_FILE, EdgeVectorStore
from actors.vectors_qdrant import QdrantVectorStore, connect
from state.errors import Broken, InvalidField, RecordUnreadable, WorkUnavailable

NOTES = Collection(name="notes--a--3", dimension=3, keywords=("tenant", "session_id"))
OLDER_NOTES = Collection(name="notes--b--2", dimension=2, keywords=("tenant", "session_id"))
OTHERS = Collection(name="others--a--3", dimension=3)


def point(number: int, vector: tuple[float, ...], **payload: str) -> Point:
    return Point(id=str(UUID(int=number)), vector=vector, payload=payload)


def ids(hits: list[Hit]) -> list[int]:
    return [UUID(hit.id).int for hit in hits]


@pytest.fixture(params=["memory", "edge", "qdrant-local"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    stores: dict[str, Callable[[], VectorStore]] = {
        "memory": MemoryVectorStore,
        "edge": lambda: EdgeVectorStore(tmp_path / "vectors"),
        "qdrant-local": lambda: QdrantVectorStore(AsyncQdrantClient(":memory:")),
    }
    made = stores[request.param]()
    yield made
    await made.aclose()


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
class TestContract:
    async def test_ensuring_twice_keeps_what_is_stored(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(1, (1, 0, 0))])
        await store.ensure(NOTES)
        assert await store.count(NOTES, {}) == 1

    async def test_a_collection_of_another_dimension_is_refused(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        with pytest.raises(Broken, match="2 dimensions, not 3"):
            await store.ensure(Collection(name=NOTES.name, dimension=2))

    async def test_a_vector_of_another_dimension_is_refused_and_nothing_is_stored(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        with pytest.raises(Broken):
            await store.upsert(NOTES, [point(1, (1, 0, 0)), point(2, (1, 0))])
        with pytest.raises(Broken):
            await store.search(NOTES, [Query(vector=(1, 0), limit=1)])
        assert await store.count(NOTES, {}) == 0

    async def test_a_vector_that_is_not_finite_is_refused(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        with pytest.raises(Broken):
            await store.upsert(NOTES, [point(1, (1, float("nan"), 0))])

    async def test_several_queries_in_one_call_are_answered_in_their_order(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(1, (1, 0, 0)), point(2, (0, 1, 0)), point(3, (0, 0.6, 0.8))])
        found = await store.search(
            NOTES, [Query(vector=np.array([0, 2, 0], dtype=np.float32), limit=2), Query(vector=(3, 0.1, 0), limit=1)]
        )
        assert [ids(hits) for hits in found] == [[2, 3], [1]]
        assert [hit.score for hit in found[0]] == pytest.approx([1.0, 0.6], abs=1e-3)

    async def test_no_queries_find_nothing(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        assert await store.search(NOTES, []) == []

    async def test_a_search_stays_within_what_its_query_matches(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        mine = [point(n, (1, n / 10, 0), tenant="a", session_id=f"s{n % 2}") for n in range(4)]
        await store.upsert(NOTES, [*mine, point(9, (1, 0, 0), tenant="b", session_id="s0")])
        found = await store.search(
            NOTES,
            [
                Query(vector=(1, 0, 0), limit=9, match={"tenant": "a", "session_id": "s0"}),
                Query(vector=(1, 0, 0), limit=9, match={"tenant": "b"}),
                Query(vector=(1, 0, 0), limit=9, match={"tenant": "A"}),
            ],
        )
        assert [ids(hits) for hits in found] == [[0, 2], [9], []]
        assert found[1][0].payload == {"tenant": "b", "session_id": "s0"}

    async def test_a_point_replaces_the_one_with_its_id(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(1, (1, 0, 0), text="old")])
        await store.upsert(NOTES, [point(1, (0, 1, 0), text="new")])
        (hits,) = await store.search(NOTES, [Query(vector=(0, 1, 0), limit=5)])
        assert [(hit.payload["text"], round(hit.score, 3)) for hit in hits] == [("new", 1.0)]

    async def test_a_zero_vector_is_near_to_nothing(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(1, (0, 0, 0))])
        (hits,) = await store.search(NOTES, [Query(vector=(1, 0, 0), limit=5)])
        assert [hit.score for hit in hits] == [0.0]

    async def test_deleting_takes_what_matches_and_nothing_else(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(n, (1, 0, 0), tenant="a", session_id=f"s{n % 2}") for n in range(6)])
        await store.delete(NOTES, {"tenant": "a", "session_id": "s1"})
        assert await store.count(NOTES, {}) == await store.count(NOTES, {"session_id": "s0"}) == 3
        await store.delete(NOTES, {"session_id": "s1"})
        assert await store.count(NOTES, {}) == 3

    async def test_deleting_reaches_the_collections_of_other_embedders_but_not_of_other_kinds(
        self, store: VectorStore
    ) -> None:
        for collection in (NOTES, OLDER_NOTES, OTHERS):
            await store.ensure(collection)
            await store.upsert(collection, [point(1, (1.0,) * collection.dimension, session_id="s1")])
        await store.delete(NOTES, {"session_id": "s1"})
        counted = [await store.count(collection, {}) for collection in (NOTES, OLDER_NOTES, OTHERS)]
        assert counted == [0, 0, 1]

    async def test_deleting_everything_by_an_empty_match_is_refused(self, store: VectorStore) -> None:
        await store.ensure(NOTES)
        with pytest.raises(InvalidField):
            await store.delete(NOTES, {})

    async def test_deleting_where_nothing_was_ever_stored_is_no_error(self, store: VectorStore) -> None:
        await store.delete(NOTES, {"session_id": "s1"})

    async def test_callers_at_once_do_not_disturb_each_other(self, store: VectorStore) -> None:
        await asyncio.gather(*(store.ensure(NOTES) for _ in range(3)))
        await asyncio.gather(*(store.upsert(NOTES, [point(n, (1, n, 0))]) for n in range(20)))
        assert await store.count(NOTES, {}) == 20


def test_a_name_that_could_leave_its_folder_is_refused() -> None:
    for name in ("", "../notes", "a/b", ".hidden"):
        with pytest.raises(InvalidField):
            Collection(name=name, dimension=3)


def test_a_collection_is_named_after_its_embedder_and_dimension() -> None:
    class Embedder:
        name = "vendor/model:1"
        dimension = 8

        def embed(self, texts: object) -> np.ndarray:
            raise NotImplementedError

    name = Collection.of("notes", Embedder()).name
    assert name.startswith("notes--vendor-model-1-")
    assert name.endswith("--8")
    Embedder.name = "vendor-model-1"
    assert Collection.of("notes", Embedder()).name == "notes--vendor-model-1--8"


def test_every_message_pickles() -> None:
    vector = np.array([1, 2, 3], dtype=np.float32)
    sent = (NOTES, Point(id=str(UUID(int=1)), vector=vector, payload={"a": "b"}), Query(vector=vector, limit=2))
    collection, stored, query = pickle.loads(pickle.dumps(sent))
    assert collection == NOTES
    assert stored.payload == {"a": "b"}
    assert np.array_equal(query.vector, vector)
    assert query.match == {}


class TestEdge:
    async def test_points_acknowledged_before_a_kill_are_there_after_it(self, tmp_path: Path) -> None:
        """The child prints a number once its point is acknowledged; it is killed at work."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        acknowledged = 0
        async for line in child.stdout:
            acknowledged = int(line)
            if acknowledged == 60:
                child.kill()
        assert await child.wait() == -signal.SIGKILL
        assert acknowledged >= 60
        store = EdgeVectorStore(tmp_path)
        found = await store.search(NOTES, [Query(vector=(1, 0, 0), limit=10_000)])
        assert set(range(1, acknowledged + 1)) <= set(ids(found[0]))
        assert await store.count(NOTES, {"session_id": "erased"}) == 0
        await store.aclose()

    async def test_the_log_alone_brings_back_what_was_acknowledged_since_the_last_flush(self, tmp_path: Path) -> None:
        """The worst that a power cut leaves: the synced log, and of the rest what the last flush wrote."""
        store = EdgeVectorStore(tmp_path / "vectors")
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(n, (1, n, 0), session_id="s1") for n in range(10)])
        await store.aclose()
        shutil.copytree(tmp_path / "vectors", tmp_path / "after")
        await store.upsert(NOTES, [point(n, (1, n, 0), session_id="s2") for n in range(10, 300)])
        await store.delete(NOTES, {"session_id": "s1"})
        log = tmp_path / "after" / NOTES.name / "wal"
        shutil.rmtree(log)
        shutil.copytree(tmp_path / "vectors" / NOTES.name / "wal", log)
        restored = EdgeVectorStore(tmp_path / "after")
        assert await restored.count(NOTES, {"session_id": "s1"}) == 0
        assert await restored.count(NOTES, {"session_id": "s2"}) == 290
        await restored.aclose()
        await store.aclose()

    async def test_many_writes_are_flushed_now_and_then(self, tmp_path: Path) -> None:
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        for n in range(FLUSH_EVERY):
            await store.upsert(NOTES, [point(n % 7, (1, n, 0))])
        assert store._opened[NOTES.name].unflushed < FLUSH_EVERY
        assert await store.count(NOTES, {}) == 7
        await store.aclose()

    async def test_a_second_process_is_told_who_owns_the_store(self, tmp_path: Path) -> None:
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        asked = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SECOND, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await asked.communicate()
        assert told.decode().strip() == f"WorkUnavailable: Process {os.getpid()} owns the vector store in {tmp_path}."
        await store.aclose()

    async def test_a_closed_store_leaves_its_folder_to_the_next_one(self, tmp_path: Path) -> None:
        first, second = EdgeVectorStore(tmp_path), EdgeVectorStore(tmp_path)
        await first.ensure(NOTES)
        await first.upsert(NOTES, [point(1, (1, 0, 0))])
        with pytest.raises(WorkUnavailable):
            await second.count(NOTES, {})
        await first.aclose()
        assert await second.count(NOTES, {}) == 1
        with pytest.raises(WorkUnavailable):
            await first.count(NOTES, {})
        await second.aclose()

    def test_the_constructor_touches_nothing(self, tmp_path: Path) -> None:
        EdgeVectorStore(tmp_path / "vectors")
        assert list(tmp_path.iterdir()) == []

    async def test_a_collection_that_was_never_ensured_is_unavailable(self, tmp_path: Path) -> None:
        store = EdgeVectorStore(tmp_path)
        with pytest.raises(WorkUnavailable, match="not there yet"):
            await store.search(NOTES, [Query(vector=(1, 0, 0), limit=1)])
        await store.aclose()

    async def test_a_creation_that_was_killed_half_way_is_made_again(self, tmp_path: Path) -> None:
        draft = tmp_path / f".{NOTES.name}.draft"
        draft.mkdir()
        (draft / "edge_config.json").write_text("{")
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        await store.delete(NOTES, {"session_id": "s1"})
        assert await store.count(NOTES, {}) == 0
        assert sorted(os.listdir(tmp_path)) == [NOTES.name, OWNER_FILE]
        await store.aclose()

    @pytest.mark.parametrize(
        "broken", ["edge_config.json", "wal/open-1", "segments/*/segment.json", "segments/*/version.info"]
    )
    async def test_a_corrupt_folder_is_named_with_the_way_out_and_kept(self, tmp_path: Path, broken: str) -> None:
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        await store.upsert(NOTES, [point(1, (1, 0, 0))])
        await store.aclose()
        folder = tmp_path / NOTES.name
        (file,) = folder.glob(broken)
        file.write_bytes(b"\xff" * 4096)
        (vectors,) = folder.glob("segments/*/vector_storage/vectors/chunk_0.mmap")
        stored = vectors.read_bytes()
        for use in (store.ensure(NOTES), store.count(NOTES, {}), store.delete(NOTES, {"session_id": "s1"})):
            with pytest.raises(RecordUnreadable) as caught:
                await use
            assert str(folder) in str(caught.value)
            assert "move it away" in str(caught.value)
        await store.aclose()
        assert file.read_bytes() == b"\xff" * 4096
        assert vectors.read_bytes() == stored

    async def test_a_panic_of_the_engine_is_a_corrupt_folder_too(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        await store.aclose()
        (file,) = (tmp_path / NOTES.name).glob("segments/*/vector_storage/vectors/status.dat")
        file.write_bytes(b"")
        with pytest.raises(RecordUnreadable):
            await store.count(NOTES, {})
        await store.aclose()
        assert "panicked" in capfd.readouterr().err

    async def test_a_folder_that_cannot_be_made_is_an_operators_matter(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        store = EdgeVectorStore(tmp_path / "file" / "vectors")
        with pytest.raises(Broken, match="cannot be opened"):
            await store.ensure(NOTES)

    async def test_the_event_loop_turns_while_the_engine_works(self, tmp_path: Path) -> None:
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        writing = asyncio.create_task(store.upsert(NOTES, [point(n, (1, n, 0)) for n in range(5_000)]))
        turns = 0
        while not writing.done():
            turns += 1
            await asyncio.sleep(0)
        await writing
        assert turns > 20
        await store.aclose()

    async def test_a_cancelled_caller_leaves_the_store_usable(self, tmp_path: Path) -> None:
        store = EdgeVectorStore(tmp_path)
        await store.ensure(NOTES)
        writing = asyncio.create_task(store.upsert(NOTES, [point(n, (1, n, 0)) for n in range(5_000)]))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await store.count(NOTES, {}) in (0, 5_000)
        await store.aclose()


WRITER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from actors.vectors import Collection, Point
from actors.vectors_edge import EdgeVectorStore

async def main():
    store = EdgeVectorStore(Path(sys.argv[1]))
    notes = Collection(name="notes--a--3", dimension=3, keywords=("tenant", "session_id"))
    await store.ensure(notes)
    erased = [Point(id=str(UUID(int=10**6)), vector=(1, 0, 0), payload={"session_id": "erased"})]
    await store.upsert(notes, erased)
    await store.delete(notes, {"session_id": "erased"})
    for n in range(1, 100_000):
        await store.upsert(notes, [Point(id=str(UUID(int=n)), vector=(1, n, 0), payload={"tenant": "t"})])
        print(n, flush=True)

asyncio.run(main())
"""

SECOND = """
import asyncio, sys
from pathlib import Path
from actors.vectors import Collection
from actors.vectors_edge import EdgeVectorStore
from state.errors import WorkUnavailable

try:
    asyncio.run(EdgeVectorStore(Path(sys.argv[1])).ensure(Collection(name="notes--a--3", dimension=3)))
except WorkUnavailable as error:
    print(f"WorkUnavailable: {error}")
"""


@dataclass
class StubServer:
    """Answers each request by its method and path with a status and a body, and keeps what came."""

    url: str = ""
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    came: list[tuple[str, object]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.headers.append(head.lower())
        method, target, _ = head.split(" ", 2)
        lengths = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
        body = await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b"null"
        self.came.append((f"{method} {target}", json.loads(body)))
        status, result = self.answers.get(f"{method} {target.partition('?')[0]}", (500, None))
        answer = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(answer)}\r\nconnection: close\r\n\r\n".encode()
        )
        writer.write(answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"http://{host}:{port}"


class TestQdrantOnTheWire:
    done = (200, {"operation_id": 1, "status": "completed"})

    async def test_a_search_is_one_batch_with_exact_filters(self) -> None:
        hit = {"id": str(UUID(int=7)), "version": 1, "score": 0.5, "payload": {"tenant": "a"}}
        stub = StubServer(
            answers={f"POST /collections/{NOTES.name}/points/query/batch": (200, [{"points": [hit]}] * 2)}
        )
        async with listening(stub.serve) as url:
            store = connect(url)
            query = Query(vector=(1, 0, 0), limit=2, match={"tenant": "a"})
            found = await store.search(NOTES, [query, query])
            await store.aclose()
        assert found == [[Hit(id=str(UUID(int=7)), score=0.5, payload={"tenant": "a"})]] * 2
        ((_, body),) = stub.came
        sent = {
            "query": {"nearest": [1.0, 0.0, 0.0]},
            "limit": 2,
            "filter": {"must": [{"key": "tenant", "match": {"value": "a"}}]},
            "with_payload": True,
        }
        assert body == {"searches": [sent, sent]}

    async def test_an_upsert_waits_for_its_points(self) -> None:
        path = f"PUT /collections/{NOTES.name}/points"
        stub = StubServer(answers={path: self.done})
        async with listening(stub.serve) as url:
            store = connect(url)
            await store.upsert(NOTES, [point(7, (1, 0, 0), tenant="a")])
            await store.aclose()
        sent = {"id": str(UUID(int=7)), "vector": [1.0, 0.0, 0.0], "payload": {"tenant": "a"}}
        assert stub.came == [(f"{path}?wait=true", {"points": [sent]})]

    async def test_a_deletion_goes_to_every_collection_of_the_kind_and_waits(self) -> None:
        names = [{"name": collection.name} for collection in (NOTES, OLDER_NOTES, OTHERS)]
        paths = [f"POST /collections/{collection.name}/points/delete" for collection in (NOTES, OLDER_NOTES)]
        stub = StubServer(
            answers={"GET /collections": (200, {"collections": names}), **dict.fromkeys(paths, self.done)}
        )
        async with listening(stub.serve) as url:
            store = connect(url)
            await store.delete(NOTES, {"session_id": "s1"})
            await store.aclose()
        sent = {"filter": {"must": [{"key": "session_id", "match": {"value": "s1"}}]}}
        assert stub.came[1:] == [(f"{path}?wait=true", sent) for path in paths]

    @pytest.mark.parametrize(
        ("status", "kind"), [(404, WorkUnavailable), (503, WorkUnavailable), (429, WorkUnavailable), (401, Broken)]
    )
    async def test_a_refusal_says_its_status_and_nothing_of_the_request(
        self, status: int, kind: type[Exception]
    ) -> None:
        stub = StubServer(answers={f"PUT /collections/{NOTES.name}/points": (status, "private words")})
        async with listening(stub.serve) as url:
            store = connect(url)
            with pytest.raises(kind, match=str(status)) as caught:
                await store.upsert(NOTES, [point(7, (1, 0, 0), text="private words")])
            await store.aclose()
        assert "private" not in str(caught.value)
        assert caught.value.__cause__ is None

    async def test_another_replicas_creation_in_between_is_as_good(self) -> None:
        path = f"/collections/{OTHERS.name}"
        information = {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": {},
            "config": {
                "params": {"vectors": {"size": 3, "distance": "Cosine"}},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
            },
        }
        stub = StubServer(
            answers={
                f"GET {path}/exists": (200, {"exists": False}),
                f"PUT {path}": (409, None),
                f"GET {path}": (200, information),
            }
        )
        async with listening(stub.serve) as url:
            store = connect(url)
            await store.ensure(OTHERS)
            await store.aclose()
        assert ("PUT " + path, {"vectors": {"size": 3, "distance": "Cosine"}}) in stub.came

    @pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
    async def test_the_api_key_is_sent_as_a_header(self) -> None:
        stub = StubServer(answers={f"POST /collections/{NOTES.name}/points/count": (200, {"count": 3})})
        async with listening(stub.serve) as url:
            store = connect(url, "key-1")
            assert await store.count(NOTES, {}) == 3
            await store.aclose()
        assert "api-key: key-1" in stub.headers[0]

    async def test_a_closed_port_is_unavailable(self) -> None:
        async with listening(StubServer().serve) as url:
            pass
        store = connect(url)
        with pytest.raises(WorkUnavailable, match="ConnectError"):
            await store.count(NOTES, {})
        await store.aclose()

    async def test_a_stalling_peer_is_unavailable_after_the_deadline(self) -> None:
        ended = asyncio.Event()

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await ended.wait()
            writer.close()

        async with listening(stall) as url:
            store = connect(url, deadline_s=0.2)
            with pytest.raises(WorkUnavailable, match=r"within 0\.2 s"):
                await store.count(NOTES, {})
            await store.aclose()
            ended.set()
