"""The alternative's processes: two uvicorn workers and a Valkey, before the same stub of the providers as Askwell's."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import in_process_of_its_own
from serve_app.bench.processes import Meter
from serve_app.bench.stage import ended_when_terminated, environment_of
from serve_app.ports import free_port
from serve_app.valkey import Valkey
from state.errors import AskwellError

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-alternative" / "bin" / "python"
WORKERS = 2
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 10.0
LOG_TAIL_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Implements `serve_app.bench.questions.Measured`."""

    url: str
    stub_url: str
    _workers: Meter
    _valkey: Meter
    _stub: Meter

    def cpu_s(self) -> dict[str, float]:
        return {"workers": sum(self._workers.cpu_s().values()), "valkey": sum(self._valkey.cpu_s().values())}

    def stub_cpu_s(self) -> float:
        return sum(self._stub.cpu_s().values())

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.stub_url}/stub/report", timeout=10).raise_for_status().json()
        return found


@contextmanager
def staged(stub: str, *, durability: str = "async") -> Iterator[Alternative]:
    """The alternative on free ports; `stub` is the stub's configuration as JSON, `durability` LangGraph's word.

    Raises `AskwellError` with the end of the log where it does not start.
    """
    if not PYTHON.exists():
        raise AskwellError(f"There is no {PYTHON}: `make .venv-alternative/.installed` makes it.")
    with ended_when_terminated(), ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="askwell-alternative-")))
        providers = opened.enter_context(in_process_of_its_own(StubConfig.from_json(stub)))
        valkey = Valkey(folder / "valkey")
        valkey.start()
        opened.callback(valkey.stop)
        workers, url = opened.enter_context(
            _workers(
                folder / "workers.log",
                REDIS_URL=valkey.url,
                OPENAI_BASE_URL=providers.openai_url,
                OPENAI_API_KEY="a-key-of-the-stub",
                DURABILITY=durability,
                PYTHONPATH=str(ROOT),
            )
        )
        yield Alternative(
            url=url,
            stub_url=providers.url,
            _workers=Meter(workers),
            _valkey=Meter(psutil.Process(int((folder / "valkey" / "valkey.pid").read_text()))),
            _stub=Meter(psutil.Process(providers.pid)),
        )


@contextmanager
def _workers(log: Path, **changes: str) -> Iterator[tuple[psutil.Process, str]]:
    """Their supervisor and their address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(PYTHON), "-m", "uvicorn", "loadtests.alternative.app:app", "--workers", str(WORKERS)]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own application in its own environment
            command,
            cwd=ROOT,
            env=environment_of(**changes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    family = psutil.Process(process.pid)
    try:
        _wait(url, family, log)
        yield family, url
    finally:
        _end(process, family)


def _wait(url: str, family: psutil.Process, log: Path) -> None:
    """Until all workers have begun: the first one to listen answers for both."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and family.is_running() and family.status() != psutil.STATUS_ZOMBIE:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).is_success:
                time.sleep(1.0)
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AskwellError(f"The alternative did not start: {log.read_text(errors='replace')[-LOG_TAIL_CHARACTERS:]}")


def _end(process: subprocess.Popen[bytes], family: psutil.Process) -> None:
    workers = family.children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in workers:
        if left.is_running():
            left.kill()
