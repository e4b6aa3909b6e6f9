"""The monitor: on its rounds it collects every process's flushes, and looks after buckets, components and alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from actors.monitoring.alerting import Alerting
from actors.monitoring.flushing import Recording
from state.errors import AskwellError

log = structlog.get_logger()
BEGUN_AGAIN_S = 1.0


class Round(NamedTuple):
    """Tasks, one after the other, for the first time after `after_s`, and `every_s` after they are done again."""

    every_s: float
    tasks: Sequence[Callable[[], Awaitable[None]]]
    after_s: float = 0.0


class Monitor:
    """`recording` carries its own observations; the rounds go on beside each other."""

    def __init__(self, *, recording: Recording, rounds: Sequence[Round], alerting: Alerting | None = None) -> None:
        self._recording = recording
        self._rounds = rounds
        self._alerting = alerting
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """For ever: a round that a fault of its own has ended begins again."""
        while True:
            self.start()
            await asyncio.sleep(BEGUN_AGAIN_S)

    def start(self) -> None:
        """Begin with the rounds that are not under way."""
        for number, round_ in enumerate(self._rounds):
            if number not in self._running or self._running[number].done():
                self._running[number] = asyncio.create_task(_run(round_))
                self._running[number].add_done_callback(_told)
        self._recording.start()

    async def aclose(self) -> None:
        """Stop, after a last flush of its own."""
        for running in self._running.values():
            running.cancel()
        if self._running:
            await asyncio.wait(self._running.values())
        if self._alerting is not None:
            await self._alerting.aclose()
        await self._recording.aclose()


async def _run(round_: Round) -> None:
    await asyncio.sleep(round_.after_s)
    while True:
        for task in round_.tasks:
            await _tried(task)
        await asyncio.sleep(round_.every_s)


def _told(running: asyncio.Task[None]) -> None:
    if not running.cancelled() and (error := running.exception()) is not None:
        log.error("round_ended", error=type(error).__name__)


async def _tried(task: Callable[[], Awaitable[None]]) -> None:
    """A task that cannot be done now is done on the next round."""
    try:
        await task()
    except AskwellError as error:
        log.warning("round_incomplete", task=getattr(task, "__qualname__", ""), error=type(error).__name__)
