"""One record for every call that goes out to a provider for embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from actors.providers.port import ProviderError
from actors.resilience.bookkeeping import Bookkeeping
from actors.resilience.recording import Price
from state.messages import Origin
from state.metrics.labels import variant_of
from state.metrics.recorder import SILENT, Recorder, record_call
from state.spending import CallRecord, CallStatus, Ledger, Usage


@dataclass(slots=True, kw_only=True)
class EmbeddingCall:
    """A call under way: what is known of it so far. `usage` stays None for a provider that counts none."""

    origin: Origin
    provider: str
    model: str
    usage: Usage | None = None


class Records(Protocol):
    """Where calls are recorded, behind the back of whoever made them."""

    def around(self, call: EmbeddingCall) -> AbstractContextManager[EmbeddingCall]:
        """Records what becomes of `call` within: answered, failed with a `ProviderError`, or given up."""
        ...

    async def drain(self) -> None:
        """Returns once nothing is left to record."""
        ...


class EmbeddingRecords:
    """Implements `Records` over a ledger. A record that cannot be kept is logged and loses no vector."""

    def __init__(self, *, ledger: Ledger, price: Price, now_ms: Callable[[], int], recorder: Recorder = SILENT) -> None:
        self._ledger = ledger
        self._price = price
        self._now_ms = now_ms
        self._recorder = recorder
        self._books = Bookkeeping(event="call_not_recorded", patience_s=0.0)

    @contextmanager
    def around(self, call: EmbeddingCall) -> Iterator[EmbeddingCall]:
        at_ms, began = self._now_ms(), asyncio.get_running_loop().time()
        status, fault = CallStatus.GIVEN_UP, ""
        try:
            yield call
            status = CallStatus.ANSWERED
        except ProviderError as error:
            status, fault, call.usage = CallStatus.FAILED, error.fault, error.usage
            raise
        finally:
            latency_ms = (asyncio.get_running_loop().time() - began) * 1000
            record = self._record(call, status, fault, at_ms, latency_ms)
            record_call(self._recorder, record, variant=variant_of(call.origin.flags))
            self._books.begin(self._ledger.record(record))

    async def drain(self) -> None:
        await self._books.drain()

    def _record(self, call: EmbeddingCall, status: CallStatus, fault: str, at_ms: int, latency_ms: float) -> CallRecord:
        return CallRecord(
            at_ms=at_ms,
            tenant=call.origin.tenant,
            session_id=call.origin.session_id,
            operation="embed",
            prompt="",
            provider=call.provider,
            model=call.model,
            status=status,
            fault=fault,
            usage=call.usage,
            cost_usd=None if call.usage is None else self._price(call.provider, call.model, call.usage),
            legacy_input_tokens=0,
            latency_ms=latency_ms,
        )


class Unrecorded:
    """Implements `Records` where nobody keeps them."""

    @contextmanager
    def around(self, call: EmbeddingCall) -> Iterator[EmbeddingCall]:
        yield call

    async def drain(self) -> None:
        """Nothing is under way."""
