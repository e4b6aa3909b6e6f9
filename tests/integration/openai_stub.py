"""A server on loopback that records chat completion requests and replies as it is told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

MODEL = "gpt-5-mini-2025-08-07"
USAGE = {"prompt_tokens": 1500, "completion_tokens": 240, "prompt_tokens_details": {"cached_tokens": 1152}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    path: str
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


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection closes without a byte."""


@dataclass(frozen=True, slots=True)
class Stall:
    """No response at all, until the client goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """A response that comes byte by byte, one every `every_s`, and never ends."""

    every_s: float


Reply = Respond | HangUp | Stall | Drip
Script = Reply | Callable[[Received], Reply]


def completion(content: str | None, **changes: Any) -> Respond:
    """A good reply with this content; `changes` replace fields of it, `finish_reason` and `refusal` in its choice."""
    choice = {
        "index": 0,
        "finish_reason": changes.pop("finish_reason", "stop"),
        "message": {"role": "assistant", "content": content, "refusal": changes.pop("refusal", None)},
    }
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
    return respond_json({**whole, "usage": USAGE, **changes})


def respond_json(value: Any, *, status: int = 200, **headers: str) -> Respond:
    sent = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Respond(status=status, headers=sent, body=json.dumps(value).encode())


class OpenAIStub:
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
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def script(self, *replies: Script) -> None:
        self._script = deque(replies)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OpenAIStub]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
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
            case HangUp():
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


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    """The next request of a connection, or None once the client has closed it."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    start, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(path=start.split()[1], headers=headers, raw=raw)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
