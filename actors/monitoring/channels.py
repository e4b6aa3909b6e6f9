"""Where messages about alerts go: apprise's addresses (email, Slack, webhooks and a hundred more), and the console."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog
from apprise import Apprise, NotifyFormat, NotifyType

from state.alerts.book import Message, News
from state.alerts.rules import Severity
from state.errors import InvalidField, WorkUnavailable

log = structlog.get_logger()
CONSOLE = "console"
SEND_TIMEOUT_S = 30.0


class AlertChannel(Protocol):
    async def send(self, title: str, text: str, kind: NotifyType) -> None:
        """Raises `WorkUnavailable` where the message was not taken, or may not have been."""
        ...


class AppriseChannel:
    """An address of apprise's, with the secrets that it holds; it is never logged. Raises `InvalidField` for an
    address that apprise does not know, naming the channel alone."""

    def __init__(self, name: str, address: str) -> None:
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines hold addresses and replies
        self._apprise = Apprise()
        if not self._apprise.add(address):
            fix = "write an address as apprise knows it: mailto://..., https://hooks.slack.com/..., json://..."
            raise InvalidField(field=f"ASKWELL_ALERT_CHANNELS: {name}", fix=fix)

    async def send(self, title: str, text: str, kind: NotifyType) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                taken = await self._apprise.async_notify(
                    body=text, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
                )
        except TimeoutError:
            raise WorkUnavailable("The channel did not answer in time.", kind="timeout") from None
        if not taken:
            raise WorkUnavailable("The channel did not take the message.", kind="refused")


class ConsoleChannel:
    """A structured line in the log, and the whole message in a file, whose end `askwell up` shows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, title: str, text: str, kind: NotifyType) -> None:
        log.warning("alert", title=title, kind=kind.value)
        try:
            await asyncio.to_thread(self._append, f"{title}\n{text}\n\n")
        except OSError as error:
            raise WorkUnavailable("The alerts' file cannot be written.", kind=type(error).__name__) from None

    def _append(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)


def channels(addresses: Mapping[str, str], console: Path) -> dict[str, AlertChannel]:
    """By name, the console first. Raises `InvalidField`."""
    named: dict[str, AlertChannel] = {CONSOLE: ConsoleChannel(console)}
    named |= {name: AppriseChannel(name, address) for name, address in addresses.items()}
    return named


def kind_of(message: Message) -> NotifyType:
    """By the worst change in it."""
    worst = message.changes[0]
    if worst.news is News.RESOLVED:
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if worst.severity is Severity.CRITICAL else NotifyType.WARNING
