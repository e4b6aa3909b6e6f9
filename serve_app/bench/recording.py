"""What recording costs: the same questions at a service that records and at one that does not, in turn.

One service at a time, started anew for each repeat: two of them beside each other on few cores would disturb each other
by more than what is measured.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import uvloop

from serve_app.bench.candidates import client_of, closed_loop, opened
from serve_app.bench.plan import Plan
from serve_app.bench.questions import SETTINGS, STUB, WARM_UP_S, idle, prepare, setting_of, window
from serve_app.bench.report import Figure, figures
from serve_app.bench.stage import Stage, staged

NAME = "CPU-ms a question"
SWITCHED = ("on", "off")


def measure(plan: Plan) -> tuple[Figure, ...]:
    """The first of the plan's numbers of users; a repeat is a start and a measurement of each service."""
    users = plan.users[0]
    rounds: dict[str, list[dict[str, float]]] = {switch: [] for switch in SWITCHED}
    for repeat in range(plan.repeats):
        for switch in SWITCHED if repeat % 2 == 0 else reversed(SWITCHED):
            plan.tell(f"recording: {switch}, {repeat + 1} of {plan.repeats}")
            with staged(STUB, **SETTINGS, ASKWELL_RECORDING=switch) as stage:
                rounds[switch].append(uvloop.run(_measured(stage, users=users, seconds=plan.seconds)))
    return (*(figure for switch in SWITCHED for figure in _of(switch, users, rounds[switch])), *_overhead(rounds))


async def _measured(stage: Stage, *, users: int, seconds: float) -> dict[str, float]:
    async with client_of(stage.url, connections=users) as client:
        sessions = deque(await opened(client, 2))
        await closed_loop(client, sessions, users=2, seconds=WARM_UP_S)
        idle_cores = idle(stage)
        await prepare(client, sessions, users=users, seconds=seconds)
        seen = await window(stage, client, sessions, idle_cores, users=users, seconds=seconds)
    return seen.figures()


def _of(switch: str, users: int, rounds: list[dict[str, float]]) -> tuple[Figure, ...]:
    return figures("recording", f"{switch}, {setting_of(users)}", rounds)


def _overhead(rounds: dict[str, list[dict[str, float]]]) -> tuple[Figure, ...]:
    """Percent of a question's CPU time that recording adds, repeat by repeat and of the medians."""
    on, off = ([measured[NAME] for measured in rounds[switch]] for switch in SWITCHED)
    pairs = [{"overhead, %": 100 * (with_ / without - 1)} for with_, without in zip(on, off, strict=True)]
    of_medians = [{"overhead of the medians, %": 100 * (median(on) / median(off) - 1)}]
    return (*figures("recording", "on against off", pairs), *figures("recording", "on against off", of_medians))
