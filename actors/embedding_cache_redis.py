"""Vectors that processes share, in Redis: a direct-mapped cache of a fixed number of places.

A text's digest decides its place, `askwell:vector:{place}`, which holds the last one's digest and vector and expires.
So the cache is bounded by itself, whatever the server's own eviction does, and needs no index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import Redis

from state.backend import translated

PLACES = 16_384
"""At 1,536 dimensions 100 MB, at 512 a third of that."""
KEEP_S = 86_400


class RedisVectors:
    """Implements `actors.embedding_cache.SharedVectors`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def found(self, digests: Sequence[bytes]) -> list[bytes | None]:
        return await asyncio.gather(*map(self._found, digests))

    async def keep(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        async with translated():
            await asyncio.gather(
                *(self._redis.set(_place(digest), digest + vector, ex=KEEP_S) for digest, vector in vectors)
            )

    async def _found(self, digest: bytes) -> bytes | None:
        async with translated():
            kept = cast("Any", await self._redis.get(_place(digest)))
        if kept is None or not kept.startswith(digest):
            return None
        vector: bytes = kept[len(digest) :]
        return vector


def _place(digest: bytes) -> str:
    return f"askwell:vector:{int.from_bytes(digest[:4]) % PLACES}"
