"""One record for every call that goes out to a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from actors.providers.port import Call, Fault, Provider, ProviderError, Reply
from actors.resilience.bookkeeping import Bookkeeping
from actors.resilience.late import has_passed
from actors.resilience.target import Target
from state.metrics.labels import CacheLevel, variant_of
from state.metrics.recorder import SILENT, Recorder, operation_of, record_call
from state.spending import CallRecord, CallStatus, Ledger, Usage

Price = Callable[[str, str, Usage], float | None]
"""US dollars for a provider's model and a usage; None where no price is known."""


class Recorded:
    """Records every call, answered, failed or given up, with its usage, its price and the time it took.

    A call cancelled at its deadline has failed, with LATE; one cancelled before that is given up. Under a name
    of `target` stands only a call that was cancelled; the others bring the provider's own. A record that
    cannot be kept in the ledger is logged and loses no reply; `recorder` is told of each in any case.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        ledger: Ledger,
        price: Price,
        now_ms: Callable[[], int],
        target: Target,
        patience_s: float,
        recorder: Recorder = SILENT,
    ) -> None:
        self._inner = inner
        self._ledger = ledger
        self._price = price
        self._now_ms = now_ms
        self._target = target
        self._recorder = recorder
        self._books = Bookkeeping(event="call_not_recorded", patience_s=patience_s)

    async def call(self, call: Call) -> Reply:
        at_ms, began = self._now_ms(), asyncio.get_running_loop().time()
        record = partial(self._record, call, at_ms=at_ms, began=began)
        try:
            reply = await self._inner.call(call)
        except ProviderError as error:
            failed = record(CallStatus.FAILED, error.provider, error.model, usage=error.usage, fault=error.fault)
            await self._books.finish(self._ledger.record(failed))
            raise
        except BaseException as error:
            late = isinstance(error, asyncio.CancelledError) and has_passed(call.deadline)
            status, fault = (CallStatus.FAILED, Fault.LATE) if late else (CallStatus.GIVEN_UP, "")
            ended = record(status, self._target.provider, self._target.model_for(call), fault=fault)
            self._books.begin(self._ledger.record(ended))
            raise
        answered = record(CallStatus.ANSWERED, reply.provider, reply.model, usage=reply.usage)
        self._look_at_prefix_cache(answered, reply.usage)
        await self._books.finish(self._ledger.record(answered))
        return reply

    async def aclose(self) -> None:
        await self._books.drain()
        await self._inner.aclose()

    def _record(
        self,
        call: Call,
        status: CallStatus,
        provider: str,
        model: str,
        *,
        at_ms: int,
        began: float,
        usage: Usage | None = None,
        fault: str = "",
    ) -> CallRecord:
        made = CallRecord(
            at_ms=at_ms,
            tenant=call.origin.tenant,
            session_id=call.origin.session_id,
            operation=call.operation,
            prompt=call.prompt,
            provider=provider,
            model=model,
            status=status,
            fault=fault,
            usage=usage,
            cost_usd=None if usage is None else self._price(provider, model, usage),
            legacy_input_tokens=call.legacy_input_tokens,
            latency_ms=(asyncio.get_running_loop().time() - began) * 1000,
        )
        record_call(self._recorder, made, priority=call.priority, variant=variant_of(call.origin.flags))
        return made

    def _look_at_prefix_cache(self, answered: CallRecord, usage: Usage) -> None:
        """A lookup for each call whose tokens the provider counts, however short its prefix is."""
        if usage.input_tokens:
            found = bool(usage.cached_tokens)
            operation = operation_of(answered.operation)
            self._recorder.looked_up(CacheLevel.PROMPT, operation, hits=int(found), misses=int(not found))
