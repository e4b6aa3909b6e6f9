"""Flights between replicas, in Redis.

One key a flight, `askwell:flight:{digest}`, holds first the claim ('c' and its owner), then the reply
('r' and its bytes). It always has an expiry of seconds, because the reply holds a candidate's text.
"""

from __future__ import annotations

from typing import Any, cast

from redis.asyncio import Redis

from state.backend import translated

_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held and not (ARGV[3] == '1' and string.sub(held, 1, 1) == 'r') then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_PUBLISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisFlights:
    """Implements `actors.resilience.single_flight.Flights`; a write is made only while the claim is its owner's."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._claim = redis.register_script(_CLAIM)
        self._renew = redis.register_script(_RENEW)
        self._publish = redis.register_script(_PUBLISH)
        self._release = redis.register_script(_RELEASE)

    async def claim(self, digest: str, owner: str, lease_s: float, *, anew: bool) -> bool:
        async with translated():
            return bool(await self._claim(keys=[_key(digest)], args=[_claim(owner), _ms(lease_s), int(anew)]))

    async def renew(self, digest: str, owner: str, lease_s: float) -> bool:
        async with translated():
            return bool(await self._renew(keys=[_key(digest)], args=[_claim(owner), _ms(lease_s)]))

    async def publish(self, digest: str, owner: str, reply: bytes, keep_s: float) -> None:
        async with translated():
            await self._publish(keys=[_key(digest)], args=[_claim(owner), b"r" + reply, _ms(keep_s)])

    async def result(self, digest: str) -> bytes | None:
        async with translated():
            value = cast("Any", await self._redis.get(_key(digest)))
        return value[1:] if value is not None and value.startswith(b"r") else None

    async def release(self, digest: str, owner: str) -> None:
        async with translated():
            await self._release(keys=[_key(digest)], args=[_claim(owner)])


def _key(digest: str) -> str:
    return f"askwell:flight:{digest}"


def _claim(owner: str) -> bytes:
    return b"c" + owner.encode()


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
