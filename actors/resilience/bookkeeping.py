"""What has to be written down about a call, whatever becomes of the call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from state.errors import AskwellError

log = structlog.get_logger()


class Bookkeeping:
    """Work that ends even if the call it belongs to is cancelled, and whose failure is no failure of the call.

    `event` is what a failure is logged as, with its kind and the count so far; `patience_s` is how long
    a call is held up by it: what takes longer goes on behind the call's back.
    """

    def __init__(self, *, event: str, patience_s: float) -> None:
        self._event = event
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0

    def begin(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._kept(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, work: Coroutine[Any, Any, object]) -> None:
        await asyncio.wait({self.begin(work)}, timeout=self._patience_s)

    async def drain(self) -> None:
        """Returns once nothing is left to do."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _kept(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except AskwellError as error:
            self._failures += 1
            log.warning(self._event, error=type(error).__name__, failures=self._failures)
