"""A service started the way a user starts it, and looked at from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from serve_app.ports import free_port

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would switch other servers on, or compile all of Ray for each service."""
    ours = ("ASKWELL_", "REDIS_URL", "QDRANT_", "OPENAI_", "GEMINI_", "RAY_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, **changes}


@dataclass
class Running:
    """One `askwell up` on free ports. `settings` are variables without their prefix, `variables` whole ones."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    dashboard_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(init=False)
    startup_s: float = 0.0

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(
            ASKWELL_PORT=str(self.port),
            ASKWELL_DASHBOARD_PORT=str(self.dashboard_port),
            ASKWELL_DATA_DIR=str(self.data_dir),
            **{f"ASKWELL_{name}": value for name, value in self.settings.items()},
            **self.variables,
        )

    @property
    def log(self) -> Path:
        return self.data_dir / "up.log"

    def start(self) -> None:
        """Returns once it has printed that it is ready."""
        began = time.monotonic()
        self.launch()
        try:
            wait_for(lambda: "Ready after" in self.printed() or not self.alive(), START_TIMEOUT_S, self.printed)
        except AssertionError:
            self.stop()  # nobody else would, and the tests that follow would be as slow
            raise
        assert self.alive(), self.printed()
        self.startup_s = time.monotonic() - began

    def launch(self) -> None:
        """Returns at once; `printed` tells how far it is."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "serve_app", "up"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def printed(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, number: int = signal.SIGINT) -> int:
        """As Ctrl-C does it; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self, name: str) -> None:
        """`kill -9` the service's own processes whose title holds `name`; there has to be one."""
        found = [child for child in self.children() if name in " ".join(_title(child))]
        assert found, [_title(child) for child in self.children()]
        for process in found:
            process.kill()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`askwell ARGUMENTS` in this service's environment."""
        return subprocess.run(
            [sys.executable, "-m", "serve_app", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def dashboard(self, path: str) -> Any:
        token = (self.data_dir / "ray-token").read_text()
        url = f"http://127.0.0.1:{self.dashboard_port}{path}"
        return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=20).raise_for_status().json()

    def replicas(self) -> dict[str, int]:
        """Running replicas by deployment, as the Ray dashboard shows them."""
        deployments = self.dashboard("/api/serve/applications/")["applications"]["askwell"]["deployments"]
        return {
            name: sum(replica["state"] == "RUNNING" for replica in deployment["replicas"])
            for name, deployment in deployments.items()
        }


def wait_for(condition: Callable[[], bool], timeout_s: float, explain: Callable[[], object] = lambda: "") -> None:
    """Ask until it holds; for what happens in other processes."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {explain()}"
        time.sleep(0.05)


def left(started: list[psutil.Process]) -> list[str]:
    """Those of the processes that still run."""
    return [process.name() for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def _title(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
