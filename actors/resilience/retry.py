"""Another attempt at the same provider, after a pause, where the fault may have passed by then.

The pause depends on the error, on the call's deadline and on a source of randomness that is given, so
that a schedule can be repeated. Stamina would have left only its loop in use: its own pauses draw on
the process's `random` and have a fixed part, its switches (`set_active`, `set_testing`) hold for the
whole process, and it asks its hook about a cancellation as about any other error.
"""

from __future__ import annotations

import asyncio
from random import Random

from actors.providers.port import HANDLING, Call, Provider, ProviderError, Reply
from actors.resilience.hearing import Hearing


class Retried:
    """At most `attempts`, for faults that `HANDLING` calls to try again.

    The pause before attempt n + 1 is drawn from 0 to `backoff_s` x 2^(n - 1), at most `longest_backoff_s`
    (full jitter), and comes on top of what the provider wishes for. A provider that wishes for more than
    `patience_s`, or for more than the call's deadline leaves, is not asked again.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        rng: Random,
        attempts: int,
        backoff_s: float,
        longest_backoff_s: float,
        patience_s: float,
    ) -> None:
        self._inner = inner
        self._rng = rng
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._longest_backoff_s = longest_backoff_s
        self._patience_s = patience_s

    async def call(self, call: Call) -> Reply:
        hearing = Hearing(call)
        for attempt in range(1, self._attempts):
            try:
                return await self._inner.call(hearing.call)
            except ProviderError as error:
                pause_s = self._pause_s(error, attempt)
                if not self._is_worth_it(error, pause_s, call.deadline):
                    raise
            await asyncio.sleep(pause_s)
            hearing.take_back()
        return await self._inner.call(hearing.call)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _pause_s(self, error: ProviderError, attempt: int) -> float:
        ceiling_s = min(self._longest_backoff_s, self._backoff_s * 2 ** (attempt - 1))
        return (error.retry_after_s or 0.0) + self._rng.uniform(0.0, ceiling_s)

    def _is_worth_it(self, error: ProviderError, pause_s: float, deadline: float) -> bool:
        return (
            HANDLING[error.fault].again
            and (error.retry_after_s or 0.0) <= self._patience_s
            and asyncio.get_running_loop().time() + pause_s < deadline
        )
