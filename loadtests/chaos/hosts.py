"""Worker processes and the Valkey server, to be killed, stopped and started again by name.

Workers are forked from a server process that has everything imported: a killed one is back in a moment.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TypeVar

from loadtests.chaos import worker
from loadtests.chaos.notes import SUFFIX
from loadtests.chaos.worker import Orders
from serve_app.valkey import Valkey

T = TypeVar("T")


class Host:
    """One worker's place. `life` counts its processes, from 1; `cut` has its callers not reach it."""

    def __init__(self, orders: Orders, folder: Path) -> None:
        self._orders = orders
        self._folder = folder
        self._process: ForkServerProcess | None = None
        self.life = 0
        self.cut = False

    @property
    def name(self) -> str:
        return self._orders.name

    @property
    def socket(self) -> Path:
        return self._orders.socket

    def start(self) -> None:
        self.life += 1
        orders = replace(
            self._orders,
            notes=self._folder / f"{self.name}.{self.life}{SUFFIX}",
            log=self._folder / f"{self.name}.{self.life}.log",
        )
        self._process = _forked().Process(target=worker.run, args=(orders,), daemon=True)
        self._process.start()

    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def kill(self) -> None:
        """As `kill -9`; returns once the process is gone."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.join()

    def stop(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)


class Server:
    """A Valkey of its own on one directory, always on the same port.

    One thread starts it every time and stays: the server ends with the thread that started it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._valkey = Valkey(directory)
        self._thread = ThreadPoolExecutor(max_workers=1)

    @property
    def url(self) -> str:
        return self._valkey.url

    async def start(self) -> None:
        """Returns once it answers."""
        await self._in_thread(self._valkey.start)

    async def kill(self) -> None:
        """As `kill -9`; returns once the process is gone."""
        os.kill(self._pid, signal.SIGKILL)
        while self._valkey.alive():  # noqa: ASYNC110 - a process says nothing when it ends
            await asyncio.sleep(0.005)

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    async def aclose(self) -> None:
        if self._valkey.alive():
            self.go_on()
        await self._in_thread(self._valkey.stop)
        self._thread.shutdown()

    @property
    def _pid(self) -> int:
        return int((self._directory / "valkey.pid").read_text())

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


def _forked() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker.__name__])
    return context
