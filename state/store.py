"""Where records are kept: Redis, one Lua script a commit.

A record is three keys under one hash tag: its state with epoch and version, the outcomes by
idempotency key, and its log, which is also the outbox. The script checks the epoch (is this writer
still the owner?) and the version (is this write based on the last one?) and writes all of it or
nothing, so that a writer that was replaced without knowing can do no harm. Under a fourth key stand the
calls that were made for a session (`state.ledger`): they live as long as the record and are erased with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from state.errors import Broken, Fenced, StoreUnavailable

PARTS = ("record", "outcomes", "log", "calls")
_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ClusterDownError,
    ReadOnlyError,
    TryAgainError,
    OSError,
)
_REFUSALS = {
    "exists": "The record exists already.",
    "gone": "The record is gone.",
    "fenced": "Another owner has claimed the record.",
    "stale": "The record has moved on.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A record as it was read. `outcomes` are by idempotency key."""

    epoch: int
    version: int
    state: bytes
    documents: bytes
    outcomes: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One step. `version` is the one the step is based on; 0 makes a new record, whose `tenant` and
    `documents` are kept as they are. `forget` names keys whose outcomes are of no use any more."""

    record_id: str
    tenant: str
    epoch: int
    version: int
    state: bytes
    ttl_ms: int
    entry: bytes = b""
    documents: bytes = b""
    key: str = ""
    outcome: bytes = b""
    forget: tuple[str, ...] = ()


class RecordStore:
    """Records of one kind; those of another kind are never found, whatever their ids.

    All methods raise `StoreUnavailable` where Redis does not answer in time.
    """

    def __init__(self, redis: Redis, *, kind: str) -> None:
        self._redis = redis
        self._kind = kind
        self._claim = redis.register_script(script("claim.lua"))
        self._commit = redis.register_script(script("commit.lua"))
        self._erase = redis.register_script(script("erase.lua"))

    async def claim(self, record_id: str, tenant: str, owner: str) -> Stored | None:
        """Become the record's owner under a new epoch. None, and no change, if the tenant has no such record."""
        async with translated():
            row = await self._claim(keys=self._keys(record_id)[:2], args=[tenant, owner])
        if row is None:
            return None
        epoch, version, state, documents, outcomes = row
        pairs = zip(outcomes[::2], outcomes[1::2], strict=True)
        return Stored(
            epoch=int(epoch),
            version=int(version),
            state=state,
            documents=documents,
            outcomes={key.decode(): outcome for key, outcome in pairs},
        )

    async def read(self, record_id: str) -> Stored | None:
        """The record without its outcomes, and without taking it over."""
        async with translated():
            fields = ["epoch", "version", "state", "documents"]
            row = cast("list[Any]", await self._redis.hmget(self._keys(record_id)[0], fields))
        if row[0] is None:
            return None
        return Stored(epoch=int(row[0]), version=int(row[1]), state=row[2], documents=row[3])

    async def commit(self, commit: Commit) -> None:
        """Write one step. Raises `Fenced`, with nothing written, if the record is not as assumed."""
        async with translated():
            verdict = await self._commit(
                keys=self._keys(commit.record_id),
                args=[
                    commit.epoch,
                    commit.version,
                    commit.version + 1,
                    commit.ttl_ms,
                    commit.tenant,
                    commit.documents,
                    commit.state,
                    commit.entry,
                    commit.key,
                    commit.outcome,
                    *commit.forget,
                ],
            )
        _require_ok(verdict)

    async def erase(self, record_id: str, epoch: int) -> None:
        """Delete the record with all its parts. Raises `Fenced` if it is not this owner's."""
        async with translated():
            verdict = await self._erase(keys=self._keys(record_id), args=[epoch])
        _require_ok(verdict)

    async def entries(self, record_id: str, *, after: int, limit: int = 1000) -> list[bytes]:
        """The log's entries with a version above `after`, oldest first."""
        async with translated():
            rows: Any = await self._redis.xrange(self._keys(record_id)[2], min=f"({after}-0", count=limit)
        return [fields[b"entry"] for _, fields in rows]

    async def ping(self) -> None:
        async with translated():
            await self._redis.ping()

    async def aclose(self) -> None:
        await self._redis.aclose()

    def _keys(self, record_id: str) -> list[str]:
        return [part_key(self._kind, record_id, part) for part in PARTS]


def connect(url: str, *, max_connections: int = 50, timeout_s: float = 5.0) -> Redis:
    """A client whose callers queue for a connection instead of failing when all are in use."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
    )
    return Redis(connection_pool=pool)


def script(name: str) -> str:
    """The text of one of this package's Lua scripts."""
    return (files("state") / name).read_text(encoding="utf-8")


def part_key(kind: str, record_id: str, part: str) -> str:
    """The Redis key of one part of a record; all parts of a record share a hash slot."""
    return f"askwell:{{{kind}:{record_id}}}:{part}"


def _require_ok(verdict: bytes) -> None:
    word = verdict.decode()
    if word != "ok":
        raise Fenced(_REFUSALS[word], reason=word)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Redis's errors as Askwell's. The text of a Redis error can hold arguments, so it is left out."""
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailable(cause=type(error).__name__) from None
    except RedisError as error:
        raise Broken(f"Redis refused a command ({type(error).__name__}).") from None
