"""The `SessionActor` port of `serve_app.routing` over a worker's socket."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from loadtests.chaos.hosts import Host
from loadtests.chaos.worker import frame, read_frame
from serve_app.routing import Lost
from state.errors import AskwellError

Answered = Callable[[Host, int, str], None]
"""Told of every call that a worker has answered well: its host, which of its lives, the session."""


class WorkerActor:
    """A worker as its callers see it: gone, silent or there. `stray` callers reach it behind a cut too."""

    def __init__(self, host: Host, answered: Answered | None = None, *, stray: bool = False) -> None:
        self.name = host.name
        self._host = host
        self._answered = answered
        self._stray = stray
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def once(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The method's result. Raises what the method raises, and `Lost` where no answer comes any more."""
        self._require_reachable()
        connection = await self._connected()
        try:
            result = await connection.ask(method, args, kwargs)
        except AskwellError:
            self._require_reachable()
            raise
        self._require_reachable()
        if self._answered is not None and (session_id := _session_of(method, args)):
            self._answered(self._host, connection.life, session_id)
        return result

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.aclose()

    def _require_reachable(self) -> None:
        if self._host.cut and not self._stray:
            raise Lost(f"{self.name} is cut off.")

    async def _connected(self) -> _Connection:
        async with self._connecting:
            if self._connection is None or self._connection.ended:
                life = self._host.life
                try:
                    streams = await asyncio.open_unix_connection(self._host.socket)
                except OSError as error:
                    raise Lost(f"{self.name} is not there.") from error
                self._connection = _Connection(*streams, life=life, name=self.name)
            return self._connection


class _Connection:
    """Calls under way on one connection, by number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, life: int, name: str) -> None:
        self.life = life
        self._name = name
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listening = asyncio.create_task(self._listen())

    @property
    def ended(self) -> bool:
        return self._listening.done()

    async def ask(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.ended or self._writer.is_closing():
            raise Lost(f"{self._name} is gone.")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(frame((number, method, args, kwargs)))
            return await answer
        except OSError as error:
            raise Lost(f"{self._name} is gone.") from error
        finally:
            self._waiting.pop(number, None)

    async def aclose(self) -> None:
        self._listening.cancel()
        await asyncio.wait({self._listening})

    async def _listen(self) -> None:
        try:
            while True:
                number, fine, value = await read_frame(self._reader)
                answer = self._waiting.get(number)
                if answer is None or answer.done():
                    continue
                if fine:
                    answer.set_result(value)
                else:
                    answer.set_exception(value)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(Lost(f"{self._name} is gone."))
            self._writer.close()


def _session_of(method: str, args: tuple[Any, ...]) -> str:
    if method in {"create", "reply"}:
        session_id: str = args[0].session_id
        return session_id
    return args[1] if method in {"read", "watch"} else ""
