"""The monitor: takes every process's flushes, and on its rounds looks after the buckets and the components."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from actors.monitoring.flushing import Recording
from actors.monitoring.health import HealthChecks
from actors.monitoring.merging import Merger
from actors.monitoring.upkeep import Upkeep
from state.errors import AskwellError

log = structlog.get_logger()


class Monitor:
    """`recording` carries its own observations, back to itself; the rounds begin with the first call, each `round_s`
    after the one before it."""

    def __init__(
        self, *, merger: Merger, upkeep: Upkeep, health: HealthChecks, recording: Recording, round_s: float
    ) -> None:
        self._merger = merger
        self._upkeep = upkeep
        self._health = health
        self._recording = recording
        self._round_s = round_s
        self._rounds: asyncio.Task[None] | None = None

    async def take(self, flushes: Sequence[bytes]) -> None:
        """See `Merger.take`."""
        self.start()
        await self._merger.take(flushes)

    def start(self) -> None:
        """Begin with the rounds, and again where a fault of theirs has ended them."""
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._run())
            self._rounds.add_done_callback(_told)
            self._recording.start()

    async def aclose(self) -> None:
        """Stop, after a last flush of its own."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.wait({self._rounds})
        await self._recording.aclose()

    async def _run(self) -> None:
        while True:
            for task in (self._health.check, self._upkeep.roll_up, self._upkeep.forget):
                await _tried(task)
            await asyncio.sleep(self._round_s)


def _told(rounds: asyncio.Task[None]) -> None:
    if not rounds.cancelled() and (error := rounds.exception()) is not None:
        log.error("rounds_ended", error=type(error).__name__)


async def _tried(task: Callable[[], Awaitable[None]]) -> None:
    """A task that cannot be done now is done on the next round."""
    try:
        await task()
    except AskwellError as error:
        log.warning("round_incomplete", task=getattr(task, "__qualname__", ""), error=type(error).__name__)
