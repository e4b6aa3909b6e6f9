"""An event loop on which waiting takes no time, so that a test of hours is exact and over at once.

The clock stands still while anything can run, and jumps to the next timer when nothing can. Sockets,
threads and subprocesses would be overtaken by it: such tests run on an ordinary loop.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Deadlock(Exception):
    """Everything waits and no timer is set: on an ordinary loop this would hang. Names the coroutines that wait."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its clock begins at 1,000 s, so that neither 0 nor an empty deadline looks like a time."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.DefaultSelector):
    """Where an ordinary selector would sleep, the loop's clock is put forward instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Deadlock(", ".join(sorted(map(_where, asyncio.all_tasks(self._loop)))))
        self._loop.now += timeout
        return ready


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` on a loop of its own. Fails where it leaves a task behind, or an error unseen."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_leaving_nothing(work))


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Makes an async test a plain one that runs on virtual time; goes with Hypothesis, inside `@given`.

    Async fixtures live on pytest's own loop and are not for such a test.
    """

    @functools.wraps(test)
    def on_its_own_loop(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return on_its_own_loop


async def _leaving_nothing(work: Coroutine[Any, Any, T]) -> T:
    unseen: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(repr(context)))
    result = await work
    left = [_where(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, f"left behind: {', '.join(sorted(left))}"
    assert not unseen, unseen
    return result


def _where(task: asyncio.Task[Any]) -> str:
    """The coroutines that the task stands in, the innermost last."""
    standing: list[str] = []
    coroutine: Any = task.get_coro()
    while inspect.iscoroutine(coroutine):
        standing.append(coroutine.__qualname__)
        coroutine = coroutine.cr_await
    return " > ".join(standing)
