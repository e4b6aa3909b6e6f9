"""The embedded vector store: Qdrant's engine in this process, a folder per collection.

One process owns a store. A write is acknowledged once the engine's write-ahead log holds it and the
log is synced to the disk: it survives a kill, and needs nothing but the log after a power cut. The
engine's own `flush` is left for every `FLUSH_EVERY` writes, to keep the replay at the next opening
short: it costs six to twelve times as much as the sync, and keeps the interpreter to itself for that
long. Figures are in decision 0003.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import qdrant_edge as edge

from actors.vectors import (
    Collection,
    Hit,
    Payload,
    Point,
    Query,
    fitting,
    something_to_match,
    wrong_dimension,
)
from state.errors import AskwellError, Broken, RecordUnreadable, WorkUnavailable

OWNER_FILE = "owner.lock"
FLUSH_EVERY = 1000
POINTS_PER_CALL = 100
"""The engine holds the interpreter lock during a call, so that no call may be long."""

T = TypeVar("T")


class EdgeVectorStore:
    """Implements `actors.vectors.VectorStore` in the folder `path`, which is opened at the first call.

    Calls run one after another in a thread of their own: the event loop does not wait for the disk,
    nor for more than one engine call at a time, and a caller that is cancelled leaves no call half
    done. Raises `WorkUnavailable` naming the process that owns the folder, and `RecordUnreadable`
    naming a collection's folder that cannot be opened. After `aclose` the next call opens the folder
    again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="edge-vectors")
        self._opened: dict[str, _Opened] = {}
        self._lock: int | None = None

    async def ensure(self, collection: Collection) -> None:
        await self._run(self._ensure, collection)

    async def upsert(self, collection: Collection, points: Sequence[Point]) -> None:
        if points:
            await self._run(self._upsert, collection, points)

    async def search(self, collection: Collection, queries: Sequence[Query]) -> list[list[Hit]]:
        return await self._run(self._search, collection, queries) if queries else []

    async def delete(self, collection: Collection, match: Payload) -> None:
        something_to_match(match)
        await self._run(self._delete, collection, match)

    async def count(self, collection: Collection, match: Payload) -> int:
        return await self._run(self._count, collection, match)

    async def aclose(self) -> None:
        await self._run(self._close)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._lane, partial(work, *arguments))

    def _ensure(self, collection: Collection) -> None:
        self._own()
        folder = self._path / collection.name
        if not folder.exists():
            _create(folder, collection)
        opened = self._opening(collection)
        with _Engine(WorkUnavailable(f"The collection in {folder} cannot be indexed now.")):
            missing = set(collection.keywords) - set(opened.shard.info().payload_schema)
        keyword = edge.PayloadSchemaType.Keyword
        for name in sorted(missing):
            opened.write(edge.UpdateOperation.create_field_index(name, keyword))
        opened.sync()

    def _upsert(self, collection: Collection, points: Sequence[Point]) -> None:
        rows = fitting(collection, (point.vector for point in points))
        opened = self._opening(collection)
        stored = [
            edge.Point(point.id, row.tolist(), dict(point.payload)) for point, row in zip(points, rows, strict=True)
        ]
        for start in range(0, len(stored), POINTS_PER_CALL):
            opened.write(edge.UpdateOperation.upsert_points(stored[start : start + POINTS_PER_CALL]))
        opened.sync()

    def _search(self, collection: Collection, queries: Sequence[Query]) -> list[list[Hit]]:
        rows = fitting(collection, (query.vector for query in queries))
        shard = self._opening(collection).shard
        requests = [
            edge.QueryRequest(
                limit=query.limit,
                query=edge.Query.Nearest(row.tolist()),
                filter=_filter(query.match),
                with_payload=True,
            )
            for query, row in zip(queries, rows, strict=True)
        ]
        with _Engine(WorkUnavailable(f"The vector store in {self._path} cannot be searched now.")):
            found = shard.query_batch(edge.QueryBatchRequest(requests))
        return [[_hit(point) for point in points] for points in found]

    def _delete(self, collection: Collection, match: Payload) -> None:
        self._own()
        folders = [folder.name for folder in self._path.iterdir() if folder.is_dir()]
        for name in collection.siblings(folders):
            opened = self._open(name)
            opened.write(edge.UpdateOperation.delete_points_by_filter(_filter(match)))
            opened.sync()

    def _count(self, collection: Collection, match: Payload) -> int:
        shard = self._opening(collection).shard
        with _Engine(WorkUnavailable(f"The vector store in {self._path} cannot be read now.")):
            return shard.count(edge.CountRequest(exact=True, filter=_filter(match)))

    def _opening(self, collection: Collection) -> _Opened:
        opened = self._open(collection.name)
        if opened.dimension != collection.dimension:
            raise wrong_dimension(collection, opened.dimension)
        return opened

    def _open(self, name: str) -> _Opened:
        if name not in self._opened:
            self._own()
            if not (self._path / name).exists():
                raise WorkUnavailable(f"The collection {name} is not there yet.")
            self._opened[name] = _load(self._path / name)
        return self._opened[name]

    def _own(self) -> None:
        if self._lock is None:
            self._lock = _lock(self._path)

    def _close(self) -> None:
        try:
            while self._opened:
                _, opened = self._opened.popitem()
                opened.flush()
                opened.shard.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None


@dataclass(slots=True, kw_only=True)
class _Opened:
    """A collection in use. What `write` was given is acknowledged once `sync` has returned."""

    folder: Path
    shard: edge.EdgeShard
    dimension: int
    unflushed: int = 0

    def write(self, operation: edge.UpdateOperation) -> None:
        with _Engine(WorkUnavailable(f"The collection in {self.folder} cannot be written now.")):
            self.shard.update(operation)

    def sync(self) -> None:
        """Raises `Broken` where the engine has no log, for then nothing would be durable."""
        log = self.folder / "wal"
        try:
            files = list(log.iterdir())
            for path in (*files, log):
                _fsync(path)
        except OSError as error:
            raise WorkUnavailable(f"The log in {log} cannot be synced: {error.strerror}.") from error
        if not files:
            raise Broken(f"The engine keeps no log in {log}.")
        self.unflushed += 1
        if self.unflushed >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        with _Engine(WorkUnavailable(f"The collection in {self.folder} cannot be flushed now.")):
            self.shard.flush()
        self.unflushed = 0


class _Engine:
    """Raises `instead` for what the engine raises: a bare `Exception`, or a panic, a `BaseException`.

    Anything else, a subclass of `Exception`, is a fault of the caller and passes.
    """

    def __init__(self, instead: AskwellError) -> None:
        self._instead = instead

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is Exception or (kind is not None and kind.__name__ == "PanicException"):
            raise self._instead from error


def _lock(path: Path) -> int:
    """Take the folder for this process until the descriptor closes, at the latest with the process."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path / OWNER_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Broken(f"The vector store's folder {path} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise WorkUnavailable(f"Process {owner} owns the vector store in {path}.") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
    return lock


def _create(folder: Path, collection: Collection) -> None:
    """Make the collection aside and move it in place: a kill half-way leaves no half collection."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    with _Engine(WorkUnavailable(f"The collection {folder} cannot be created now.")):
        shard = edge.EdgeShard.create(str(draft), _config(collection.dimension))
        shard.flush()
        shard.close()
    draft.rename(folder)
    _fsync(folder.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(folder: Path) -> _Opened:
    """Raises `RecordUnreadable`, with the way out, where the engine cannot read the folder."""
    unreadable = RecordUnreadable(
        f"The vector collection in {folder} is corrupt. Restore the folder from a backup, or move it away:"
        " the catalogue is then indexed again, experiences start anew.",
        folder=str(folder),
    )
    try:
        config = json.loads((folder / "edge_config.json").read_text())
        dimension = int(config["vectors"][""]["size"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise unreadable from error
    with _Engine(unreadable):
        return _Opened(folder=folder, shard=edge.EdgeShard.load(str(folder), _config(dimension)), dimension=dimension)


def _config(dimension: int) -> edge.EdgeConfig:
    """One thread searches: eight, which is the engine's choice, take seven times the CPU time to wake for a search of
    a tenth of a millisecond, and are no quicker at 20,000 points."""
    size = edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)
    return edge.EdgeConfig(vectors=size, max_search_threads=1)


def _filter(match: Payload) -> edge.Filter:
    return edge.Filter(
        must=[edge.FieldCondition(key=name, match=edge.MatchValue(value)) for name, value in match.items()]
    )


def _hit(point: edge.ScoredPoint) -> Hit:
    return Hit(id=str(point.id), score=point.score, payload=point.payload or {})
