"""`askwell replay`: does a session's log give its stored state, and what would have been otherwise?

A command for operators. It reads the service's Redis and writes nothing there: the session keeps its owner,
its epoch and its time to live.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from redis.asyncio import Redis
from rich.console import Console

from actors.prompts.library import DATA
from serve_app.inspection import asked, looked_at, print_json, tenant_of
from serve_app.reasking import Pins, Reasking, asked_again, pinned
from serve_app.replay_report import Report, WhatIf, as_data, print_replayed, print_what_if
from serve_app.settings import Settings
from state.backend import RedisBackend
from state.errors import InvalidField, NotFound
from state.fork import Thresholds, fork, repriced
from state.ledger import RedisLedger
from state.model import Priority
from state.prices import VARIABLE, Prices, prices_from
from state.replay import Replay, asked_steps, replay
from state.spending import CallRecord
from state.store import RecordStore, Stored

SAME, OTHER = 0, 1
PAGE = 200
"""Log entries asked for at once, so that a long log holds nobody up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A session as it stands in Redis. `dropped` older calls are kept no more."""

    tenant: str
    stored: Stored
    log: tuple[bytes, ...]
    calls: tuple[CallRecord, ...]
    dropped: int


def run(
    console: Console,
    settings: Settings,
    *,
    session_id: str,
    tenant: str | None,
    thresholds: Iterable[str] = (),
    prompt_versions: Iterable[str] = (),
    prices: Path | None = None,
    as_json: bool = False,
    prompts: Path = DATA,
) -> int:
    """Print the replay and the answers to what was asked beside it. Each what-if changes one thing alone.

    0 if the log gives the stored state, else 1: then no what-if is answered. Raises `InvalidField`, `NotFound`,
    `StoreUnavailable` and `RecordUnreadable`, the last for a session of a newer version, too.
    """
    wanted = thresholds_in(thresholds)
    listed = None if prices is None else _listed(prices)
    pins = pinned(prompt_versions, prompts, settings)
    tenants = looked_at(settings, tenant)
    found = asked(settings, lambda redis: recorded(redis, tenants, session_id))
    replayed = replay(found.log, found.stored)
    report = Report(session_id=session_id, tenant=found.tenant, dropped=found.dropped, replayed=replayed)
    if not as_json:
        print_replayed(console, report)
    if replayed.fault is None:
        what_if = WhatIf(
            forked=None if wanted is None else fork(replayed.moves, wanted),
            prices=None if listed is None else repriced(found.calls, listed),
            prompts=None if pins is None else _asked_again(console, settings, pins, found, replayed, quiet=as_json),
        )
        report = replace(report, what_if=what_if)
    if as_json:
        print_json(console, as_data(report))
    else:
        print_what_if(console, report)
    return SAME if replayed.fault is None else OTHER


async def recorded(redis: Redis, tenants: Iterable[str], session_id: str) -> Recorded:
    """The session of whichever of the tenants has it, read without taking it over. Raises `NotFound`."""
    ledger = RedisLedger(redis)
    store = RecordStore(RedisBackend(redis), kind="session")
    tenant = await tenant_of(ledger, tenants, session_id)
    stored = await store.read(session_id)
    log: list[bytes] = []
    while stored is not None:
        page = await store.entries(session_id, after=len(log), upto=stored.version, limit=PAGE)
        log += page
        if len(page) < PAGE:
            break
    if stored is None or await store.read(session_id) is None:
        raise NotFound(f"The session {session_id} was erased just now.")
    calls, dropped = await ledger.calls(tenant, session_id), await ledger.dropped(tenant, session_id)
    return Recorded(tenant=tenant, stored=stored, log=tuple(log), calls=calls, dropped=dropped)


def thresholds_in(asked_for: Iterable[str]) -> Thresholds | None:
    """'7' for all priorities that are not named by another one, 'CRITICAL=9' for one; None where there is neither.

    Raises `InvalidField`.
    """
    by_priority: dict[Priority, float] = {}
    others: list[float] = []
    for text in asked_for:
        name, named, score = text.rpartition("=")
        if not named:
            others.append(_score(score))
        elif name not in list(Priority):
            raise InvalidField(field="--threshold", fix=f"the priorities are {', '.join(Priority)}")
        elif name in by_priority:
            raise InvalidField(field="--threshold", fix=f"name {name} once")
        else:
            by_priority[Priority(name)] = _score(score)
    if len(others) > 1:
        raise InvalidField(field="--threshold", fix="give one number for all priorities that are not named")
    if not (by_priority or others):
        return None
    return Thresholds(by_priority=by_priority, others=others[0] if others else None)


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 1 <= score <= 10:
        raise InvalidField(field="--threshold", fix="write a score from 1 to 10, or PRIORITY=SCORE (CRITICAL=9)")
    return score


def _listed(file: Path) -> Prices:
    try:
        return prices_from(file)
    except InvalidField as error:
        raise InvalidField(field=error.field.replace(VARIABLE, "--prices", 1), fix=error.fix) from None


def _asked_again(
    console: Console, settings: Settings, pins: Pins, found: Recorded, replayed: Replay, *, quiet: bool
) -> Reasking:
    steps = [step for step in asked_steps(replayed.moves) if pins.concern(step)]
    if not quiet:
        console.print(f"{len(steps)} steps to ask again, at the provider's usual price.")
    return asyncio.run(asked_again(settings, pins, steps, found.calls))
