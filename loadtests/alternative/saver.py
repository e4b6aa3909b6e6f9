"""A checkpointer on plain Redis: the newest checkpoint of each thread, one round trip for each thing LangGraph asks.

`langgraph-checkpoint-redis` 0.5.2 needs RedisJSON and RediSearch, which Valkey has not: both of its savers fail at
setup with "unknown command 'FT.INFO'". It would send JSON documents and keep indexes of them besides, so this
saver is in the alternative's favour: msgpack in a string and a hash, no index, no history. The writes of
a thread's earlier steps stay in its hash until the thread expires, which costs memory and saves a command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ormsgpack
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    CheckpointTuple,
    get_checkpoint_metadata,
    writes_sort_key,
)
from redis.asyncio import Redis

EXPIRES_S = 24 * 3600

Config = dict[str, Any]


class RedisSaver(BaseCheckpointSaver):  # type: ignore[misc] # not installed where types are checked
    """Threads that nobody touches for `EXPIRES_S` are forgotten. Asynchronous only, without history."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        thread = _Thread(config)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(thread.checkpoint_key)
            pipe.hgetall(thread.writes_key)
            stored, writes = await pipe.execute()
        if stored is None:
            return None
        checkpoint_id, parent_id, checkpoint, metadata = ormsgpack.unpackb(stored)
        return CheckpointTuple(
            config=thread.at(checkpoint_id),
            checkpoint=self._loaded(checkpoint),
            metadata=self._loaded(metadata),
            parent_config=thread.at(parent_id) if parent_id else None,
            pending_writes=self._pending(writes, checkpoint_id),
        )

    async def aput(self, config: Config, checkpoint: Any, metadata: Any, new_versions: Any) -> Config:
        thread = _Thread(config)
        told = self._dumped(get_checkpoint_metadata(config, metadata))
        stored = ormsgpack.packb([checkpoint["id"], thread.checkpoint_id, self._dumped(checkpoint), told])
        await self._redis.set(thread.checkpoint_key, stored, ex=EXPIRES_S)
        return thread.at(checkpoint["id"])

    async def aput_writes(
        self, config: Config, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        thread = _Thread(config)
        packed: dict[str, bytes] = {}
        for place, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, place)
            field = f"{thread.checkpoint_id}|{task_id}|{index}"
            packed[field] = ormsgpack.packb([task_path, task_id, index, channel, self._dumped(value)])
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(thread.writes_key, mapping=packed)  # type: ignore[arg-type] # bytes are values as well
            pipe.expire(thread.writes_key, EXPIRES_S)
            await pipe.execute()

    async def adelete_thread(self, thread_id: str) -> None:
        thread = _Thread({"configurable": {"thread_id": thread_id}})
        await self._redis.unlink(thread.checkpoint_key, thread.writes_key)

    def _pending(self, writes: dict[bytes, bytes], checkpoint_id: str) -> list[tuple[str, str, Any]]:
        prefix = checkpoint_id.encode() + b"|"
        found = [ormsgpack.unpackb(packed) for field, packed in writes.items() if field.startswith(prefix)]
        found.sort(key=lambda write: writes_sort_key(*write[:3]))
        return [(task_id, channel, self._loaded(value)) for _, task_id, _, channel, value in found]

    def _dumped(self, value: Any) -> tuple[str, bytes]:
        kind, data = self.serde.dumps_typed(value)
        return kind, data

    def _loaded(self, typed: Sequence[Any]) -> Any:
        return self.serde.loads_typed((typed[0], typed[1]))


class _Thread:
    """Whose checkpoint a configuration speaks of, and where it lies."""

    def __init__(self, config: Config) -> None:
        told = config["configurable"]
        self._id: str = told["thread_id"]
        self._namespace: str = told.get("checkpoint_ns", "")
        self.checkpoint_id: str | None = told.get("checkpoint_id")
        self.checkpoint_key = f"checkpoint:{self._id}:{self._namespace}"
        self.writes_key = f"writes:{self._id}:{self._namespace}"

    def at(self, checkpoint_id: str) -> Config:
        return {
            "configurable": {
                "thread_id": self._id,
                "checkpoint_ns": self._namespace,
                "checkpoint_id": checkpoint_id,
            }
        }
