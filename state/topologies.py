"""Clients for a Redis that is more than one server: behind Sentinels, or a cluster.

Neither sends a command twice by itself where it was cut off: whether to ask again is its caller's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from state.address import Address

Command = Sequence[Any]
SENTINEL_TIMEOUT_S = 1.0
"""Sentinels are asked one after the other, so that a silent one delays every new connection."""
REDIRECTIONS = 5


class _PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """Its callers queue for a connection, and its Sentinels' connections are closed with its own."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def behind_sentinels(address: Address, *, max_connections: int, timeout_s: float) -> Redis:
    """A client of whichever server the Sentinels call the primary.

    Every new connection asks them, and one on which the primary turns out to be none any more is closed.
    """
    asking_s = min(SENTINEL_TIMEOUT_S, timeout_s)
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        address.hosts,
        sentinel_kwargs={
            "password": address.sentinel_password,
            "socket_timeout": asking_s,
            "socket_connect_timeout": asking_s,
            "retry": Retry(NoBackoff(), 0),
        },
        username=address.username,
        password=address.password,
        db=address.db,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
    )
    client = sentinel.master_for(
        address.service, connection_pool_class=_PrimaryPool, max_connections=max_connections, timeout=timeout_s
    )
    return cast("Redis", client)


class Cluster(RedisCluster):
    """A cluster's client whose callers queue for a connection, and whose scripts are sent here.

    `together` sends commands to one node over one connection, which a cluster's pipeline does not promise.
    """

    def __init__(self, address: Address, *, max_connections: int, timeout_s: float) -> None:
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
            username=address.username,
            password=address.password,
            max_connections=2 * max_connections,  # of one node; one that is being closed still counts
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            reinitialize_steps=0,  # where slots have moved others' connections need not be closed
        )
        self._slots = asyncio.Semaphore(max_connections)

    async def together(self, key: str, commands: Sequence[Command]) -> list[Any]:
        """The replies, an error in its reply's place, of the node that has the key; the first command names it.

        Where the key has moved, all commands follow it.
        """
        asking: ClusterNode | None = None
        async with self._slots:
            for _ in range(REDIRECTIONS):
                if self._initialize:
                    await self.initialize()
                node = asking or self._node_of(key)
                replies = await self._sent(node, commands, asking=asking is not None)
                match replies[0]:
                    case MovedError() as moved:
                        await self.nodes_manager.move_slot(moved)
                        asking = None
                    case AskError() as elsewhere:
                        asking = self.get_node(elsewhere.host, elsewhere.port)
                        self._initialize = asking is None
                    case _:
                        return replies
        raise ClusterDownError("The key moves too often.")

    async def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        (reply,) = await self.together(keys_and_args[0], [("EVALSHA", sha, numkeys, *keys_and_args)])
        return _returned(reply)

    async def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        (reply,) = await self.together(keys_and_args[0], [("EVAL", script, numkeys, *keys_and_args)])
        return _returned(reply)

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        async with self._slots:
            return await super().execute_command(*args, **kwargs)

    def _node_of(self, key: str) -> ClusterNode:
        node = self.get_node_from_key(key)
        if node is None:
            raise ClusterDownError("No node has the key.")
        return node

    async def _sent(self, node: ClusterNode, commands: Sequence[Command], *, asking: bool) -> list[Any]:
        """A node asked for a key that is on its way there has to be told so before each command with a key."""
        sent = [one for command in commands for one in ([("ASKING",), command] if asking else [command])]
        queued = [PipelineCommand(position, *command) for position, command in enumerate(sent)]
        try:
            await node.execute_pipeline(queued)
        except (RedisConnectionError, RedisTimeoutError, OSError):
            await self._look_anew(node)
            raise
        replies = [command.result for command in queued][asking :: 1 + asking]
        if isinstance(replies[0], RedisConnectionError | RedisTimeoutError | OSError | ClusterDownError):
            await self._look_anew(node)
        return replies

    async def _look_anew(self, failed: ClusterNode) -> None:
        """The node may have been replaced: the next command asks the others who has which keys."""
        failed.update_active_connections_for_reconnect()
        await failed.disconnect_free_connections()
        self.nodes_manager.move_node_to_end_of_cached_nodes(failed.name)
        self._initialize = True


async def together(redis: Redis, key: str, commands: Sequence[Command]) -> list[Any]:
    """The commands' replies, an error in its reply's place: written in one go on one connection, to the server that
    has the key of the first one."""
    if isinstance(redis, Cluster):
        return await redis.together(key, commands)
    async with redis.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)


def _returned(reply: Any) -> Any:
    if isinstance(reply, RedisError | RedisClusterException | OSError):
        raise reply
    return reply
