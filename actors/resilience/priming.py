"""Lets one call write a prefix to the provider's cache before others with the same prefix read it.

A prefix can be read once the call that brought it has been taken in. Ten questions asked at once, all
with a CV and a job the provider has not seen, would pay ten times for them in full; here the first goes
ahead, and the others follow as soon as its reply begins.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import replace

import msgspec

from actors.providers.port import Call, Provider, Reply

FLAG = "use_prompt_cache_optimizer"
MAX_PREFIXES = 10_000


class Primed:
    """Over one provider. `minimum_characters` is the shortest prefix that the provider caches, `idle_s` how
    long one stays cached unread, and `wait_s` the longest that a call is held back for another."""

    def __init__(self, inner: Provider, *, minimum_characters: int, idle_s: float, wait_s: float) -> None:
        self._inner = inner
        self._minimum_characters = minimum_characters
        self._idle_s = idle_s
        self._wait_s = wait_s
        self._read: OrderedDict[str, float] = OrderedDict()
        self._led: dict[str, asyncio.Event] = {}

    async def call(self, call: Call) -> Reply:
        if not call.origin.flags.get(FLAG, True):
            return await self._inner.call(call)
        prefix, characters = _prefix(call)
        if characters < self._minimum_characters:
            return await self._inner.call(call)
        if (leader := self._led.get(prefix)) is not None:
            await self._follow(leader)
        elif not self._is_warm(prefix):
            return await self._lead(prefix, call)
        reply = await self._inner.call(call)
        self._warm(prefix)
        return reply

    @property
    def remembered(self) -> int:
        """How many prefixes are known to have been cached."""
        return len(self._read)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _lead(self, prefix: str, call: Call) -> Reply:
        """Streamed, because its first piece tells that the prefix has been taken in."""
        begun = self._led[prefix] = asyncio.Event()

        def heard(piece: str | None) -> None:
            begun.set()
            if call.heard is not None:
                call.heard(piece)

        try:
            reply = await self._inner.call(replace(call, heard=heard))
        finally:
            begun.set()
            del self._led[prefix]
        self._warm(prefix)
        return reply

    async def _follow(self, leader: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await leader.wait()
        except TimeoutError:
            return

    def _is_warm(self, prefix: str) -> bool:
        read_s = self._read.get(prefix)
        return read_s is not None and asyncio.get_running_loop().time() - read_s < self._idle_s

    def _warm(self, prefix: str) -> None:
        self._read[prefix] = asyncio.get_running_loop().time()
        self._read.move_to_end(prefix)
        if len(self._read) > MAX_PREFIXES:
            self._read.popitem(last=False)


def _prefix(call: Call) -> tuple[str, int]:
    """What the call shares with others of its operation and session, and how long that is."""
    schema = msgspec.json.encode(call.schema)
    shared = msgspec.json.encode([call.variant, call.system, call.context])
    return hashlib.sha256(schema + shared).hexdigest(), len(schema) + len(call.system) + len(call.context)
