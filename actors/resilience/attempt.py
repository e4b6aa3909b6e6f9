"""The time that one attempt at one provider may take."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from actors.providers.port import Call, Provider, Reply
from actors.resilience.late import late_at
from actors.resilience.target import Target


class AttemptTimeout:
    """Ends an attempt after `seconds`, or at the call's deadline if that is earlier, with LATE."""

    def __init__(self, inner: Provider, *, target: Target, seconds: float) -> None:
        self._inner = inner
        self._target = target
        self._seconds = seconds

    async def call(self, call: Call) -> Reply:
        deadline = min(call.deadline, asyncio.get_running_loop().time() + self._seconds)
        async with late_at(deadline, self._target, call):
            return await self._inner.call(replace(call, deadline=deadline))

    async def aclose(self) -> None:
        await self._inner.aclose()
