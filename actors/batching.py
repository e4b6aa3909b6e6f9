"""What arrives together is asked for in one call: natural batching, which adds no wait of its own.

While fewer than `LANES` calls of a kind are under way, a request goes out at once. What comes while all are taken is
collected, and goes out together as soon as one of them ends: the busier the other side, the larger the batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from state.errors import RetryLater

Kind = TypeVar("Kind", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

LANES = 2
"""Calls of one kind at once; two, so that one that hangs does not hold up all others."""


@dataclass(slots=True)
class _Lane(Generic[Item, Result]):
    waiting: list[tuple[Item, asyncio.Future[Result]]] = field(default_factory=list)
    under_way: int = 0


class Batching(Generic[Kind, Item, Result]):
    """Puts the items of many callers before `ask`, which gives a result for each, in their order.

    Only items of one kind share a call, of at most `most` items. Where a shared call fails with anything but a
    `RetryLater`, each item is asked for alone, so that a bad one fails its own caller and nobody else.
    """

    def __init__(self, ask: Callable[[Kind, list[Item]], Awaitable[Sequence[Result]]], *, most: int) -> None:
        self._ask = ask
        self._most = most
        self._lanes: dict[Kind, _Lane[Item, Result]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def results(self, kind: Kind, items: Sequence[Item]) -> list[Result]:
        """The items' results; a caller that is cancelled leaves the call to the others."""
        loop = asyncio.get_running_loop()
        lane = self._lanes.setdefault(kind, _Lane())
        futures: list[asyncio.Future[Result]] = [loop.create_future() for _ in items]
        lane.waiting += zip(items, futures, strict=True)
        if lane.under_way < LANES:
            self._begin(kind, lane)
        return await asyncio.gather(*futures)

    def _begin(self, kind: Kind, lane: _Lane[Item, Result]) -> None:
        lane.under_way += 1
        call = asyncio.create_task(self._call(kind, lane))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, kind: Kind, lane: _Lane[Item, Result]) -> None:
        """One call after another until nothing waits."""
        try:
            while lane.waiting:
                batch, lane.waiting = lane.waiting[: self._most], lane.waiting[self._most :]
                await self._answer(kind, [(item, future) for item, future in batch if not future.done()])
        finally:
            lane.under_way -= 1
            if not lane.under_way:
                self._lanes.pop(kind, None)

    async def _answer(self, kind: Kind, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._ask(kind, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers'
            if len(batch) == 1 or isinstance(error, RetryLater):
                for _, future in batch:
                    _fail(future, error)
                return
            for one in batch:
                await self._answer(kind, [one])
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


def _fail(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # seen here: a caller that was cancelled asks for it no more
