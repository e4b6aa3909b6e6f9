"""`askwell bench`: what one question costs, in CPU time of all server processes together.

A service of its own is started on free ports with the offline provider, in a process of its own, so
that the load's CPU time does not count. One question's workflow is 'yes', then inputs: two requests,
three pieces of work. CPU time is read from the operating system before and after, over the service's
whole process tree.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from serve_app.ports import free_port
from state.errors import AskwellError

START_TIMEOUT_S = 120.0
WARM_UP = 20
QUESTIONS_A_SESSION = 10
INPUTS = {
    "context": "Work",
    "achievement": "I moved five services into a cluster, wrote the charts and trained two colleagues.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """CPU times are milliseconds of all server processes; latencies are milliseconds."""

    questions: int
    users: int
    cpu_ms_per_question: float
    questions_per_s: float
    start_p50_ms: float
    start_p95_ms: float
    inputs_p50_ms: float
    inputs_p95_ms: float
    cpu_ms_per_session: float
    idle_cpu_share: float
    memory_mb: float
    startup_s: float
    machine: str


def run(console: Console, *, questions: int, users: int, output: Path | None) -> Figures:
    """Measure, print a table, write JSON if asked to."""
    with _service() as (url, process, startup_s):
        figures = asyncio.run(_measure(url, process, questions=questions, users=users, startup_s=startup_s))
    table = Table("figure", "value")
    for name, value in asdict(figures).items():
        table.add_row(name, str(value))
    console.print(table)
    if output is not None:
        output.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return figures


@contextmanager
def _service() -> Iterator[tuple[str, psutil.Process, float]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="askwell-bench-") as data:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_URL"))},
            "ASKWELL_PORT": str(port),
            "ASKWELL_DASHBOARD_PORT": str(free_port()),
            "ASKWELL_DATA_DIR": data,
        }
        command = [sys.executable, "-m", "serve_app", "up"]
        began = time.monotonic()
        with (Path(data) / "up.log").open("wb") as log:
            started = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, started, Path(data) / "up.log")
            yield url, psutil.Process(started.pid), time.monotonic() - began
        finally:
            started.terminate()
            started.wait(60)


def _wait(url: str, started: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and started.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AskwellError(f"The service to measure did not start: {log.read_text(errors='replace')[-500:]}")


async def _measure(url: str, process: psutil.Process, *, questions: int, users: int, startup_s: float) -> Figures:
    limits = httpx.Limits(max_connections=users, max_keepalive_connections=users)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        await _workflows(client, await _opened(client, WARM_UP), users=users)
        idle = await _idle_share(process)
        before = _cpu_s(process)
        work = await _opened(client, questions)
        opened = _cpu_s(process)
        began = time.monotonic()
        latencies = await _workflows(client, work, users=users)
        elapsed = time.monotonic() - began
        after = _cpu_s(process)
    starts, inputs = ([pair[n] for pair in latencies] for n in (0, 1))
    sessions = -(-questions // QUESTIONS_A_SESSION)
    return Figures(
        questions=questions,
        users=users,
        cpu_ms_per_question=round((after - opened - idle * elapsed) * 1000 / questions, 2),
        questions_per_s=round(questions / elapsed, 1),
        start_p50_ms=_percentile(starts, 50),
        start_p95_ms=_percentile(starts, 95),
        inputs_p50_ms=_percentile(inputs, 50),
        inputs_p95_ms=_percentile(inputs, 95),
        cpu_ms_per_session=round((opened - before) * 1000 / sessions, 2),
        idle_cpu_share=round(idle, 3),
        memory_mb=round(sum(_pss(one) for one in _tree(process)) / 1e6),
        startup_s=round(startup_s, 1),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    )


async def _opened(client: httpx.AsyncClient, questions: int) -> list[str]:
    """The addresses of that many fresh questions."""
    cv = "Ada Nowak\nBackend developer, Northgate Ltd, 2021 - 2025\nBuilt REST APIs in Python and Django."
    titles = ("Kubernetes", "Terraform", "Kafka", "Go", "Prometheus", "AWS", "gRPC", "Redis", "Ansible", "GraphQL")
    gaps = [{"title": title, "job_asks": f"{title} in production"} for title in titles[:QUESTIONS_A_SESSION]]
    found: list[str] = []
    while len(found) < questions:
        body = {"cv": cv, "job": "Platform engineer", "gaps": gaps}
        session = (await client.post("/api/sessions", json=body)).raise_for_status().json()
        found += [f"/api/sessions/{session['id']}/questions/{one['id']}" for one in session["questions"]]
    return found[:questions]


async def _workflows(client: httpx.AsyncClient, work: list[str], *, users: int) -> list[tuple[float, float]]:
    """Each question once, by `users` at a time in a closed loop; the two latencies of each, in ms."""
    queue = iter(work)
    latencies: list[tuple[float, float]] = []

    async def user() -> None:
        for address in queue:
            began = time.perf_counter()
            (await client.post(f"{address}/experience", json={"response": "yes"})).raise_for_status()
            prompted = time.perf_counter()
            (await client.post(f"{address}/inputs", json={"inputs": INPUTS})).raise_for_status()
            ended = time.perf_counter()
            latencies.append(((prompted - began) * 1000, (ended - prompted) * 1000))

    await asyncio.gather(*(user() for _ in range(users)))
    return latencies


async def _idle_share(process: psutil.Process, seconds: float = 3.0) -> float:
    """Cores that the service takes while nobody asks it anything."""
    before = _cpu_s(process)
    await asyncio.sleep(seconds)
    return (_cpu_s(process) - before) / seconds


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    total = 0.0
    for one in _tree(process):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _pss(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(info, "pss", info.rss))


def _percentile(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)
