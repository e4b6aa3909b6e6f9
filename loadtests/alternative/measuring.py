"""One load on a service that is ready: `serve_app.bench`'s closed loop, whichever of the two it is."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import aiohttp
import psutil
import uvloop

from loadtests.alternative.stage import Measured
from serve_app.bench.candidates import GAPS, Session, client_of, closed_loop, opened
from serve_app.bench.plan import Plan
from serve_app.bench.processes import used_s
from serve_app.bench.questions import IDLE_S, SPARE, WARM_UP_S, Window

Figures = dict[str, float]


def measured(stage: Measured, plan: Plan, name: str) -> Mapping[int, Figures]:
    """Figures by number of users, a measurement each, as `serve_app.bench.questions` names them.

    Besides, what else the machine was busy with meanwhile: its load average of a minute at the end, and the cores that
    processes other than the service, the stub and this one took.
    """
    return uvloop.run(_measured(stage, plan, name))


async def _measured(stage: Measured, plan: Plan, name: str) -> Mapping[int, Figures]:
    found: dict[int, Figures] = {}
    async with client_of(stage.url, connections=max(plan.users)) as client:
        sessions = deque(await opened(client, 2))
        await closed_loop(client, sessions, users=2, seconds=WARM_UP_S)
        idle_cores = _idle(stage)
        for users in plan.users:
            await _prepare(client, sessions, users=users, seconds=plan.seconds)
            found[users] = await _window(stage, client, sessions, idle_cores, users=users, seconds=plan.seconds)
            plan.tell(f"{name}, {users} users: {found[users]['questions/s']:.1f} questions/s")
    return found


def _idle(stage: Measured) -> float:
    before = stage.cpu_s()
    time.sleep(IDLE_S)
    return sum(used_s(before, stage.cpu_s()).values()) / IDLE_S


async def _prepare(client: aiohttp.ClientSession, sessions: deque[Session], *, users: int, seconds: float) -> None:
    """Warm up with so many users, then open the sessions that `seconds` at the rate seen would use up."""
    sessions.extend(await opened(client, max(0, users - len(sessions))))
    warmed = await closed_loop(client, sessions, users=users, seconds=WARM_UP_S)
    needed = math.ceil(SPARE * seconds * warmed.questions / warmed.elapsed_s) - sum(map(len, sessions))
    sessions.extend(await opened(client, max(0, math.ceil(needed / len(GAPS)), users - len(sessions))))


async def _window(
    stage: Measured,
    client: aiohttp.ClientSession,
    sessions: deque[Session],
    idle_cores: float,
    *,
    users: int,
    seconds: float,
) -> Figures:
    calls = _calls(stage)
    stub_s, before, own_s, busy_s = stage.stub_cpu_s(), stage.cpu_s(), _own_cpu_s(), _busy_s()
    seen = await closed_loop(client, sessions, users=users, seconds=seconds)
    busy_s, own_s = _busy_s() - busy_s, _own_cpu_s() - own_s
    used = used_s(before, stage.cpu_s())
    stub_s = stage.stub_cpu_s() - stub_s
    window = Window(
        seen=seen,
        cpu_s=used,
        stub_cpu_s=stub_s,
        load_cpu_s=own_s,
        calls=_calls(stage) - calls,
        idle_cores=idle_cores,
    )
    others_s = max(0.0, busy_s - own_s - stub_s - sum(used.values()))
    return {
        **window.figures(),
        "cores of other processes": others_s / seen.elapsed_s,
        "load average": os.getloadavg()[0],
    }


def _calls(stage: Measured) -> int:
    report: dict[str, Any] = stage.report()
    return int(report["totals"]["calls"])


def _own_cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _busy_s() -> float:
    """Seconds that all cores together were not idle, since the machine began."""
    times: Any = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
