"""What recording costs: the same questions at two services, of which one records and the other does not.

Both run for the whole time and are measured in turn, so that what else the machine does meets both.
"""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack, ExitStack
from statistics import median

import uvloop

from serve_app.bench.candidates import Session, client_of, closed_loop, opened
from serve_app.bench.plan import Plan
from serve_app.bench.questions import SETTINGS, STUB, WARM_UP_S, idle, prepare, setting_of, window
from serve_app.bench.report import Figure, figures
from serve_app.bench.stage import Stage, staged

NAME = "CPU-ms a question"
SWITCHED = ("on", "off")


def measure(plan: Plan) -> tuple[Figure, ...]:
    """The first of the plan's numbers of users; a repeat is a measurement of each service."""
    plan.tell("recording: starting two services")
    with ExitStack() as running:
        stages = {
            switch: running.enter_context(staged(STUB, **SETTINGS, ASKWELL_RECORDING=switch)) for switch in SWITCHED
        }
        return uvloop.run(_measured(stages, plan))


async def _measured(stages: dict[str, Stage], plan: Plan) -> tuple[Figure, ...]:
    users = plan.users[0]
    rounds: dict[str, list[dict[str, float]]] = {switch: [] for switch in SWITCHED}
    async with AsyncExitStack() as open_clients:
        clients = {
            switch: await open_clients.enter_async_context(client_of(stage.url, connections=users))
            for switch, stage in stages.items()
        }
        sessions: dict[str, deque[Session]] = {switch: deque(await opened(clients[switch], 2)) for switch in SWITCHED}
        idle_cores: dict[str, float] = {}
        for switch in SWITCHED:
            await closed_loop(clients[switch], sessions[switch], users=2, seconds=WARM_UP_S)
            idle_cores[switch] = idle(stages[switch])
        for repeat in range(plan.repeats):
            for switch in SWITCHED if repeat % 2 == 0 else reversed(SWITCHED):
                plan.tell(f"recording: {switch}, {repeat + 1} of {plan.repeats}")
                await prepare(clients[switch], sessions[switch], users=users, seconds=plan.seconds)
                seen = await window(
                    stages[switch],
                    clients[switch],
                    sessions[switch],
                    idle_cores[switch],
                    users=users,
                    seconds=plan.seconds,
                )
                rounds[switch].append(seen.figures())
    return (*(figure for switch in SWITCHED for figure in _of(switch, users, rounds[switch])), *_overhead(rounds))


def _of(switch: str, users: int, rounds: list[dict[str, float]]) -> tuple[Figure, ...]:
    return figures("recording", f"{switch}, {setting_of(users)}", rounds)


def _overhead(rounds: dict[str, list[dict[str, float]]]) -> tuple[Figure, ...]:
    """Percent of a question's CPU time that recording adds, repeat by repeat and of the medians."""
    on, off = ([measured[NAME] for measured in rounds[switch]] for switch in SWITCHED)
    pairs = [{"overhead, %": 100 * (with_ / without - 1)} for with_, without in zip(on, off, strict=True)]
    of_medians = [{"overhead of the medians, %": 100 * (median(on) / median(off) - 1)}]
    return (*figures("recording", "on against off", pairs), *figures("recording", "on against off", of_medians))
