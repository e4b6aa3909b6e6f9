"""A tenant's tokens of a day: reserved before a call, settled after it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

from actors.providers.port import Call, Fault, Provider, ProviderError, Reply
from actors.resilience.bookkeeping import Bookkeeping
from state.errors import BudgetSpent, StoreUnavailable
from state.spending import Ledger, Usage

_DAY_S = 86_400
_CHARACTERS_A_TOKEN = 3
_UNCHARGED = frozenset(
    {
        Fault.UNREACHABLE,
        Fault.THROTTLED,
        Fault.QUOTA_SPENT,
        Fault.FAILING,
        Fault.TURNED_DOWN,
        Fault.UNFIT,
        Fault.OPEN_CIRCUIT,
    }
)
"""Faults of calls that no model has worked on, as long as nothing of a reply was heard."""


class Budgeted:
    """Makes a call only if its reservation still fits into the tenant's `limit` of tokens for the UTC day.

    Reserved are a token for every 3 characters sent, which is an estimate, and `most_output_tokens` of the
    call, which is what the wire asks for. Afterwards the reservation is replaced by what was used, input and
    output; where that is unknown, by nothing if no model has worked, else by the estimate of the input and
    of what was heard of the reply: a call that broke or was given up may be charged all the same.

    Raises `BudgetSpent` with the time until the day ends, and `StoreUnavailable` where the ledger cannot
    be asked or takes longer than `patience_s`. A ledger that cannot settle loses no reply. With a `limit` of
    0 or None the ledger is never asked.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        most_output_tokens: Callable[[Call], int],
        ledger: Ledger,
        now_ms: Callable[[], int],
        limit: int | None,
        patience_s: float,
    ) -> None:
        self._inner = inner
        self._most_output_tokens = most_output_tokens
        self._ledger = ledger
        self._now_ms = now_ms
        self._limit = limit
        self._patience_s = patience_s
        self._books = Bookkeeping(event="budget_not_settled", patience_s=patience_s)

    async def call(self, call: Call) -> Reply:
        if not self._limit:
            return await self._inner.call(call)
        now_ms, estimate = self._now_ms(), _Estimate(call)
        reserved = estimate.tokens + self._most_output_tokens(call)
        await self._reserve(call.origin.tenant, now_ms, reserved, self._limit)

        async def settle(used: int) -> None:
            await self._ledger.settle(tenant=call.origin.tenant, now_ms=now_ms, reserved=reserved, used=used)

        try:
            reply = await self._inner.call(estimate.call)
        except ProviderError as error:
            await self._books.finish(settle(_used(error, estimate)))
            raise
        except BaseException:
            self._books.begin(settle(estimate.tokens))
            raise
        await self._books.finish(settle(_total(reply.usage)))
        return reply

    async def aclose(self) -> None:
        await self._books.drain()
        await self._inner.aclose()

    async def _reserve(self, tenant: str, now_ms: int, tokens: int, limit: int) -> None:
        reserving = asyncio.create_task(self._ledger.reserve(tenant=tenant, now_ms=now_ms, tokens=tokens, limit=limit))
        try:
            answered, _ = await asyncio.wait({reserving}, timeout=self._patience_s)
        except asyncio.CancelledError:
            self._books.begin(self._undo(reserving, tenant, now_ms, tokens))
            raise
        if not answered:
            self._books.begin(self._undo(reserving, tenant, now_ms, tokens))
            raise StoreUnavailable(cause="TimeoutError")
        if not reserving.result():
            raise BudgetSpent(retry_after_s=_DAY_S - now_ms / 1000 % _DAY_S)

    async def _undo(self, reserving: asyncio.Task[bool], tenant: str, now_ms: int, tokens: int) -> None:
        if await reserving:
            await self._ledger.settle(tenant=tenant, now_ms=now_ms, reserved=tokens, used=0)


class _Estimate:
    """Of the tokens that a call has cost so far, by its characters. `call` is the given one, overheard."""

    def __init__(self, call: Call) -> None:
        self._sent = math.ceil(call.characters / _CHARACTERS_A_TOKEN)
        self._heard = call.heard
        self._heard_characters = 0
        self.call = call if call.heard is None else replace(call, heard=self._hear)

    @property
    def tokens(self) -> int:
        return self._sent + math.ceil(self._heard_characters / _CHARACTERS_A_TOKEN)

    @property
    def has_begun(self) -> bool:
        """Whether anything of the reply was heard."""
        return self._heard_characters > 0

    def _hear(self, piece: str | None) -> None:
        self._heard_characters += len(piece or "")
        if self._heard is not None:
            self._heard(piece)


def _used(error: ProviderError, estimate: _Estimate) -> int:
    if error.usage is not None:
        return _total(error.usage)
    return 0 if error.fault in _UNCHARGED and not estimate.has_begun else estimate.tokens


def _total(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
