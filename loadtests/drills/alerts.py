"""The fifteen alerts, brought about by real faults in a running service; what two real sinks receive of them.

    python -m loadtests.drills.alerts [--shipped-windows]

Models are the provider stub's: slow, dear, unkind or failing; Valkey and the vector store are stopped. Each
stage begins with its faults, makes them worse where there is a critical limit, and heals them. The rules are the
shipped ones but for their windows, which are a minute long, so that what is healed can be seen to end, and for the
cooldown of cache_hits, of which cold caches tell at the start; with --shipped-windows they are as shipped, and only
firing is waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from loadtests.drills.watched import INPUT_USD_PER_MILLION, Habits, Watched, watched
from loadtests.sinks import Sink

WARM_UP_S = 60.0
FIRE_WITHIN_S = 150.0
RESOLVE_WITHIN_S = 240.0
SETTLE_S = 5.0
USERS = 4
CALLS_FOR_RATE_S = 15.0
CALLS_A_QUESTION = 3
NOTHING_CACHED = 1_000_000
"""Tokens that a prompt would need for the stub's prefix cache."""
_LINE = re.compile(r"^(WARNING|CRITICAL|RESOLVED)(?:, ([a-z ,]+))?: .* \((\w+)\)$", re.MULTILINE)

Act = Callable[[Watched], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An alert, by its rule and severity, and the fault that is to bring it about."""

    rule: str
    severity: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    act: Act
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Steps, each worse than the one before, and what heals all of them."""

    name: str
    steps: tuple[Step, ...]
    heal: Act


@dataclass
class Row:
    """Times are seconds from the fault, or from the healing; None is never."""

    expected: Expected
    fired_s: float | None = None
    resolved_s: float | None = None
    messages: dict[str, int] = field(default_factory=dict)


async def judge_and_slowness(busy: Watched) -> None:
    busy.habits = Habits(searches=2)
    busy.models(score_low=5.5, score_high=5.5, latency={"write_prompts": {"median_ms": 3_800}})


async def worse_judge_and_slowness(busy: Watched) -> None:
    busy.models(score_low=4.0, score_high=4.0, latency={"write_prompts": {"median_ms": 6_500}})


async def some_fail(busy: Watched) -> None:
    busy.habits = Habits(reads=4)
    busy.models(faults={"evaluate_answer": {"shares": {"malformed": 1.0}}})


async def more_fail(busy: Watched) -> None:
    busy.habits = Habits(reads=0, searches=2)


async def dear(busy: Watched) -> None:
    """Nothing is found in the model's cache, and users rest for as long as it takes to cost 0.70 dollars an hour."""
    before = busy.stage.report()["totals"]
    await asyncio.sleep(CALLS_FOR_RATE_S)
    after = busy.stage.report()["totals"]
    calls, tokens = after["calls"] - before["calls"], after["input_tokens"] - before["input_tokens"]
    dollars_an_hour = tokens * INPUT_USD_PER_MILLION / 1e6 / CALLS_FOR_RATE_S * 3600
    question_s = USERS * CALLS_A_QUESTION * CALLS_FOR_RATE_S / calls
    busy.habits = Habits(rest_s=max(question_s * (dollars_an_hour / 0.70 - 1), 0))
    busy.models(openai_minimum_tokens=NOTHING_CACHED)
    _tell(
        f"{dollars_an_hour:.2f} dollars an hour, a question every {question_s:.1f} s, rest {busy.habits.rest_s:.1f} s"
    )


async def some_calls_fail(busy: Watched) -> None:
    busy.models(faults={"*": {"shares": {"server_error": 0.15}}})


async def dearer_and_no_vectors(busy: Watched) -> None:
    busy.habits = Habits(searches=0)
    await busy.vectors.stop()


async def vectors_back(busy: Watched) -> None:
    await busy.vectors.start()
    await well(busy)


async def novelty(busy: Watched) -> None:
    busy.habits = Habits(novel=True)


async def no_redis(busy: Watched) -> None:
    await asyncio.to_thread(busy.valkey.stop)


async def redis_back(busy: Watched) -> None:
    await asyncio.to_thread(busy.valkey.start)
    await well(busy)


async def well(busy: Watched) -> None:
    busy.habits = Habits()
    busy.models()


def _alerts(fault: str, *named: str) -> tuple[Expected, ...]:
    return tuple(Expected(rule=name.split()[0], severity=name.split()[1], fault=fault) for name in named)


STAGES = (
    Stage(
        name="unkind judge, slow model",
        steps=(
            Step(
                act=judge_and_slowness,
                expected=(
                    *_alerts("prompts take the model 3.8 s", "latency WARNING"),
                    *_alerts("the judge gives 5.5", "quality WARNING", "refinements WARNING", "first_pass WARNING"),
                ),
            ),
            Step(
                act=worse_judge_and_slowness,
                expected=(
                    *_alerts("prompts take the model 6.5 s", "latency CRITICAL"),
                    *_alerts("the judge gives 4", "quality CRITICAL"),
                ),
            ),
        ),
        heal=well,
    ),
    Stage(
        name="failing model",
        steps=(
            Step(
                act=some_fail,
                expected=_alerts("no judgement can be read, among many other requests", "errors WARNING"),
            ),
            Step(act=more_fail, expected=_alerts("no judgement can be read", "errors CRITICAL")),
        ),
        heal=well,
    ),
    Stage(
        name="dear model, then no vector store",
        steps=(
            Step(
                act=dear,
                expected=_alerts("no prompt is found in the model's cache", "hourly_cost WARNING"),
            ),
            Step(
                act=dearer_and_no_vectors,
                expected=(
                    *_alerts("the same, and users who do not rest", "hourly_cost CRITICAL", "daily_cost WARNING"),
                    *_alerts("the vector store is stopped", "qdrant CRITICAL"),
                ),
            ),
        ),
        heal=vectors_back,
    ),
    Stage(
        name="no Redis",
        steps=(Step(act=no_redis, expected=_alerts("Valkey is stopped", "redis CRITICAL")),),
        heal=redis_back,
    ),
    Stage(
        name="texts that no cache has",
        steps=(Step(act=novelty, expected=_alerts("every search is for something new", "cache_hits WARNING")),),
        heal=well,
    ),
    Stage(
        name="calls of the model that fail now and then",
        steps=(Step(act=some_calls_fail, expected=_alerts("every seventh call fails", "llm_errors CRITICAL")),),
        heal=well,
    ),
)


async def played(stages: Sequence[Stage], *, window_minutes: int | None) -> list[Row]:
    """Every alert that was expected, and what became of it; how it goes is told on standard error."""
    rows: list[Row] = []
    async with watched(window_minutes=window_minutes, users=USERS) as busy:
        for stage in stages:
            await asyncio.sleep(WARM_UP_S)
            _tell(f"{stage.name}: {busy.requests}")
            began_s = time.time()
            stage_rows = await _fired(busy, stage)
            healed_s = await _begun(busy, stage.heal)
            if window_minutes is not None:
                await _until(partial(_resolved, busy, stage_rows, healed_s), RESOLVE_WITHIN_S)
                _tell(", ".join(f"{row.expected.rule} over {_s(row.resolved_s)}" for row in stage_rows))
            await asyncio.sleep(SETTLE_S)
            _counted(busy, stage_rows, began_s)
            rows += stage_rows
    return rows


async def _fired(busy: Watched, stage: Stage) -> list[Row]:
    rows: list[Row] = []
    for step in stage.steps:
        fault_s = await _begun(busy, step.act)
        fresh = [Row(expected=expected) for expected in step.expected]
        await _until(partial(_seen, busy, fresh, fault_s), FIRE_WITHIN_S)
        _tell(", ".join(f"{row.expected.rule} {row.expected.severity} {_s(row.fired_s)}" for row in fresh))
        rows += fresh
    return rows


def _counted(busy: Watched, rows: Sequence[Row], began_s: float) -> None:
    """Messages that tell of each alert, but for that it is better or over."""
    for row in rows:
        for name, sink in (("mail", busy.mail), ("hook", busy.hook)):
            row.messages[name] = len(told(sink, row.expected.rule, row.expected.severity, began_s))


async def _begun(busy: Watched, act: Act) -> float:
    await act(busy)
    return time.time()


def _seen(busy: Watched, rows: Sequence[Row], fault_s: float) -> bool:
    for row in rows:
        arrived = told(busy.hook, row.expected.rule, row.expected.severity, fault_s)
        row.fired_s = arrived[0] - fault_s if arrived else None
    return all(row.fired_s is not None for row in rows)


def _resolved(busy: Watched, rows: Sequence[Row], healed_s: float) -> bool:
    for row in rows:
        arrived = told(busy.hook, row.expected.rule, "RESOLVED", healed_s)
        row.resolved_s = arrived[0] - healed_s if arrived else None
    return all(row.resolved_s is not None for row in rows)


def told(sink: Sink, rule: str, what: str, since_s: float) -> list[float]:
    """When messages arrived in which this is told of the rule; `what` is a severity that fires, or RESOLVED."""
    return [
        arrived.at_s
        for arrived in sink.arrived
        if arrived.at_s >= since_s
        for sign, news, name in _LINE.findall(arrived.text.replace("\r", ""))
        if (sign, name) == (what, rule) and not news.startswith("better")
    ]


async def _until(condition: Callable[[], bool], within_s: float) -> None:
    until = time.monotonic() + within_s
    while not condition() and time.monotonic() < until:  # noqa: ASYNC110 - what is waited for is another process's
        await asyncio.sleep(0.5)


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    lines = [
        "| alert | fault | seconds to fire | messages by mail, by webhook | seconds to resolve |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        alert = f"{row.expected.rule} {row.expected.severity.lower()}"
        messages = ", ".join(str(count) for count in row.messages.values())
        lines.append(f"| {alert} | {row.expected.fault} | {_s(row.fired_s)} | {messages} | {_s(row.resolved_s)} |")
    return "\n".join(lines)


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f}"


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shipped-windows", action="store_true")
    parser.add_argument("--stages", default="012345", help="which stages, by their places")
    asked = parser.parse_args()
    stages = [STAGES[int(place)] for place in asked.stages]
    rows = asyncio.run(played(stages, window_minutes=None if asked.shipped_windows else 1))
    print(table(rows))
    return int(any(row.fired_s is None for row in rows))


if __name__ == "__main__":
    sys.exit(main())
