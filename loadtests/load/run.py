"""One scenario from its first process to its report."""

from __future__ import annotations

import csv
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx

from loadtests.load.breaking import BreakingPoint, breaking_points, counts_over_time, windows_of
from loadtests.load.documents import GAPS, INPUTS, documents
from loadtests.load.report import Bill, Run, bill, errors_by_kind, part_rows, refusals_by_kind, step_rows
from loadtests.load.samples import Sample, Standing, read_samples, read_standings
from loadtests.load.scenarios import Scenario
from loadtests.load.server import Moment, Watch
from loadtests.load.simulated import Simulated
from loadtests.load.standing import lost, standing_of
from loadtests.provider_stub.traces import Trace, new_mark
from serve_app.bench.report import percentile
from serve_app.bench.stage import Stage, environment_of, staged
from serve_app.ports import free_port
from state.errors import AskwellError
from state.metrics.buckets import LONGEST_WINDOW
from state.metrics.figures import CacheFigures
from state.prices import Prices

ROOT = Path(__file__).parents[2]
LOCUSTFILES = ("loadtests/locustfile.py", "loadtests/load/shapes.py")
NOTED = ("samples-*.jsonl", "standing-*.jsonl", "locust_stats_history.csv")
"""What an earlier run may have left in the folder, and would be taken for this one's."""
LEAVING_S = 40
"""What users may take, at the end, to finish the request they wait for."""
OVERTIME_S = 180.0
ENDING_S = 10.0
READ_BACK = 200
"""Sessions at most, drawn from all that were noted."""
TOLD_AFTER_S = 3.0
SIGMA = 0.3
WARM_UP_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`scale` is what `scenario` was scaled by, `think` the share of a candidate's time to think.
    `host` is a service that runs already; without it, one is started."""

    scenario: Scenario
    scale: float
    output: Path
    processes: int
    llm_ms: float
    seed: int
    think: float = 1.0
    host: str | None = None
    tell: Callable[[str], None] = print


def run(options: Options) -> Run:
    """Start what is needed, load it, end it, and reckon. Raises `AskwellError` where a part does not start."""
    options.output.mkdir(parents=True, exist_ok=True)
    for earlier in (path for kind in NOTED for path in options.output.glob(kind)):
        earlier.unlink()
    if options.host is not None:
        began_s, ended_s = _loaded(options, options.host)
        return _reckoned(options, (began_s, ended_s), _read_back(options))
    with staged(_stub_config(options)) as stage:
        options.tell(f"The service is ready after {stage.startup_s:.0f} s. The load begins.")
        _warm_up(stage)
        stage.reset_stub()
        watch = Watch(stage)
        with watch.watching():
            times = _loaded(options, stage.url)
        read = _read_back(options, stage.url)
        account = bill(stage.report(), Prices())
        caches = _caches(stage.url, times)
    _write_traces(options.output / "traces.csv", watch.traces)
    return _reckoned(options, times, read, watch=watch, account=account, caches=caches)


def _stub_config(options: Options) -> Mapping[str, Any]:
    """Scores are drawn so that a part of the answers falls short, and is refined."""
    return {
        "latency": {"*": {"median_ms": options.llm_ms, "sigma": SIGMA}},
        "score_low": 6.0,
        "score_high": 9.5,
        "seed": options.seed,
        "traced": True,
    }


def _warm_up(stage: Stage) -> None:
    """Every kind of step once, so that what is imported at its first use is not among the figures."""
    body = documents(new_mark()) | {"gaps": GAPS[:2]}
    with httpx.Client(base_url=stage.url, timeout=WARM_UP_TIMEOUT_S) as client:
        client.post("/api/questions/batch", json=body).raise_for_status()
        session = client.post("/api/sessions", json=body).raise_for_status().json()
        first, second = (f"/api/sessions/{session['id']}/questions/{one['id']}" for one in session["questions"])
        client.post(f"{first}/experience", json={"response": "willing_to_learn"}).raise_for_status()
        client.post(f"{second}/experience", json={"response": "yes"}).raise_for_status()
        client.post(f"{second}/inputs", json={"inputs": INPUTS}).raise_for_status()


def _loaded(options: Options, url: str) -> tuple[float, float]:
    """Locust's run against `url`; when it began and ended, in Unix time."""
    command = [sys.executable, "-m", "locust", *_arguments(options, url)]
    began_s = time.time()
    with (options.output / "locust.txt").open("wb") as output:
        started = subprocess.Popen(  # noqa: S603 - this interpreter, our own files
            command, cwd=ROOT, env=environment_of(), stdout=output, stderr=output, start_new_session=True
        )
    with _ending(started) as process:
        code = process.wait(options.scenario.length_s + LEAVING_S + OVERTIME_S)
    if code not in (0, 1):
        raise AskwellError(f"Locust ended with exit code {code}; its output is {options.output / 'locust.txt'}.")
    return began_s, time.time()


def _arguments(options: Options, url: str) -> list[str]:
    files = {"--html": "report.html", "--csv": "locust", "--notes": ""}
    kept = [part for flag, name in files.items() for part in (flag, str(options.output / name))]
    several = []
    if options.processes > 1:
        port = str(free_port())
        several = ["--processes", str(options.processes), "--master-bind-port", port, "--master-port", port]
    shape = ["--scenario", options.scenario.name, "--scale", str(options.scale), "--think", str(options.think)]
    shape += ["--seconds", str(options.scenario.length_s)]
    quiet = ["--headless", "--only-summary", "--csv-full-history", "--stop-timeout", str(LEAVING_S)]
    where = ["-f", ",".join(LOCUSTFILES), "--host", url]
    return [*where, *quiet, *shape, *several, *kept, *options.scenario.user_classes]


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """With all of its group: Locust's first process leaves the others behind, which have noted all by then."""
    try:
        yield process
    finally:
        _signalled(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LEAVING_S)
        deadline = time.monotonic() + ENDING_S
        while _signalled(process.pid, 0) and time.monotonic() < deadline:
            time.sleep(0.1)
        _signalled(process.pid, signal.SIGKILL)
        process.wait()


def _signalled(group: int, number: int) -> bool:
    """False where nobody is left in the group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _read_back(options: Options, url: str | None = None) -> tuple[int, int]:
    """(read, lost): a sample of the sessions, held against what their candidates had been told."""
    standings = read_standings(options.output)
    chosen = random.Random(options.seed).sample(sorted(standings), min(READ_BACK, len(standings)))  # noqa: S311
    with httpx.Client(base_url=url or options.host or "", timeout=60) as client:
        return len(chosen), sum(_is_lost(client, session_id, standings[session_id]) for session_id in chosen)


def _caches(url: str, times: tuple[float, float]) -> dict[str, CacheFigures]:
    """By level, of the minutes of the run, warm-up included; asked for when every process has told what it counted."""
    time.sleep(TOLD_AFTER_S)
    minutes = min(math.ceil((time.time() - times[0]) / 60), LONGEST_WINDOW)
    reply = httpx.get(f"{url}/api/metrics/cache", params={"time_window_minutes": minutes}, timeout=60)
    levels = reply.raise_for_status().json()["by_level"]
    return {level: CacheFigures(**found) for level, found in levels.items()}


def _is_lost(client: httpx.Client, session_id: str, told: Standing) -> bool:
    reply = client.get(f"/api/sessions/{session_id}")
    while reply.status_code == 503 and "retry-after" in reply.headers:
        time.sleep(float(reply.headers["retry-after"]))
        reply = client.get(f"/api/sessions/{session_id}")
    return not reply.is_success or bool(lost(told, standing_of(reply.json())))


def _reckoned(
    options: Options,
    times: tuple[float, float],
    read: tuple[int, int],
    *,
    watch: Watch | None = None,
    account: Bill | None = None,
    caches: Mapping[str, CacheFigures] | None = None,
) -> Run:
    samples = read_samples(options.output)
    if not samples:
        raise AskwellError(f"No request was made; Locust's output is {options.output / 'locust.txt'}.")
    began_s = samples[0].began_s
    seconds = max(one.began_s + one.took_ms / 1000 for one in samples) - began_s
    counted = _users(options.output / "locust_stats_history.csv")
    moments: list[Moment] = [one for one in watch.moments if times[0] <= one.at_s <= times[1]] if watch else []
    late = [trace.late_ms for trace in watch.traces] if watch else []
    load_cores = 0.0
    if len(moments) > 1:
        load_cores = (moments[-1].load_cpu_s - moments[0].load_cpu_s) / (moments[-1].at_s - moments[0].at_s)
    return Run(
        scenario=options.scenario,
        llm=f"median {options.llm_ms:,.0f} ms a call, lognormal with sigma {SIGMA}",
        seconds=seconds,
        think=options.think,
        most_users=max((users for _, users in counted), default=0),
        steps=step_rows(samples, Simulated(watch.traces) if watch else None, seconds=seconds),
        errors=errors_by_kind(samples),
        refusals=refusals_by_kind(samples),
        sessions_read=read[0],
        sessions_lost=read[1],
        breaking=_broken(options.scenario, samples, counted, began_s),
        moments=moments,
        parts=part_rows(moments),
        load_cores=load_cores,
        late_p95_ms=percentile(late, 95) if late else None,
        bill=account,
        caches=caches or {},
        began_s=began_s,
    )


def _write_traces(path: Path, traces: Sequence[Trace]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow([one.name for one in fields(Trace)])
        lines.writerows(trace.row() for trace in traces)


def _broken(
    scenario: Scenario, samples: list[Sample], counted: list[tuple[float, int]], began_s: float
) -> tuple[BreakingPoint, ...]:
    if not scenario.step_users:
        return ()
    windows = windows_of(samples, counts_over_time(counted), began_s=began_s)
    return tuple(breaking_points(windows, scenario.limits))


def _users(history: Path) -> list[tuple[float, int]]:
    """(Unix time, users), as Locust noted them every second."""
    if not history.exists():
        return []
    with history.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    return [(float(row["Timestamp"]), int(row["User Count"])) for row in rows]
