"""The next provider, where one brings no reply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.providers.port import Call, Provider, ProviderError, Reply
from actors.resilience.hearing import Hearing
from actors.resilience.late import late_at
from actors.resilience.target import ANYONE


@dataclass(frozen=True, slots=True)
class _Failure:
    error: ProviderError
    at: float

    @property
    def due(self) -> float:
        return self.at + (self.error.retry_after_s or 0.0)


class Failover:
    """Asks `providers` in order until one replies.

    Each may take its share of the time that is left: half of it if there is one more provider, all of
    it if there is none. One that fails at once, such as behind an open circuit, costs the others nothing.

    Where all fail, the error raised is the one whose provider wishes to be asked again soonest, with the
    wait counted from now: from then on the call may succeed. Where none names a time, it is the last one.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)

    async def call(self, call: Call) -> Reply:
        hearing = Hearing(call)
        failures: list[_Failure] = []
        now = asyncio.get_running_loop().time
        for left, provider in zip(range(len(self._providers), 0, -1), self._providers, strict=True):
            share_ends = call.deadline if left == 1 else now() + (call.deadline - now()) / left
            hearing.take_back()
            try:
                async with late_at(share_ends, ANYONE, call):
                    return await provider.call(replace(hearing.call, deadline=share_ends))
            except ProviderError as error:
                failures.append(_Failure(error, now()))
        raise _most_telling(failures, now())

    async def aclose(self) -> None:
        for provider in self._providers:
            await provider.aclose()


def _most_telling(failures: Sequence[_Failure], now: float) -> ProviderError:
    timed = [failure for failure in failures if failure.error.retry_after_s is not None]
    if not timed:
        return failures[-1].error
    soonest = min(timed, key=lambda failure: failure.due)
    soonest.error.retry_after_s = max(0.0, soonest.due - now)
    return soonest.error
