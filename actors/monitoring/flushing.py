"""Carries off what a process has recorded: once a second, numbered, and again until it has arrived.

Buffer ── take, every second ──> waiting, oldest first ── all at once ──> deliver
                                     └── too many: the oldest is dropped, which its number shows
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from state.errors import AskwellError
from state.metrics.buffer import Buffer
from state.metrics.encoding import pack_flush
from state.metrics.recorder import SILENT, Recorder

log = structlog.get_logger()

Deliver = Callable[[Sequence[bytes]], Awaitable[None]]
"""Takes packed flushes, oldest first, and returns once all of them are kept. Raises an `AskwellError` where that is not
known; all of them are delivered again then."""


class Waiting(NamedTuple):
    sequence: int
    flush: bytes


class Flushing:
    """Empties `buffer` every `every_s`, in the middle of a second, so that all processes' flushes of one second come
    together; what was seen in the half second before a minute's end counts for the next one.

    At most `most_waiting` flushes are kept; one delivery takes at most `patience_s`.
    """

    def __init__(
        self,
        buffer: Buffer,
        deliver: Deliver,
        *,
        now_ms: Callable[[], int],
        every_s: float = 1.0,
        most_waiting: int = 60,
        patience_s: float = 5.0,
    ) -> None:
        self._buffer = buffer
        self._deliver = deliver
        self._now_ms = now_ms
        self._every_ms = int(every_s * 1000)
        self._most_waiting = most_waiting
        self._patience_s = patience_s
        self._waiting: deque[Waiting] = deque()
        self._running: asyncio.Task[None] | None = None
        self._delivering: asyncio.Task[None] | None = None
        self._failing = False
        self._closed = False

    def start(self) -> None:
        """Begin, in a task of its own; once is enough, and any call of the process may be the first."""
        if self._running is None and not self._closed:
            self._running = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop, after a last delivery of all that is left."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        if self._delivering is not None:
            await asyncio.wait({self._delivering})
        self._take()
        if self._waiting:
            await self._deliver_all()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._until_next_s())
            self._take()
            if self._delivering is not None and not self._delivering.done():
                continue
            if self._waiting:
                self._delivering = asyncio.create_task(self._deliver_all())

    def _until_next_s(self) -> float:
        into_ms = (self._now_ms() + self._every_ms // 2) % self._every_ms
        return (self._every_ms - into_ms) / 1000

    def _take(self) -> None:
        flush = self._buffer.take(self._now_ms())
        if flush is None:
            return
        self._waiting.append(Waiting(flush.sequence, pack_flush(flush)))
        if len(self._waiting) > self._most_waiting:
            dropped = self._waiting.popleft()
            log.warning("flush_dropped", source=flush.source, sequence=dropped.sequence)

    async def _deliver_all(self) -> None:
        sent = list(self._waiting)
        try:
            async with asyncio.timeout(self._patience_s):
                await self._deliver([waiting.flush for waiting in sent])
        except (AskwellError, TimeoutError) as error:
            if not self._failing:
                log.warning("flushes_not_delivered", error=type(error).__name__, waiting=len(sent))
            self._failing = True
            return
        self._failing = False
        while self._waiting and sent and self._waiting[0].sequence <= sent[-1].sequence:
            self._waiting.popleft()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A process's recorder, and what carries off what it is told; without `flushing` nothing is recorded."""

    recorder: Recorder = SILENT
    flushing: Flushing | None = None

    def start(self) -> None:
        """As `Flushing.start`."""
        if self.flushing is not None:
            self.flushing.start()

    async def aclose(self) -> None:
        """As `Flushing.aclose`."""
        if self.flushing is not None:
            await self.flushing.aclose()


OFF = Recording()
