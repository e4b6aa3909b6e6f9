"""How many calls the stub takes: raw sockets with keep-alive, the stub in a process of its own on this machine."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from functools import partial
from typing import cast

import psutil
import uvloop
from pydantic_core import to_json

from loadtests.provider_stub.server import HOST, Served, in_process_of_its_own

SESSIONS = 64
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def bench(*, seconds: float, connections: int) -> None:
    """Print the figures of one run: chat completions, not streamed, that answer from a prompt of about 12 KB."""
    requests = [_request(session) for session in range(SESSIONS)]
    with in_process_of_its_own() as served:
        uvloop.run(_load(served, requests, seconds=min(seconds, 1.0), connections=connections))
        process = psutil.Process(served.pid)
        before, began = process.cpu_times(), time.perf_counter()
        calls = uvloop.run(_load(served, requests, seconds=seconds, connections=connections))
        took_s = time.perf_counter() - began
        after = process.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    sys.stdout.write(
        f"{calls / took_s:,.0f} calls/s over {connections} connections, "
        f"{1000 * cpu_s / calls:.3f} CPU-ms a call (one core full: {calls / cpu_s:,.0f} calls/s), "
        f"prompt {len(requests[0]) / 1000:.1f} kB, {calls:,} calls in {took_s:.1f} s\n"
    )


async def _load(served: Served, requests: list[bytes], *, seconds: float, connections: int) -> int:
    loop = asyncio.get_running_loop()
    clients = []
    for place in range(connections):
        _, client = await loop.create_connection(partial(_Client, requests, place), HOST, served.port)
        clients.append(client)
    done, _ = await asyncio.wait([client.lost for client in clients], timeout=seconds)
    for client in clients:
        client.end()
    if done:
        raise ConnectionError("the stub closed a connection or refused a call")
    return sum(client.answered for client in clients)


class _Client(asyncio.Protocol):
    """Sends a request as soon as the one before is answered. `lost` is done when that is over too early."""

    def __init__(self, requests: list[bytes], place: int) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = 0
        self._requests = requests
        self._next = place
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        match = _LENGTH.search(self._received, 0, head) if head >= 0 else None
        if match is None or len(self._received) < head + 4 + int(match[1]):
            return
        if not self._received.startswith(b"HTTP/1.1 200 "):
            self._lose()
            return
        self._received.clear()
        self.answered += 1
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._lose()

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _lose(self) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def _ask(self) -> None:
        if self._transport is not None:
            self._transport.write(self._requests[self._next % len(self._requests)])
            self._next += 1


def _request(session: int) -> bytes:
    """One of the service's larger calls: instructions, a session's CV and job, then a gap and the inputs about it."""
    claim = {"type": "object", "properties": {"text": {"type": "string"}, "source": {"type": "string"}}}
    bullet = {"type": "object", "properties": {"claims": {"type": "array", "items": claim}}}
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "bullets": {"type": "array", "items": bullet}},
    }
    cv = "\n".join(
        f"{line}: Ran the night shift of ward {line} with a team of {session % 7 + 3}." for line in range(1, 61)
    )
    job = "\n".join(
        f"- Experience with requirement number {line} of the job in its daily work" for line in range(1, 41)
    )
    inputs = "\n".join(
        (
            '<input id="context">Work</input>',
            '<input id="tools">Kubernetes, Helm and Argo CD</input>',
            f'<input id="achievement">Moved {session + 4} services to one cluster. Wrote all charts.</input>',
            '<input id="metrics">Releases went from two a month to three a week</input>',
        )
    )
    body = to_json(
        {
            "model": "gpt-5-mini",
            "prompt_cache_key": f"session-{session}",
            "messages": [
                {"role": "system", "content": "Write plainly and invent nothing about the candidate. " * 90},
                {"role": "user", "content": f"<cv>\n{cv}\n</cv>\n\n<job>\n{job}\n</job>"},
                {
                    "role": "user",
                    "content": f"<gap>\n<title>Kubernetes</title>\n</gap>\n\n<inputs>\n{inputs}\n</inputs>",
                },
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "Answer", "strict": True, "schema": schema},
            },
        }
    )
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: stub\r\nauthorization: Bearer bench\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
