"""Where messages about alerts arrive on this machine: a mail server and a webhook, each real to whoever sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from time import time
from typing import NamedTuple

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Arrived(NamedTuple):
    """`at_s` is Unix time."""

    at_s: float
    title: str
    text: str


@dataclass
class Sink:
    """What has arrived; while `away` every message is turned down."""

    address: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    turned_down: int = 0
    away: bool = False

    def take(self, title: str, text: str) -> bool:
        if self.away:
            self.turned_down += 1
            return False
        self.arrived.append(Arrived(time(), title, text))
        return True


@asynccontextmanager
async def mail_sink() -> AsyncIterator[Sink]:
    """An SMTP server on a free port; its address as apprise writes it."""
    sink = Sink()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await say("220 sink")
        while line := (await reader.readline()).decode(errors="replace").strip():
            verb = line.split(maxsplit=1)[0].upper()
            if verb == "QUIT":
                await say("221 bye")
                return
            if verb == "DATA":
                await say("354 go on")
                data = await reader.readuntil(b"\r\n.\r\n")
                await say("250 taken" if _mailed(sink, data.removesuffix(b".\r\n")) else "451 not now")
            elif verb in ("EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP"):
                await say("250 sink")
            else:
                await say("502 unknown")

    async with _listening(talk) as port:
        sink.address = f"mailto://127.0.0.1:{port}?from=askwell@sink.example&to=operator@sink.example&mode=insecure"
        yield sink


@asynccontextmanager
async def web_sink() -> AsyncIterator[Sink]:
    """An HTTP server on a free port that takes apprise's JSON; its address as apprise writes it."""
    sink = Sink()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(row.split(":")[1]) for row in head.splitlines() if row.startswith("content-length:"))
        sent = json.loads(await reader.readexactly(length))
        status = "200 OK" if sink.take(sent["title"], sent["message"]) else "503 Service Unavailable"
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()

    async with _listening(talk) as port:
        sink.address = f"json://127.0.0.1:{port}/alerts"
        yield sink


def _mailed(sink: Sink, data: bytes) -> bool:
    message = message_from_bytes(data, policy=policy.default)
    body = message.get_body(("plain",))
    return sink.take(str(message["subject"]), "" if body is None else str(body.get_content()))


@asynccontextmanager
async def _listening(talk: Handler) -> AsyncIterator[int]:
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender has gone, which its own side reports
        finally:
            writer.close()

    server = await asyncio.start_server(whole, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
