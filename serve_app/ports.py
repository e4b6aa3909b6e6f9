"""Ports on this machine: one that is free, a range that no other service takes, and why another cannot be had."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serve_app.locks import held
from state.errors import Broken

RANGES_FROM, RANGES_TO, RANGE = 20_000, 30_000, 100
FREE_FROM, FREE_TO = 61_000, 65_536
"""Below and above the ports that the kernel gives to connections, so that these do not take one."""


def free_port() -> int:
    """A port on loopback that nobody listened on a moment ago, above those that the kernel gives to connections: a
    service may take half a minute until it listens there. Raises `Broken` where none is free."""
    for port in random.sample(range(FREE_FROM, FREE_TO), FREE_TO - FREE_FROM):
        if refusal("127.0.0.1", port) is None:
            return port
    raise Broken(f"All ports from {FREE_FROM} to {FREE_TO - 1} are taken.")


def refusal(host: str, port: int) -> str | None:
    """Why the address cannot be listened on, or None if it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


@contextmanager
def held_range(folder: Path) -> Iterator[range]:
    """The first range of ports that nobody holds who keeps his claims in `folder`, for as long as this lasts.

    Raises `Broken` where all are taken.
    """
    for first in range(RANGES_FROM, RANGES_TO, RANGE):
        with ExitStack() as stack:
            if stack.enter_context(held(folder / f"ports-{first}")) is not None:
                yield range(first, first + RANGE)
                return
    raise Broken(f"All ports from {RANGES_FROM} to {RANGES_TO - 1} are taken by services of yours.")
