"""Vectors that processes share, on a real Valkey."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from actors.embedding_cache_redis import KEEP_S, PLACES, RedisVectors
from serve_app.ports import free_port
from state.backend import connect
from state.errors import StoreUnavailable

ONE, OTHER = (digit * 16 for digit in (b"\x01", b"\x02"))
SAME_PLACE = ONE[:4] + b"\x09" * 12


async def test_what_one_process_keeps_another_finds_and_what_nobody_kept_is_none(redis: Redis) -> None:
    await RedisVectors(redis).keep([(ONE, b"vector of one"), (OTHER, b"of other")])
    assert await RedisVectors(redis).found([OTHER, ONE, b"\x03" * 16]) == [b"of other", b"vector of one", None]


async def test_a_place_holds_the_last_text_and_never_gives_it_for_another(redis: Redis) -> None:
    vectors = RedisVectors(redis)
    await vectors.keep([(ONE, b"vector of one")])
    assert await vectors.found([SAME_PLACE]) == [None]
    await vectors.keep([(SAME_PLACE, b"the newer")])
    assert await vectors.found([ONE, SAME_PLACE]) == [None, b"the newer"]


async def test_there_are_no_more_keys_than_places_and_each_of_them_expires(redis: Redis) -> None:
    await RedisVectors(redis).keep([(number.to_bytes(16), b"v") for number in range(50)])  # all of one place
    keys = [key async for key in redis.scan_iter("askwell:vector:*")]
    assert len(keys) == 1
    assert 0 < await redis.ttl(keys[0]) <= KEEP_S
    assert int(keys[0].rpartition(b":")[2]) < PLACES


async def test_a_server_that_is_away_is_said_to_be(redis: Redis) -> None:
    away = connect(f"redis://127.0.0.1:{free_port()}/0")
    for call in (RedisVectors(away).found([ONE]), RedisVectors(away).keep([(ONE, b"v")])):
        with pytest.raises(StoreUnavailable):
            await call
    await away.aclose()
