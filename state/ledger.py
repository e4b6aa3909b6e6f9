"""What was spent, in Redis: each session's calls, each tenant's totals of a day, and its count of tokens.

    askwell:{session:ID}:calls          stream    the session's calls, under its hash tag; gone when it goes
    askwell:spent:TENANT:2026-11-22     hash      totals by provider, model, operation and prompt
    askwell:reserved:TENANT:2026-11-22  string    tokens reserved or used

Days are UTC. The totals name no session and no user, and stay when a session is erased.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote

from redis.asyncio import Redis

from state.backend import Argument, RedisBackend, Script, translated
from state.codec import pack, unpack
from state.costs import Tally, tally
from state.errors import NotFound
from state.spending import CallRecord, Usage
from state.store import part_key

MAX_CALLS = 2_000
MAX_FIELDS = 10_000
"""Of a day's totals: some 900 rows; what comes after is counted in one row more."""
TOTALS_TTL_S = 35 * 86_400.0
RESERVED_TTL_MS = 3 * 86_400_000
PICO = 12
"""Money is counted in 10^-12 dollars, which is what a token costs where a million cost $0.000001."""
OTHER = json.dumps(["other"] * 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """Of its tally, what is eligible for prefix caching is not counted."""

    provider: str
    model: str
    operation: str
    prompt: str
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """One tenant's UTC day. `rows` are in the order of their names."""

    rows: tuple[DayRow, ...] = ()

    @property
    def total(self) -> Tally:
        return sum((row.tally for row in self.rows), Tally())


class RedisLedger:
    """Implements `state.spending.Ledger`. `ttl_s` is how long a day's totals are kept after its last call.

    A reservation that is never settled, because its process died, stays counted until its day is over:
    a budget is rather spent too early than twice. All methods raise `StoreUnavailable` where Redis does
    not answer in time; whether a call was kept, or tokens were counted, is unknown then.
    """

    def __init__(self, redis: Redis, ttl_s: float = TOTALS_TTL_S) -> None:
        self._redis = redis
        self._backend = RedisBackend(redis)
        self._ttl_ms = int(ttl_s * 1000)

    async def reserve(self, *, tenant: str, now_ms: int, tokens: int, limit: int) -> bool:
        """Checked and counted in one step: no number of callers at once gets past `limit` together."""
        args = [tokens, limit, RESERVED_TTL_MS]
        return bool(await self._backend.write("reserve.lua", [_reserved(tenant, now_ms)], args))

    async def settle(self, *, tenant: str, now_ms: int, reserved: int, used: int) -> None:
        """`now_ms` is the reservation's, so that the tokens count for the day on which they were asked for."""
        await self._backend.write("settle.lua", [_reserved(tenant, now_ms)], [used - reserved, RESERVED_TTL_MS])

    async def record(self, record: CallRecord) -> None:
        """Keep a call with its session, as long as that exists, and add it to the day's totals.

        Of a session's calls the newest `MAX_CALLS` are kept. The totals come first, and may have a call that the
        session has not: in a cluster the two are not in one place.
        """
        row = json.dumps([record.provider, record.model, record.operation, record.prompt])
        counts = [word for name, count in _counts(tally(record)).items() if count for word in (name, count)]
        spent = _spent(record.tenant, _day(record.at_ms))
        scripts: list[Script] = [("add_spent.lua", [spent], [self._ttl_ms, MAX_FIELDS, row, OTHER, *counts])]
        if record.session_id:
            kept: list[Argument] = [record.tenant, MAX_CALLS, pack(record)]
            scripts.append(("keep_call.lua", _session_keys(record.session_id), kept))
        await self._backend.read_all(scripts)

    async def calls(self, tenant: str, session_id: str) -> tuple[CallRecord, ...]:
        """The session's calls that are kept, oldest first. Raises `NotFound` for an unknown or a foreign
        session, and `RecordUnreadable`."""
        return tuple(unpack(CallRecord, fields[1]) for _, fields in await self._entries(tenant, session_id))

    async def dropped(self, tenant: str, session_id: str) -> int:
        """How many older calls of the session are kept no more. Raises `NotFound`."""
        entries = await self._entries(tenant, session_id, limit=1)
        return int(entries[0][0].partition(b"-")[0]) - 1 if entries else 0

    async def day(self, tenant: str, day: date) -> DayTotals:
        """Empty where nothing was recorded, or where that is too long ago."""
        async with translated():
            held = cast("dict[bytes, bytes]", await cast("Any", self._redis.hgetall(_spent(tenant, day))))
        rows: dict[str, dict[str, int]] = defaultdict(dict)
        for named, count in held.items():
            row, bracket, name = named.decode().rpartition("]")
            rows[row + bracket][name] = int(count)
        return DayTotals(rows=tuple(_day_row(row, rows[row]) for row in sorted(rows)))

    async def reserved(self, tenant: str, now_ms: int) -> int:
        """Tokens counted against the tenant's day so far."""
        async with translated():
            return int(await self._redis.get(_reserved(tenant, now_ms)) or 0)

    async def _entries(self, tenant: str, session_id: str, limit: int = MAX_CALLS) -> list[tuple[bytes, Any]]:
        entries = await self._backend.read("calls.lua", _session_keys(session_id), [tenant, limit])
        if entries is None:
            raise NotFound
        return cast("list[tuple[bytes, Any]]", entries)


def _session_keys(session_id: str) -> list[str]:
    return [part_key("session", session_id, part) for part in ("record", "calls")]


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _spent(tenant: str, day: date) -> str:
    return f"askwell:spent:{quote(tenant, safe='')}:{day}"


def _reserved(tenant: str, now_ms: int) -> str:
    return f"askwell:reserved:{quote(tenant, safe='')}:{_day(now_ms)}"


def _counts(tally: Tally) -> Mapping[str, int]:
    """As whole numbers, which Redis adds without loss; `_day_row` reads them back."""
    return {
        "calls": tally.calls,
        "failed": tally.failed,
        "given_up": tally.given_up,
        "unpriced": tally.unpriced,
        "unmeasured": tally.unmeasured,
        "input": tally.usage.input_tokens,
        "cached": tally.usage.cached_tokens,
        "cache_writes": tally.usage.cache_write_tokens,
        "output": tally.usage.output_tokens,
        "thinking": tally.usage.thinking_tokens,
        "pico_usd": int(tally.cost_usd.scaleb(PICO).to_integral_value()),
    }


def _day_row(row: str, counts: Mapping[str, int]) -> DayRow:
    """Counters that another version keeps are left aside."""
    provider, model, operation, prompt = json.loads(row)
    usage = Usage(
        input_tokens=counts.get("input", 0),
        cached_tokens=counts.get("cached", 0),
        cache_write_tokens=counts.get("cache_writes", 0),
        output_tokens=counts.get("output", 0),
        thinking_tokens=counts.get("thinking", 0),
    )
    summed = Tally(
        calls=counts.get("calls", 0),
        failed=counts.get("failed", 0),
        given_up=counts.get("given_up", 0),
        unpriced=counts.get("unpriced", 0),
        unmeasured=counts.get("unmeasured", 0),
        usage=usage,
        cost_usd=Decimal(counts.get("pico_usd", 0)).scaleb(-PICO),
    )
    return DayRow(provider=provider, model=model, operation=operation, prompt=prompt, tally=summed)
