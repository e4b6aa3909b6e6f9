"""A flood: what it does to those who are there already, what those who are refused see, and how long it is felt.

    steady users   ──calm──┬──flood──┬──after──>
    the flood's            └─────────┘

Steady users go round all the time. What they take before the flood is the measure for the time after it: latency is
back when no window of `WINDOW_S` that follows has a median above the calm's p95.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import uvloop

from serve_app.bench.candidates import Seen, client_of, closed_loop, opened
from serve_app.bench.plan import Plan
from serve_app.bench.questions import CALL_MS, CALLS_AT_INPUTS, CALLS_AT_START, SETTINGS, STUB, WARM_UP_S
from serve_app.bench.report import Figure, figures, percentile
from serve_app.bench.stage import staged

STEADY, FLOOD = 4, 100
"""Users without a pause: about half of what keeps two cores busy, and some ten times that."""
CALM_S, FLOOD_S, AFTER_S = 8.0, 10.0, 20.0
WINDOW_S = 1.0
STEADY_SESSIONS, FLOOD_SESSIONS = 40, 100
"""Ten questions each. Whoever is refused rests for a second, so that a session lasts for the flood's ten."""
LLM_MS = CALL_MS * (CALLS_AT_START + CALLS_AT_INPUTS)
REFUSED = ("429", "503")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What steady users saw over all of the time, and the flood's; `began_s` and `ended_s` by `time.perf_counter`."""

    steady: Seen
    flood: Seen
    began_s: float
    ended_s: float

    def figures(self) -> dict[str, float]:
        calm = [taken for at, taken in _questions(self.steady) if at < self.began_s]
        during = [taken for at, taken in _questions(self.flood) if at < self.ended_s]
        refusals_ms = self.steady.refusals_ms + self.flood.refusals_ms
        errors = self.steady.errors + self.flood.errors
        back_s = back_after_s(_questions(self.steady), ended_s=self.ended_s, limit_ms=percentile(calm, 95))
        return {
            "calm: a question over LLM time, p50 ms": percentile(calm, 50),
            "calm: a question over LLM time, p95 ms": percentile(calm, 95),
            "flood: a question that is let in, over LLM time, p50 ms": percentile(during, 50),
            "flood: a question that is let in, over LLM time, p95 ms": percentile(during, 95),
            "flood: questions/s": len(during) / (self.ended_s - self.began_s),
            "refusals": len(refusals_ms),
            "a refusal, p50 ms": percentile(refusals_ms or [0.0], 50),
            "a refusal, p95 ms": percentile(refusals_ms or [0.0], 95),
            "latency is back after s": back_s,
            "errors": sum(number for kind, number in errors.items() if not kind.startswith(REFUSED)),
        }


def measure(plan: Plan) -> tuple[Figure, ...]:
    plan.tell("overload: starting the service")
    with staged(STUB, **SETTINGS) as stage:
        return uvloop.run(_measured(stage.url, plan))


async def _measured(url: str, plan: Plan) -> tuple[Figure, ...]:
    rounds = []
    async with client_of(url, connections=STEADY + FLOOD) as client:
        warm = deque(await opened(client, STEADY))
        await closed_loop(client, warm, users=STEADY, seconds=WARM_UP_S)
        for repeat in range(plan.repeats):
            plan.tell(f"overload: {repeat + 1} of {plan.repeats}")
            rounds.append((await _flooded(client)).figures())
    return figures("overload", f"{FLOOD} users upon {STEADY}", rounds)


async def _flooded(client: aiohttp.ClientSession) -> Flood:
    steady_s = CALM_S + FLOOD_S + AFTER_S
    steady_sessions = deque(await opened(client, STEADY_SESSIONS))
    flood_sessions = deque(await opened(client, FLOOD_SESSIONS))
    steady = asyncio.create_task(closed_loop(client, steady_sessions, users=STEADY, seconds=steady_s))
    await asyncio.sleep(CALM_S)
    began_s = time.perf_counter()
    flood = await closed_loop(client, flood_sessions, users=FLOOD, seconds=FLOOD_S)
    return Flood(steady=await steady, flood=flood, began_s=began_s, ended_s=began_s + FLOOD_S)


def back_after_s(questions: Sequence[tuple[float, float]], *, ended_s: float, limit_ms: float) -> float:
    """Seconds from `ended_s` to the end of the last window that was slow; 0 where none was.

    `questions` are moments of ending, seconds, and what each took, milliseconds. A window is slow when the median of
    those that ended in it is above `limit_ms`; where none ended in it nothing is known of it.
    """
    windows: dict[int, list[float]] = {}
    for at, taken in questions:
        if at >= ended_s:
            windows.setdefault(int((at - ended_s) / WINDOW_S), []).append(taken)
    slow = [number for number, taken in windows.items() if percentile(taken, 50) > limit_ms]
    return (max(slow) + 1) * WINDOW_S if slow else 0.0


def _questions(seen: Seen) -> list[tuple[float, float]]:
    """When each was answered, and what it took in both of its steps over the model's time, milliseconds."""
    taken = zip(seen.ended_s, seen.start_ms, seen.inputs_ms, strict=True)
    return [(at, start_ms + inputs_ms - LLM_MS) for at, start_ms, inputs_ms in taken]
