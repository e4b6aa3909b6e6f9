"""What a measurement plays on: a stub of the providers and the service before it, each in processes of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil

from serve_app.bench.processes import Meter
from serve_app.ports import free_port
from state.errors import AskwellError

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
STUB_TIMEOUT_S = 20.0
LOG_TAIL_CHARACTERS = 1_000
NOT_OURS = ("ASKWELL_", "REDIS_URL", "QDRANT_", "OPENAI_", "GEMINI_", "RAY_", "PYTHONDONTWRITEBYTECODE")
"""Beginnings of the variables that would point the service at other servers, or change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A service that is ready; `startup_s` from its command to its first ready answer."""

    url: str
    stub_url: str
    startup_s: float
    _service: Meter
    _stub: Meter

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU time by part of the service, since it began; see `processes.ORDER`."""
        return self._service.cpu_s()

    def memory_mb(self) -> dict[str, float]:
        """Megabytes of PSS by part of the service, now."""
        return self._service.memory_mb()

    def stub_cpu_s(self) -> float:
        return sum(self._stub.cpu_s().values())

    def report(self) -> dict[str, Any]:
        """What the stub was asked, as `loadtests.provider_stub.report` puts it."""
        found: dict[str, Any] = httpx.get(f"{self.stub_url}/stub/report", timeout=10).raise_for_status().json()
        return found

    def configure_stub(self, config: str) -> None:
        """Calls from now on are decided by `config`, JSON as for `staged`."""
        httpx.put(f"{self.stub_url}/stub/config", content=config, timeout=10).raise_for_status()

    def reset_stub(self) -> None:
        """Its report begins anew, and so do its draws."""
        httpx.post(f"{self.stub_url}/stub/reset", timeout=10).raise_for_status()


@contextmanager
def staged(stub: Mapping[str, Any] | str, **changes: str) -> Iterator[Stage]:
    """The service on free ports, with a data directory of its own; `changes` are environment variables.

    `stub` is the stub's configuration, as `loadtests.provider_stub.config` describes it. Raises `AskwellError`
    with the end of the log where either of the two does not start.
    """
    with (
        ended_when_terminated(),
        tempfile.TemporaryDirectory(prefix="askwell-bench-") as folder,
        _providers(stub if isinstance(stub, str) else json.dumps(stub), Path(folder) / "stub.log") as (stub_url, taken),
    ):
        port = free_port()
        environment = environment_of(
            OPENAI_API_KEY="a-key-of-the-stub",
            OPENAI_BASE_URL=f"{stub_url}/v1",
            ASKWELL_OPENAI_DIALECT="openai",
            ASKWELL_PORT=str(port),
            ASKWELL_DASHBOARD_PORT=str(free_port()),
            ASKWELL_DATA_DIR=str(Path(folder) / "data"),
            **changes,
        )
        with _service(f"http://127.0.0.1:{port}", environment, Path(folder) / "up.log") as (url, process, startup_s):
            yield Stage(
                url=url,
                stub_url=stub_url,
                startup_s=startup_s,
                _service=Meter(psutil.Process(process.pid)),
                _stub=Meter(psutil.Process(taken.pid)),
            )


@contextmanager
def ended_when_terminated() -> Iterator[None]:
    """A SIGTERM ends what is open inside, as Ctrl-C does, in place of leaving a service behind. In another thread than
    the main one, which alone can be told, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def environment_of(**changes: str) -> dict[str, str]:
    """This process's environment without what would point the service elsewhere, and with `changes`.

    Without the wish for no byte code too: a service with a data directory of its own would compile all of Ray anew.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    return {**kept, **changes}


@contextmanager
def _providers(config: str, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The stub's address and process. It ends with its standard input, and so with this process too."""
    command = [sys.executable, "-m", "loadtests.provider_stub", "--port", "0", "--config", "-"]
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            command, env=environment_of(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - both are pipes
    try:
        process.stdin.write(config.replace("\n", " ").encode() + b"\n")
        process.stdin.flush()
        answered, _, _ = select.select([process.stdout], [], [], STUB_TIMEOUT_S)
        line = process.stdout.readline().strip() if answered else b""
        if not line:
            raise AskwellError(f"The stub of the providers did not start: {_tail(log)}")
        yield f"http://127.0.0.1:{int(line)}", process
    finally:
        process.stdin.close()
        process.stdout.close()
        _ended(process)


@contextmanager
def _service(
    url: str, environment: Mapping[str, str], log: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve_app", "up"], env=environment, stdout=output, stderr=output
        )
    try:
        _wait(url, process, log)
        yield url, process, time.monotonic() - began
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        _ended(process)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).is_success and "Ready after" in _tail(log):
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AskwellError(f"The service to measure did not start: {_tail(log)}")


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
