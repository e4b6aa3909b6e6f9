"""A tenant's tokens of a day: reserved before a call, settled after it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from actors.providers.port import Call, Fault, Provider, ProviderError, Reply
from actors.resilience.bookkeeping import Bookkeeping
from state.errors import BudgetSpent
from state.spending import Ledger, Usage

_DAY_S = 86_400
_CHARACTERS_A_TOKEN = 4
_UNCHARGED = frozenset(
    {
        Fault.UNREACHABLE,
        Fault.THROTTLED,
        Fault.QUOTA_SPENT,
        Fault.FAILING,
        Fault.TURNED_DOWN,
        Fault.OPEN_CIRCUIT,
    }
)
"""Faults of calls that no model has worked on."""


class Budgeted:
    """Makes a call only if the most it can use still fits into the tenant's `limit` of tokens for the UTC day.

    The most is a token for every 4 characters sent and the call's `max_output_tokens`. Afterwards the
    reservation is replaced by what was used, input and output; by nothing where no model has
    worked; and by its input alone where that is unknown: a call given up may be charged all the same.

    Raises `BudgetSpent` with the time until the day ends, and `StoreUnavailable` where the ledger cannot
    be asked. A ledger that cannot settle loses no reply. With a `limit` of 0 or None the ledger is never asked.
    """

    def __init__(
        self, inner: Provider, *, ledger: Ledger, now_ms: Callable[[], int], limit: int | None, patience_s: float
    ) -> None:
        self._inner = inner
        self._ledger = ledger
        self._now_ms = now_ms
        self._limit = limit
        self._books = Bookkeeping(event="budget_not_settled", patience_s=patience_s)

    async def call(self, call: Call) -> Reply:
        if not self._limit:
            return await self._inner.call(call)
        now_ms = self._now_ms()
        sent = math.ceil(call.characters / _CHARACTERS_A_TOKEN)
        reserved = sent + call.max_output_tokens
        await self._reserve(call.origin.tenant, now_ms, reserved, self._limit)

        async def settle(used: int) -> None:
            await self._ledger.settle(tenant=call.origin.tenant, now_ms=now_ms, reserved=reserved, used=used)

        try:
            reply = await self._inner.call(call)
        except ProviderError as error:
            await self._books.finish(settle(_used(error, sent)))
            raise
        except BaseException:
            self._books.begin(settle(sent))
            raise
        await self._books.finish(settle(_total(reply.usage)))
        return reply

    async def aclose(self) -> None:
        await self._books.drain()
        await self._inner.aclose()

    async def _reserve(self, tenant: str, now_ms: int, tokens: int, limit: int) -> None:
        reserving = asyncio.create_task(self._ledger.reserve(tenant=tenant, now_ms=now_ms, tokens=tokens, limit=limit))
        try:
            granted = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            self._books.begin(self._undo(reserving, tenant, now_ms, tokens))
            raise
        if not granted:
            raise BudgetSpent(retry_after_s=_DAY_S - now_ms / 1000 % _DAY_S)

    async def _undo(self, reserving: asyncio.Task[bool], tenant: str, now_ms: int, tokens: int) -> None:
        if await reserving:
            await self._ledger.settle(tenant=tenant, now_ms=now_ms, reserved=tokens, used=0)


def _used(error: ProviderError, sent: int) -> int:
    if error.usage is not None:
        return _total(error.usage)
    return 0 if error.fault in _UNCHARGED else sent


def _total(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
