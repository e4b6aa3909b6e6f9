"""Whether the Redis of the settings can give a write the copies that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from state.backend import translated
from state.durability import Durability, Mode
from state.topologies import Cluster

WAITAOF_SINCE = (7, 2)


async def shortcoming(redis: Redis, durability: Durability) -> tuple[str, str] | None:
    """What is missing, and what to do about it; None where nothing is. Raises `StoreUnavailable`.

    Of a cluster every primary is looked at. What replicas keep on their own disks cannot be seen from here.
    """
    if durability.mode is Mode.FAST:
        return None
    async with translated():
        for server in await _primaries(redis):
            found = _too_few_replicas(server, durability)
            if found is None and durability.mode is Mode.STRICT:
                found = _no_disk(server)
            if found is not None:
                return found
    return None


async def _primaries(redis: Redis) -> list[Mapping[str, Any]]:
    """What each primary tells of itself."""
    if not isinstance(redis, Cluster):
        return [{**await redis.info(), **await _appendfsync(redis)}]
    await redis.initialize()
    return [
        {**await redis.info(target_nodes=node), **await _appendfsync(redis, target_nodes=node)}
        for node in redis.get_primaries()
    ]


async def _appendfsync(redis: Redis | Cluster, **where: Any) -> Mapping[str, Any]:
    """Nothing where the server keeps its configuration to itself, as hosted ones do."""
    try:
        return cast("Mapping[str, Any]", await redis.config_get("appendfsync", **where))
    except ResponseError:
        return {}


def _too_few_replicas(server: Mapping[str, Any], durability: Durability) -> tuple[str, str] | None:
    told = (value for name, value in server.items() if name.startswith("slave") and isinstance(value, Mapping))
    online = sum(replica.get("state") == "online" for replica in told)
    if online >= durability.replicas:
        return None
    detail = f"{online} of {durability.replicas} replicas are connected: no write is confirmed"
    return detail, "start the server's replicas, or lower ASKWELL_REPLICAS"


def _no_disk(server: Mapping[str, Any]) -> tuple[str, str] | None:
    version = tuple(int(part) for part in str(server["redis_version"]).split(".")[:2])
    if version < WAITAOF_SINCE:
        detail = f"the server speaks Redis {server['redis_version']}, which has no WAITAOF: no write is confirmed"
        return detail, "run Redis 7.2 or Valkey 7.2 at least, or set ASKWELL_DURABILITY to fast or replicated"
    if not server["aof_enabled"]:
        detail = "the server keeps no append-only file: no write is confirmed"
        return detail, "set 'appendonly yes' and 'appendfsync always' on the server and its replicas"
    if server.get("appendfsync", "always") != "always":
        detail = f"the server has 'appendfsync {server['appendfsync']}' and may confirm what its disk has not"
        return detail, "set 'appendfsync always' on the server and its replicas"
    return None
