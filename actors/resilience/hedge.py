"""A second, identical call where the first takes unusually long; the first reply counts.

What is unusual is read from the last replies themselves: a bounded window forgets how fast a provider
was an hour ago, which a sketch of all replies, such as ddsketch keeps, does not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from actors.providers.port import Call, Provider, ProviderError, Reply
from state.errors import AskwellError

_TOKEN = 1_000_000
_WINDOW = 200
_QUANTILE = 0.95


class Hedged:
    """Calls `inner` again once a call is slower than 95 % of the last 200 of its operation and model variant.

    At most `share` of the calls are doubled, exactly: each call brings that part of a token, a second call
    costs a whole one, and at most `burst` are saved up. There is no second call before `min_samples`
    replies have been timed, nor after the first has begun to speak. Of two, the first reply wins and the other
    is cancelled; an error waits for the other; the listener never hears the two mixed.
    """

    def __init__(self, inner: Provider, *, share: float, min_samples: int, burst: int) -> None:
        self._inner = inner
        self._income = round(share * _TOKEN)
        self._min_samples = min_samples
        self._most = burst * _TOKEN
        self._tokens = 0
        self._took_s: dict[tuple[str, str], deque[float]] = {}

    async def call(self, call: Call) -> Reply:
        self._tokens = min(self._most, self._tokens + self._income)
        took_s = self._took_s.setdefault((call.operation, call.variant), deque(maxlen=_WINDOW))
        began = asyncio.get_running_loop().time()
        if len(took_s) < self._min_samples:
            reply = await self._inner.call(call)
        else:
            reply = await self._raced(call, _quantile(took_s))
        # of a first call that lost, this is the least it would have taken: it stays above the quantile
        took_s.append(asyncio.get_running_loop().time() - began)
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _raced(self, call: Call, patience_s: float) -> Reply:
        race = _Race(self._inner, call)
        try:
            race.start()
            if await race.is_silent_for(patience_s) and self._tokens >= _TOKEN:
                self._tokens -= _TOKEN
                race.start()
            return await race.won()
        finally:
            await race.end()


class _Race:
    """One call under way once or twice. Whoever speaks first is heard; the other is kept for when it fails."""

    def __init__(self, inner: Provider, call: Call) -> None:
        self._inner = inner
        self._call = call
        self._running: dict[asyncio.Task[Reply], int] = {}
        self._said: list[list[str]] = []
        self._speaker: int | None = None

    def start(self) -> None:
        number = len(self._said)
        self._said.append([])
        heard = None if self._call.heard is None else partial(self._hear, number, self._call.heard)
        self._running[asyncio.create_task(_reply(self._inner, replace(self._call, heard=heard)))] = number

    async def is_silent_for(self, seconds: float) -> bool:
        done, _ = await asyncio.wait(self._running, timeout=seconds)
        return not done and self._speaker is None

    async def won(self) -> Reply:
        """The first reply. Raises the last error where there is none."""
        while True:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=self._running.__getitem__):
                number = self._running.pop(task)
                try:
                    reply = task.result()
                except (ProviderError, AskwellError):
                    if not self._running:
                        raise
                    self._hand_over(number, to=next(iter(self._running.values())))
                else:
                    self._hand_over(self._speaker, to=number)
                    return reply

    async def end(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        for task in self._running:
            if not task.cancelled():
                task.exception()  # seen, so that asyncio does not report it as lost

    def _hear(self, number: int, heard: Callable[[str | None], None], piece: str | None) -> None:
        if piece is None:
            self._said[number].clear()
        else:
            self._said[number].append(piece)
            if self._speaker is None:
                self._speaker = number
        if self._speaker == number:
            heard(piece)

    def _hand_over(self, number: int | None, *, to: int) -> None:
        """If `number` is the one that was heard, take that back and go on with what the other has said so far."""
        heard = self._call.heard
        if heard is None or number is None or number != self._speaker or number == to:
            return
        if self._said[number]:
            heard(None)
        self._speaker = to if self._said[to] else None
        if self._said[to]:
            heard("".join(self._said[to]))


async def _reply(inner: Provider, call: Call) -> Reply:
    return await inner.call(call)


def _quantile(samples: deque[float]) -> float:
    return sorted(samples)[min(int(len(samples) * _QUANTILE), len(samples) - 1)]
