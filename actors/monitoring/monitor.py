"""The monitor: takes every process's flushes, and on its rounds looks after buckets, components and alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from actors.monitoring.alerting import Alerting
from actors.monitoring.flushing import Recording
from actors.monitoring.merging import Merger
from state.errors import AskwellError

log = structlog.get_logger()


class Round(NamedTuple):
    """Tasks, one after the other; the next round begins `every_s` after they are done."""

    every_s: float
    tasks: Sequence[Callable[[], Awaitable[None]]]


class Monitor:
    """`recording` carries its own observations, back to itself; the rounds, beside each other, begin with the first
    call."""

    def __init__(
        self, *, merger: Merger, recording: Recording, rounds: Sequence[Round], alerting: Alerting | None = None
    ) -> None:
        self._merger = merger
        self._recording = recording
        self._rounds = rounds
        self._alerting = alerting
        self._running: dict[int, asyncio.Task[None]] = {}

    async def take(self, flushes: Sequence[bytes]) -> None:
        """See `Merger.take`."""
        self.start()
        await self._merger.take(flushes)

    def start(self) -> None:
        """Begin with the rounds, and again where a fault of theirs has ended them."""
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
