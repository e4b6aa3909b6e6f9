"""What the service holds in memory, at rest and with a thousand sessions, and how long it takes to start."""

from __future__ import annotations

import asyncio
import time

from serve_app.bench.candidates import client_of, opened
from serve_app.bench.plan import Plan
from serve_app.bench.questions import SETTINGS
from serve_app.bench.report import Figure, figures
from serve_app.bench.stage import Stage, staged

SESSIONS = 1_000
SETTLING_S = 3.0


def measure(plan: Plan) -> tuple[Figure, ...]:
    """Megabytes are PSS: what a process has to itself, and its share of what it shares."""
    rounds = []
    for repeat in range(plan.repeats):
        plan.tell(f"memory: {repeat + 1} of {plan.repeats}")
        with staged({}, **SETTINGS) as stage:
            rounds.append(_round(stage))
    settings = dict.fromkeys(setting for measured in rounds for setting in measured)
    return tuple(
        figure
        for setting in settings
        for figure in figures("memory", setting, [measured[setting] for measured in rounds])
    )


def _round(stage: Stage) -> dict[str, dict[str, float]]:
    time.sleep(SETTLING_S)
    at_rest = _held(stage)
    began = time.perf_counter()
    asyncio.run(_open(stage))
    opened_s = time.perf_counter() - began
    time.sleep(SETTLING_S)
    return {
        "at rest": {"start-up, s": stage.startup_s, **at_rest},
        f"{SESSIONS:,} sessions": {**_held(stage), "sessions opened/s": SESSIONS / opened_s},
    }


def _held(stage: Stage) -> dict[str, float]:
    by_part = stage.memory_mb()
    return {"memory, MB": sum(by_part.values()), **{f"memory, MB: {part}": held for part, held in by_part.items()}}


async def _open(stage: Stage) -> None:
    async with client_of(stage.url, connections=1) as client:
        await opened(client, SESSIONS)
