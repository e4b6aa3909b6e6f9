"""Processes of a simulation, all on one event loop of virtual time.

Every callback belongs to the process in whose context it was scheduled. A frozen process's callbacks wait until
it is thawed, as under SIGSTOP; a dead one's tasks are cancelled, and its ports keep all that they still try from
having an effect. Work for threads is done on the loop itself, after a while.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar

from tests.virtual_time import Deadlock, VirtualTimeLoop

T = TypeVar("T")
_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Process:
    """`at_step`, where set, is called before that callback of the process: between any two of its awaits."""

    def __init__(self, name: str, loop: SimLoop) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.steps = 0
        self.at_step: dict[int, Callable[[], None]] = {}
        self.writing: partial[Any] | None = None
        self.unsent: list[Callable[[], None]] = []
        self._loop = loop
        self._waiting: deque[_Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = copy_context()
        self._context.run(_PROCESS.set, self)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._loop.create_task(work, context=self._context.copy())

    def inside(self, action: Callable[..., T], *args: Any) -> T:
        """Call something of this process."""
        return self._context.copy().run(action, *args)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        for send in self.unsent if self.alive else ():
            self._loop.after(0.0, send)
        self.unsent.clear()
        self._loop.resume(self._waiting)

    def kill(self) -> None:
        self.alive = False
        self.at_step.clear()
        self.thaw()
        for task in self._tasks:
            task.cancel()

    def owns(self, task: asyncio.Task[Any]) -> None:
        self._tasks.append(task)
        if len(self._tasks) > 100:
            self._tasks = [task for task in self._tasks if not task.done()]

    def holds_back(self, handle: _Handle) -> bool:
        """Whether the callback has to wait; else it runs now."""
        if self.alive and not self.frozen:
            self.steps += 1
            if self.steps in self.at_step:
                self.at_step.pop(self.steps)()
        if self.frozen:
            self._waiting.append(handle)
            return True
        return False


class _Handle(events.TimerHandle):
    """A callback, now or at a time; made and run so often that it leaves out what debugging would want of it."""

    __slots__ = ("process",)

    def __init__(self, when: float, callback: Any, args: Any, loop: Any, context: Context) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._scheduled = False
        self._source_traceback = None
        self._repr = None
        self.process: Process | None = context.get(_PROCESS)

    def _run(self) -> None:
        if self.process is not None and self.process.holds_back(self):
            return
        try:
            self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as on any loop
            self._loop.call_exception_handler(
                {"message": f"Exception in callback {self._callback}", "exception": error}
            )


class SimLoop(VirtualTimeLoop):
    """Deterministic: callbacks run in the order in which they were scheduled."""

    _ready: deque[_Handle]

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, int, _Handle]] = []
        self._timers = 0
        self.outside = copy_context()
        self.unseen: list[str] = []
        self.disk_s: Callable[[], float] = lambda: 0.0
        self.set_task_factory(_made)
        self.set_exception_handler(lambda _, context: self.unseen.append(_told(context)))

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> events.Handle:  # type: ignore[override]
        handle = _Handle(0.0, callback, args, self, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> events.TimerHandle:  # type: ignore[override]
        timer = _Handle(when, callback, args, self, copy_context() if context is None else context)
        self._timers += 1
        heapq.heappush(self._due, (when, self._timers, timer))
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> events.TimerHandle:  # type: ignore[override]
        return self.call_at(self.now + delay, callback, *args, context=context)

    def after(self, delay_s: float, callback: Any, *args: Any) -> events.TimerHandle:
        """Call something that belongs to no process."""
        return self.call_at(self.now + delay_s, callback, *args, context=self.outside)

    def resume(self, waiting: deque[_Handle]) -> None:
        self._ready.extend(waiting)
        waiting.clear()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Threads would not be deterministic: the disk takes its time, and the loop does the work."""
        done: asyncio.Future[Any] = self.create_future()
        process = _PROCESS.get()

        def work() -> None:
            if process is not None:
                if not process.alive:
                    return
                process.writing = None
            try:
                result, error = func(*args), None
            except Exception as raised:  # noqa: BLE001 - the caller gets it
                result, error = None, raised
            if done.done():
                return  # who waited for the thread has gone; what it did is done
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)

        if process is not None:
            process.writing = func

        self.call_later(self.disk_s(), work)
        return done

    def _run_once(self) -> None:
        due, ready = self._due, self._ready
        while due and due[0][2]._cancelled:
            heapq.heappop(due)
        if not ready:
            if not due:
                raise Deadlock
            self.now = max(self.now, due[0][0])
        while due and due[0][0] <= self.now:
            ready.append(heapq.heappop(due)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


def current() -> Process | None:
    """The process in whose context this is called."""
    return _PROCESS.get()


def _made(loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    process = _PROCESS.get() if context is None else context.get(_PROCESS)
    if process is not None:
        process.owns(task)
    return task


def _told(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"raised: {context.get('message')}: {type(error).__name__}: {error}"
