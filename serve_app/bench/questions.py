"""One question's workflow, 'yes' and then inputs, by so many users in a closed loop.

The stub takes 100 ms for every call of a model: one at 'yes' (the prompts), two at inputs (the answer, its
evaluation). What is reported of latencies is what comes on top of that. The sessions are opened before the clock
starts; the load comes from this process, whose CPU time counts no more than the stub's.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import uvloop

from serve_app.bench.candidates import GAPS, Seen, Session, client_of, closed_loop, opened
from serve_app.bench.plan import Plan
from serve_app.bench.processes import used_s
from serve_app.bench.report import Figure, figures, percentile
from serve_app.bench.stage import Stage, staged
from state.errors import AskwellError

CALL_MS = 100
CALLS_AT_START, CALLS_AT_INPUTS = 1, 2
STUB: dict[str, Any] = {"latency": {"*": {"median_ms": CALL_MS, "sigma": 0}}}
SETTINGS = {
    "ASKWELL_ROLLOUTS": '{"advanced_quality_evaluation": 0}',
    "ASKWELL_LLM_CONCURRENCY": "1000",
    "ASKWELL_GENERATOR_CONCURRENCY": "1000",
    "ASKWELL_EVALUATOR_CONCURRENCY": "1000",
    "ASKWELL_RETRIEVER_CONCURRENCY": "1000",
}
"""One evaluation is one call, and nothing but the CPU holds users up: one replica of each pool takes all of them."""

WARM_UP_S = 2.0
IDLE_S = 3.0
SPARE = 1.3
"""Questions that are there beforehand, by those that the warm-up's rate would need."""


class Measured(Protocol):
    """A service that is ready: a `Stage`, or another one that has the same routes."""

    @property
    def url(self) -> str: ...

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU time by part of the service, its Valkey included, since it began."""
        ...

    def stub_cpu_s(self) -> float: ...

    def report(self) -> dict[str, Any]:
        """What the stub was asked, as `loadtests.provider_stub.report` puts it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One measurement. CPU times are seconds: by part of the service, of the stub, and of this process.

    `calls` were made at the stub, and `idle_cores` is what the service takes when nobody asks it anything.
    """

    seen: Seen
    cpu_s: dict[str, float]
    stub_cpu_s: float
    load_cpu_s: float
    calls: int
    idle_cores: float

    def figures(self) -> dict[str, float]:
        """CPU-ms a question are of all server processes; what these take at idle is included, and told beside it."""
        seen, count = self.seen, self.seen.questions
        if not count:
            raise AskwellError(f"No question was answered within the time: {dict(seen.errors)}")
        total_s = sum(self.cpu_s.values())
        latencies = {
            f"{name} over LLM time, p{percent} ms": percentile(values, percent) - calls * CALL_MS
            for name, values, calls in (
                ("start", seen.start_ms, CALLS_AT_START),
                ("inputs", seen.inputs_ms, CALLS_AT_INPUTS),
            )
            for percent in (50, 95, 99)
        }
        return {
            "questions": count,
            "elapsed s": seen.elapsed_s,
            "questions/s": count / seen.elapsed_s,
            **latencies,
            "CPU-ms a question": 1000 * total_s / count,
            **{f"CPU-ms a question: {part}": 1000 * used / count for part, used in self.cpu_s.items()},
            "CPU-ms a question at idle": 1000 * self.idle_cores * seen.elapsed_s / count,
            "cores": total_s / seen.elapsed_s,
            "cores at idle": self.idle_cores,
            "stub's CPU-ms a question": 1000 * self.stub_cpu_s / count,
            "load's CPU-ms a question": 1000 * self.load_cpu_s / count,
            "LLM calls a question": self.calls / count,
            "errors": seen.errors.total(),
            **{f"errors: {kind}": number for kind, number in sorted(seen.errors.items())},
        }


def measure(plan: Plan) -> tuple[Figure, ...]:
    plan.tell("questions: starting the service")
    with staged(STUB, **SETTINGS) as stage:
        return uvloop.run(_measured(stage, plan))


async def _measured(stage: Stage, plan: Plan) -> tuple[Figure, ...]:
    measured: list[Figure] = []
    async with client_of(stage.url, connections=max(plan.users)) as client:
        sessions = deque(await opened(client, 2))
        await closed_loop(client, sessions, users=2, seconds=WARM_UP_S)
        idle_cores = idle(stage)
        for users in plan.users:
            setting = setting_of(users)
            rounds = []
            for repeat in range(plan.repeats):
                plan.tell(f"questions: {setting}, {repeat + 1} of {plan.repeats}")
                await prepare(client, sessions, users=users, seconds=plan.seconds)
                rounds.append(await window(stage, client, sessions, idle_cores, users=users, seconds=plan.seconds))
            measured += figures("questions", setting, [found.figures() for found in rounds])
    return tuple(measured)


def setting_of(users: int) -> str:
    return f"{users} user{'s' * (users > 1)}"


def idle(stage: Measured) -> float:
    """Cores that the service takes while nobody asks it anything."""
    before = stage.cpu_s()
    time.sleep(IDLE_S)
    return sum(used_s(before, stage.cpu_s()).values()) / IDLE_S


async def prepare(client: aiohttp.ClientSession, sessions: deque[Session], *, users: int, seconds: float) -> None:
    """Warm up with so many users, then open the sessions that `seconds` at the rate seen would use up."""
    sessions.extend(await opened(client, max(0, users - len(sessions))))
    warmed = await closed_loop(client, sessions, users=users, seconds=WARM_UP_S)
    needed = math.ceil(SPARE * seconds * warmed.questions / warmed.elapsed_s) - sum(map(len, sessions))
    sessions.extend(await opened(client, max(0, math.ceil(needed / len(GAPS)), users - len(sessions))))


async def window(
    stage: Measured,
    client: aiohttp.ClientSession,
    sessions: deque[Session],
    idle_cores: float,
    *,
    users: int,
    seconds: float,
) -> Window:
    """What `users` see of the service in `seconds`, and what that takes; the sessions are those of `prepare`."""
    calls = stage.report()["totals"]["calls"]
    stub_s, before = stage.stub_cpu_s(), stage.cpu_s()
    load_s = _own_cpu_s()
    seen = await closed_loop(client, sessions, users=users, seconds=seconds)
    load_used_s = _own_cpu_s() - load_s
    after = stage.cpu_s()
    return Window(
        seen=seen,
        cpu_s=used_s(before, after),
        stub_cpu_s=stage.stub_cpu_s() - stub_s,
        load_cpu_s=load_used_s,
        calls=stage.report()["totals"]["calls"] - calls,
        idle_cores=idle_cores,
    )


def _own_cpu_s() -> float:
    times = os.times()
    return times.user + times.system
