"""Serves a stub with uvicorn's HTTP protocol on loopback: in the running loop, or in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.playing import HANG_UP

HOST = "127.0.0.1"
END_WITHIN_S = 5.0
KEPT_ALIVE_S = 75
"""Longer than clients keep a connection (httpx 5 s): who sends as the server closes gets a reset, not an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a stub listens, and the process that it runs in (None: this one)."""

    port: int
    pid: int | None = None

    @property
    def url(self) -> str:
        """The base URL for google-genai, and for the paths below `/stub`."""
        return f"http://{HOST}:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base URL for openai."""
        return f"{self.url}/v1"


class BreakableProtocol(HttpToolsProtocol):
    """Lets an application close its connection in the middle of a reply, or before it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: self.transport.close}  # type: ignore[dict-item]


@asynccontextmanager
async def serving(stub: Stub, *, port: int = 0) -> AsyncIterator[Served]:
    """Serve in the running loop, on a free port unless one is named. Ends all connections when it ends."""
    config = uvicorn.Config(
        stub.app,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEPT_ALIVE_S,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BreakableProtocol(config=config, server_state=state, app_state={}), HOST, port, backlog=2048
    )
    try:
        yield Served(port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()


@contextmanager
def in_process_of_its_own(config: StubConfig | None = None) -> Iterator[Served]:
    """Serve from another process, which ends with this context and with this process."""
    command = [sys.executable, "-m", "loadtests.provider_stub", "--port", "0", "--config", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - its own module
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write((config or StubConfig()).to_json() + b"\n")
        process.stdin.flush()
        yield Served(port=int(process.stdout.readline()), pid=process.pid)
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
