"""Redis as Askwell uses it: this package's Lua scripts, each run whole on the keys of one hash slot.

Records, leases and the sweep's index are kept through this port alone, so that a simulation can stand in
Redis's place and run the very same scripts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Protocol

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

from state.errors import Broken, StoreUnavailable

Argument = str | bytes | int
_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ClusterDownError,
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
    """Implements `Backend` over a Redis or Valkey server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts: dict[str, Any] = {}

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        return await self._run(script, keys, args)

    async def read(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        return await self._run(script, keys, args)

    async def ping(self) -> None:
        async with translated():
            await self._redis.ping()

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        registered = self._scripts.get(script)
        if registered is None:
            registered = self._scripts[script] = self._redis.register_script(script_text(script))
        async with translated():
            return await registered(keys=list(keys), args=list(args))


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
