"""`askwell alerts test`: whether whoever is to be told of alerts can be."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import structlog
from apprise import NotifyType
from rich.console import Console
from rich.markup import escape

from actors.monitoring.channels import AlertChannel, channels
from serve_app.settings import Settings
from state.errors import AskwellError, InvalidField

TITLE = "[Askwell] TEST: this is no alert"
TEXT = "Somebody has run `askwell alerts test`. Alerts will arrive here; nothing has to be done."
FAILED = 1


def test(console: Console, settings: Settings, wanted: Sequence[str]) -> int:
    """Tries each channel, prints what became of it, and returns the exit code. Raises `InvalidField` for a channel
    that is none."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    known = channels(settings.channel_addresses, settings.alerts_file)
    for name in wanted:
        if name not in known:
            raise InvalidField(field="CHANNEL", fix=f"name one of {', '.join(known)}")
    chosen = {name: known[name] for name in wanted} if wanted else known
    failures = asyncio.run(_tried(chosen))
    for name, failure in failures.items():
        told = "[green]delivered[/green]" if failure is None else f"[red]failed: {escape(failure)}[/red]"
        console.print(f"{name}: {told}")
    return FAILED if any(failures.values()) else 0


async def _tried(chosen: dict[str, AlertChannel]) -> dict[str, str | None]:
    async def send(channel: AlertChannel) -> str | None:
        try:
            await channel.send(TITLE, TEXT, NotifyType.INFO)
        except AskwellError as error:
            return f"{error} ({error.data.get('kind')})"
        return None

    return dict(zip(chosen, await asyncio.gather(*map(send, chosen.values())), strict=True))
