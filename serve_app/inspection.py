"""What the commands that look into the service's records share: its Redis, its tenants, figures in tables."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from serve_app.settings import LOCAL_TENANT, Settings
from state.backend import connect
from state.errors import InvalidField, NotFound
from state.ledger import RedisLedger

T = TypeVar("T")
WIDTH = 120


def asked(settings: Settings, question: Callable[[Redis], Awaitable[T]]) -> T:
    """One question to the service's Redis, answered. Raises `InvalidField` where there is none to ask."""
    url = redis_url(settings)

    async def ask() -> T:
        redis = connect(url, max_connections=2)
        try:
            return await question(redis)
        finally:
            await redis.aclose()

    return asyncio.run(ask())


def redis_url(settings: Settings) -> str:
    """`REDIS_URL`, or the address of the embedded Valkey that runs on the data directory.

    Raises `InvalidField` where neither is there.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    directory = settings.data_dir / "valkey"
    if not _runs(directory):
        fix = f"nothing runs on {settings.data_dir}: start the service with 'askwell up', or name its Redis server"
        raise InvalidField(field="REDIS_URL", fix=fix)
    lines = (directory / "valkey.conf").read_text().splitlines()
    values = dict(line.split(" ", 1) for line in lines if line)
    return f"redis://:{values['requirepass']}@127.0.0.1:{values['port']}/0"


def looked_at(settings: Settings, tenant: str | None) -> list[str]:
    """The tenant that was named, else all that are configured."""
    return [tenant] if tenant is not None else list(settings.api_keys) or [LOCAL_TENANT]


async def tenant_of(ledger: RedisLedger, tenants: Iterable[str], session_id: str) -> str:
    """Which of the tenants has the session. Raises `NotFound` if none has."""
    tenants = tuple(tenants)
    for tenant in tenants:
        try:
            await ledger.dropped(tenant, session_id)
        except NotFound:
            continue
        return tenant
    raise NotFound(f"There is no session {session_id} of {' or '.join(tenants)}: erased, expired or never there.")


def print_table(console: Console, table: Table) -> None:
    """Never with a figure cut short: what is narrower has its lines broken."""
    table.width = WIDTH if console.width < WIDTH else None
    console.print(table, crop=False)


def print_json(console: Console, shown: Mapping[str, Any]) -> None:
    console.out(json.dumps(shown, indent=2), highlight=False)


def dollars(amount: Any) -> str:
    return f"{'-' if amount < 0 else ''}${abs(amount):,.6f}"


def _runs(directory: Path) -> bool:
    """Whether the process that started on this directory is still that one: another one that came to its
    port must not be told the password."""
    try:
        process = psutil.Process(int((directory / "valkey.pid").read_text()))
        return process.cwd() == str(directory.resolve())
    except (FileNotFoundError, PermissionError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return False
