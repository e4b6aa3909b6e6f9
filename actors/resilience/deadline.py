"""The time within which a call has its reply or its error, all attempts and providers together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from actors.providers.port import Call, Provider, Reply
from actors.resilience.late import late_at
from actors.resilience.target import ANYONE


class Deadline:
    """Ends every call after `seconds`, or at the deadline it came with if that is earlier, with LATE."""

    def __init__(self, inner: Provider, *, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    async def call(self, call: Call) -> Reply:
        deadline = min(call.deadline, asyncio.get_running_loop().time() + self._seconds)
        async with late_at(deadline, ANYONE, call):
            return await self._inner.call(replace(call, deadline=deadline))

    async def aclose(self) -> None:
        await self._inner.aclose()
