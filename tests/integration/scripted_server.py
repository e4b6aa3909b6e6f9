"""An HTTP server on loopback that records what it is sent and replies as it is told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """`target` is the request line's, a whole URL where the server is used as a proxy."""

    target: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """A response; one whose `body` is shorter than `length` ends in the middle."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An event stream that comes part by part; an `Event` among them is waited for.

    Without its `end` the connection closes in the middle of it.
    """

    parts: tuple[bytes | asyncio.Event, ...]
    end: bool = True


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection closes without a byte."""


@dataclass(frozen=True, slots=True)
class Babble:
    """Bytes that are no HTTP, then the end of the connection."""

    said: bytes


@dataclass(frozen=True, slots=True)
class Stall:
    """No response at all, until the client goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """A response that comes byte by byte, one every `every_s`, and never ends."""

    every_s: float


Reply = Respond | Stream | HangUp | Babble | Stall | Drip
Script = Reply | Callable[[Received], Reply]


def respond_json(value: Any, *, status: int = 200, **headers: str) -> Respond:
    sent = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Respond(status=status, headers=sent, body=json.dumps(value).encode())


class ScriptedServer:
    """Plays `script` in order, its last reply again and again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.abandoned = asyncio.Event()
        self._script: deque[Script] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def script(self, *replies: Script) -> None:
        self._script = deque(replies)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ScriptedServer]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def ended(self) -> None:
        """Returns once every connection has been closed."""
        await asyncio.gather(*self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (received := await _receive(reader)) is not None:
                self.received.append(received)
                self.arrived.set()
                scripted = self._script[0] if len(self._script) == 1 else self._script.popleft()
                if not await self._play(scripted(received) if callable(scripted) else scripted, reader, writer):
                    return
        except ConnectionError:
            self.abandoned.set()
        finally:
            writer.close()

    async def _play(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can take another request."""
        match reply:
            case Respond(body=body, length=length):
                writer.write(_head(reply.status, {**reply.headers, "content-length": str(length or len(body))}) + body)
                await writer.drain()
                return length is None
            case Stream(parts=parts, end=end):
                return await self._stream(parts, end, reader, writer)
            case HangUp():
                return False
            case Babble(said=said):
                writer.write(said)
                await writer.drain()
                return False
            case Stall():
                await reader.read()
                self.abandoned.set()
                return False
            case Drip(every_s=every_s):
                writer.write(_head(200, {"content-type": "application/json", "content-length": "1000000"}))
                while not reader.at_eof():
                    writer.write(b" ")
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(), every_s)
                self.abandoned.set()
                return False

    async def _stream(
        self,
        parts: tuple[bytes | asyncio.Event, ...],
        end: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        for part in parts:
            if isinstance(part, bytes):
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                await writer.drain()
            elif not await _happened(part, reader):
                self.abandoned.set()
                return False
        if end:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return end


async def _happened(event: asyncio.Event, reader: asyncio.StreamReader) -> bool:
    """False where the client goes away first."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(reader.read(1))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return event.is_set()
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    """The next request of a connection, or None once the client has closed it."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    start, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(target=start.split()[1], headers=headers, raw=raw)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
