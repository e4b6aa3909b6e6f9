"""`python -m loadtests.provider_stub --port 9000 --config FILE` serves; `... bench` measures."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.bench import bench
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import serving
from state.errors import InvalidField


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.provider_stub", description="A stub of OpenAI and Gemini."
    )
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one; it is printed (default: 9000)")
    parser.add_argument("--config", help="a JSON file; '-' reads one line from a pipe and serves until the pipe ends")
    commands = parser.add_subparsers(dest="command")
    measure = commands.add_parser("bench", help="print calls a second and CPU a call")
    measure.add_argument("--seconds", type=float, default=5.0)
    measure.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    if given.command == "bench":
        bench(seconds=given.seconds, connections=given.connections)
        return 0
    try:
        config = _config(given.config)
    except (OSError, InvalidField) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvloop.run(_serve(config, port=given.port, until_stdin_ends=given.config == "-"))
    return 0


def _config(source: str | None) -> StubConfig:
    if source is None:
        return StubConfig()
    return StubConfig.from_json(sys.stdin.buffer.readline() if source == "-" else Path(source).read_bytes())


async def _serve(config: StubConfig, *, port: int, until_stdin_ends: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if until_stdin_ends:
        loop.add_reader(0, _when_stdin_ends, ended)
    async with serving(Stub(config), port=port) as served:
        sys.stdout.write(f"{served.port}\n")
        sys.stdout.flush()
        await ended.wait()


def _when_stdin_ends(ended: asyncio.Event) -> None:
    if not os.read(0, 1024):
        ended.set()


if __name__ == "__main__":
    sys.exit(main())
