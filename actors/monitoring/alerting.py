"""Evaluates the alerts over the merged figures, and delivers what is to be told.

    every few seconds:  figures + book ──> book' ── stored ──> each channel, in order, until it has the message

One monitor at a time watches, by a lease in the book. While Redis is away the book in memory goes on, and of all
signals only Redis's own, from this process's checks: of the others nothing is known, which changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog

from actors.monitoring.channels import AlertChannel, kind_of
from actors.monitoring.health import HealthChecks
from actors.monitoring.keeping import KeptBook
from state.alerts.book import AlertBook, Message, delivered, due_to, not_delivered, settled
from state.alerts.evaluation import evaluated
from state.alerts.readings import Reading, readings, window_lengths
from state.alerts.rules import Rules, Signal
from state.alerts.wording import body, subject
from state.errors import StoreUnavailable, WorkUnavailable
from state.metrics.labels import Component
from state.metrics.reading import Windows

log = structlog.get_logger()
LEASE_MS = 30_000
AGAIN_MS = 15_000
LONGEST_PAUSE_MS = 300_000
UNKNOWN = Reading(value=None, samples=0)


class Alerting:
    """`me` names this process among the watchers; `link` is the address of the figures."""

    def __init__(
        self,
        *,
        rules: Rules,
        windows: Windows,
        book: KeptBook,
        channels: Mapping[str, AlertChannel],
        health: HealthChecks,
        me: str,
        link: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._windows = windows
        self._book = book
        self._channels = channels
        self._health = health
        self._me = me
        self._link = link
        self._now_ms = now_ms
        self._failed: dict[str, int] = {}
        self._again_ms: dict[str, int] = {}
        self._delivering: asyncio.Task[None] | None = None

    async def watch(self) -> None:
        """Evaluate once, and go on delivering beside it. Raises `RecordUnreadable`."""
        try:
            read = await self._read()
            book = await self._book.change(partial(self._evaluated, read=read))
        except StoreUnavailable:
            book = self._book.change_alone(partial(self._evaluated, read=self._read_alone()))
        if book.watcher == self._me and (self._delivering is None or self._delivering.done()):
            self._delivering = asyncio.create_task(self.deliver(book))
            self._delivering.add_done_callback(_told)

    async def deliver(self, book: AlertBook) -> None:
        """What the channels do not have yet; returns when all have it, or have failed with it."""
        await asyncio.gather(*(self._deliver(book, name) for name in self._channels))
        await self._change(partial(settled, names=list(self._channels)))

    async def aclose(self) -> None:
        """Stop, after the deliveries under way, and let another watch."""
        if self._delivering is not None:
            await asyncio.wait({self._delivering})
        await self._change(self._left)

    async def _read(self) -> dict[str, Reading]:
        windows = {minutes: await self._windows.window(minutes) for minutes in window_lengths(self._rules)}
        return readings(self._rules, windows)

    def _read_alone(self) -> dict[str, Reading]:
        return {
            name: self._health.down_share(Component.REDIS, rule.window_minutes)
            if rule.signal is Signal.REDIS_DOWN_SHARE
            else UNKNOWN
            for name, rule in self._rules.items()
        }

    def _evaluated(self, book: AlertBook, *, read: Mapping[str, Reading]) -> AlertBook:
        now_ms = self._now_ms()
        if book.watcher not in ("", self._me) and now_ms < book.watched_until_ms:
            return book
        after, message = evaluated(book, self._rules, read, now_ms)
        if message is not None:
            log.info("alerts_changed", incident=message.incident, rules=[change.rule for change in message.changes])
        return replace(settled(after, list(self._channels)), watcher=self._me, watched_until_ms=now_ms + LEASE_MS)

    def _left(self, book: AlertBook) -> AlertBook:
        return replace(book, watched_until_ms=0) if book.watcher == self._me else book

    async def _deliver(self, book: AlertBook, name: str) -> None:
        if self._now_ms() < self._again_ms.get(name, 0):
            return
        for message in due_to(book, name):
            if not await self._sent(name, message):
                return

    async def _sent(self, name: str, message: Message) -> bool:
        try:
            await self._channels[name].send(
                subject(message, self._rules), body(message, self._rules, self._link), kind_of(message)
            )
        except WorkUnavailable as error:
            kind = str(error.data.get("kind", type(error).__name__))
            self._failed[name] = self._failed.get(name, 0) + 1
            pause_ms = min(AGAIN_MS * 2 ** (self._failed[name] - 1), LONGEST_PAUSE_MS)
            self._again_ms[name] = self._now_ms() + pause_ms
            log.error("alert_not_delivered", channel=name, message=message.number, error=kind, again_in_ms=pause_ms)
            await self._change(partial(not_delivered, name=name, error=kind, now_ms=self._now_ms()))
            return False
        self._failed.pop(name, None)
        await self._change(partial(delivered, name=name, number=message.number))
        return True

    async def _change(self, change: Callable[[AlertBook], AlertBook]) -> None:
        try:
            await self._book.change(change)
        except StoreUnavailable:
            self._book.change_alone(change)


def _told(delivering: asyncio.Task[None]) -> None:
    if not delivering.cancelled() and (error := delivering.exception()) is not None:
        log.error("delivering_ended", error=type(error).__name__)
