"""Redis as Askwell uses it: this package's Lua scripts, each run whole on the keys of one hash slot.

Records, leases and the sweep's index are kept through this port alone, so that a simulation can stand in
Redis's place and run the very same scripts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Protocol, cast

from opentelemetry.trace import Span, SpanKind
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from state.address import Topology, parse
from state.durability import FAST, Durability
from state.errors import Broken, StoreUnavailable, Unconfirmed
from state.topologies import Cluster, behind_sentinels, together
from state.tracing import span

Argument = str | bytes | int
Script = tuple[str, Sequence[str], Sequence[Argument]]
"""Its file's name, keys and arguments."""
_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    RedisClusterException,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    ReadOnlyError,
    TryAgainError,
    OSError,
)


class Backend(Protocol):
    """Runs a script by its file's name in this package. The keys of one call share a hash slot.

    All methods raise `StoreUnavailable` where no answer came: whether the script ran is unknown then.
    """

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """The script's reply, once what it wrote is as durable as was asked for."""
        ...

    async def read(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """The reply of a script that writes nothing, or nothing that has to last."""
        ...

    async def ping(self) -> None: ...

    async def aclose(self) -> None: ...


class RedisBackend:
    """Implements `Backend` over a client that `connect` made, whatever stands behind it.

    Where more than the primary's memory is asked for, a script that changed nothing is answered too only when what
    it has seen is as durable: a repeated request may be told of what an earlier one wrote. Raises `Unconfirmed`, a
    `StoreUnavailable`, where too few copies are confirmed in time.
    """

    def __init__(self, redis: Redis, durability: Durability = FAST) -> None:
        self._redis = redis
        self._durability = durability

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        if not self._durability.questions:
            return await self.read(script, keys, args)
        with _traced(script):
            return await self._written(script, keys, args)

    async def _written(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        text, sha = _script(script)
        # WAIT asks for what its own connection wrote last: the mark makes that later than all the script has seen
        after: list[Sequence[Any]] = [("SET", _mark(keys[0]), "", "PX", 1), *self._durability.questions]
        async with self._translated():
            replies = await together(self._redis, keys[0], [("EVALSHA", sha, len(keys), *keys, *args), *after])
            if isinstance(replies[0], NoScriptError):
                replies = await together(self._redis, keys[0], [("EVAL", text, len(keys), *keys, *args), *after])
            if isinstance(replies[0], Exception):
                raise replies[0]
        reply, marked, *answers = replies
        if isinstance(marked, Exception):
            raise Unconfirmed(cause=type(marked).__name__)
        self._durability.require(answers[-1])
        return reply

    async def read(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        text, sha = _script(script)
        with _traced(script):
            async with self._translated():
                try:
                    return await self._redis.evalsha(sha, len(keys), *keys, *args)
                except NoScriptError:
                    return await self._redis.eval(text, len(keys), *keys, *args)

    async def read_all(self, scripts: Sequence[Script]) -> list[Any]:
        """As `read` for each of them, on any keys, in this order: in one round trip where one server has them all."""
        if isinstance(self._redis, Cluster):
            return [await self.read(*script) for script in scripts]
        with _traced(" ".join(name for name, _, _ in scripts)):
            async with self._translated():
                named = [("EVALSHA", _script(name)[1], len(keys), *keys, *args) for name, keys, args in scripts]
                replies = await together(self._redis, "", named)
                for place, (name, keys, args) in enumerate(scripts):
                    if isinstance(replies[place], NoScriptError):
                        replies[place] = await self._redis.eval(_script(name)[0], len(keys), *keys, *args)
                    elif isinstance(replies[place], Exception):
                        raise replies[place]
                return replies

    async def ping(self) -> None:
        async with self._translated():
            await self._redis.ping()

    async def aclose(self) -> None:
        await self._redis.aclose()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """As `translated`. A server that has closed one connection has closed those that lie idle too: each of them
        would cost another caller an error."""
        try:
            async with translated():
                yield
        except StoreUnavailable:
            pool = getattr(self._redis, "connection_pool", None)
            if pool is not None:
                await pool.disconnect(inuse_connections=False)
            raise


def connect(url: str, *, max_connections: int = 50, timeout_s: float = 5.0) -> Redis:
    """A client whose callers queue for a connection instead of failing when all are in use.

    `url` has one of the forms of `state.address`; raises `ValueError` for any other. The client of a cluster is typed
    as a server's: it has every method of that which is used on one key, or on the keys of one hash slot. Whoever closes
    it closes its connections.
    """
    address = parse(url)
    match address.topology:
        case Topology.SENTINEL:
            return behind_sentinels(address, max_connections=max_connections, timeout_s=timeout_s)
        case Topology.CLUSTER:
            return cast("Redis", Cluster(address, max_connections=max_connections, timeout_s=timeout_s))
        case Topology.SERVER:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=max_connections,
                timeout=timeout_s,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
            )
            return Redis.from_pool(pool)


def _traced(script: str) -> AbstractContextManager[Span]:
    attributes = {"db.system.name": "redis", "db.operation.name": "EVALSHA", "db.stored_procedure.name": script}
    return span(script, SpanKind.CLIENT, attributes)


@cache
def _script(name: str) -> tuple[str, str]:
    """A script's text, and the hash by which the server knows it."""
    text = script_text(name)
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def _mark(key: str) -> str:
    """A key in the slot of this one."""
    tag, brace, _ = key.partition("}")
    return f"{tag}{brace}:mark" if brace else f"{{{key}}}:mark"


def script_text(name: str) -> str:
    """The text of one of this package's Lua scripts."""
    return (files("state") / "scripts" / name).read_text(encoding="utf-8")


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Redis's errors as Askwell's. The text of a Redis error can hold arguments, so it is left out."""
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailable(cause=type(error).__name__) from None
    except RedisError as error:
        raise Broken(f"Redis refused a command ({type(error).__name__}).") from None
