"""One load on a service that is ready: `serve_app.bench`'s closed loop, whichever of the two it is."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Any

import psutil
import uvloop

from serve_app.bench.candidates import client_of, closed_loop, opened
from serve_app.bench.plan import Plan
from serve_app.bench.questions import WARM_UP_S, Measured, Window, idle, prepare, window

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
        idle_cores = idle(stage)
        for users in plan.users:
            await prepare(client, sessions, users=users, seconds=plan.seconds)
            measuring = window(stage, client, sessions, idle_cores, users=users, seconds=plan.seconds)
            found[users] = await _beside_others(measuring)
            plan.tell(f"{name}, {users} users: {found[users]['questions/s']:.1f} questions/s")
    return found


async def _beside_others(measuring: Awaitable[Window]) -> Figures:
    """A window's figures, and what the rest of the machine did meanwhile."""
    busy_s = _busy_s()
    found = await measuring
    others_s = _busy_s() - busy_s - found.load_cpu_s - found.stub_cpu_s - sum(found.cpu_s.values())
    return {
        **found.figures(),
        "cores of other processes": max(0.0, others_s) / found.seen.elapsed_s,
        "load average": os.getloadavg()[0],
    }


def _busy_s() -> float:
    """Seconds that all cores together were not idle, since the machine began."""
    times: Any = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
