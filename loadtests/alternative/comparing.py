"""Askwell and the alternative in turns, and one's figures beside the other's.

While one is measured the other does not run: Askwell takes a few tenths of a core when nobody asks it anything.
Ray starts its workers at niceness 15, so where other processes want the cores too, they take them from Askwell
rather than from the alternative. The cores that others took stand beside each figure.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from rich.table import Table

from loadtests.alternative import stage
from loadtests.alternative.measuring import Figures, measured
from serve_app.bench.plan import Plan
from serve_app.bench.questions import SETTINGS, STUB, Measured, setting_of
from serve_app.bench.report import Figure, figures
from serve_app.bench.stage import staged
from serve_app.bench.tables import number

ASKWELL, ALTERNATIVE = "Askwell", "FastAPI + LangGraph + Redis"

Rounds = dict[int, dict[str, list[Figures]]]
"""By number of users and by service, figures a turn."""

SHOWN = (
    "questions/s",
    "start over LLM time, p50 ms",
    "start over LLM time, p95 ms",
    "inputs over LLM time, p50 ms",
    "inputs over LLM time, p95 ms",
    "CPU-ms a question",
    "CPU-ms a question at idle",
    "LLM calls a question",
    "errors",
    "cores of other processes",
    "load average",
)
COMPARED = frozenset(SHOWN[:6])


def in_turns(plan: Plan, *, durability: str, changes: Mapping[str, str]) -> Iterator[Rounds]:
    """What is known after each turn; in a turn one service begins, answers every number of users, and ends.

    `changes` are environment variables of Askwell's, `durability` is the alternative's.
    """
    services: Mapping[str, Callable[[], AbstractContextManager[Measured]]] = {
        ASKWELL: lambda: staged(STUB, **{**SETTINGS, **changes}),
        ALTERNATIVE: lambda: stage.staged(json.dumps(STUB), durability=durability),
    }
    rounds: Rounds = {users: {name: [] for name in services} for users in plan.users}
    for turn in range(plan.repeats):
        for name, started in services.items():
            plan.tell(f"{name}, turn {turn + 1} of {plan.repeats}: starting")
            with started() as service:
                for users, found in measured(service, plan, name).items():
                    rounds[users][name].append(found)
            yield rounds


def figures_of(rounds: Rounds) -> tuple[Figure, ...]:
    """For the report: the service is the workload, and a third one holds the ratios of medians."""
    found: list[Figure] = []
    for users, services in rounds.items():
        setting = setting_of(users)
        for name, turns in services.items():
            found += figures(name, setting, turns)
        found += figures(f"{ASKWELL} / {ALTERNATIVE}", setting, [_ratios(services)])
    return tuple(found)


def compared(rounds: Rounds) -> Iterator[Table]:
    """A table for each number of users: medians, the lowest and the highest of the turns, and the ratio of medians."""
    for users, services in rounds.items():
        table = Table(title=setting_of(users), title_justify="left")
        table.add_column("figure")
        for name in (*services, "ratio"):
            table.add_column(name, justify="right")
        ratios = _ratios(services)
        for figure in SHOWN:
            cells = (_cell([turn[figure] for turn in turns]) for turns in services.values())
            table.add_row(figure, *cells, f"x{ratios[figure]:.2f}" if figure in ratios else "")
        yield table


def _ratios(services: Mapping[str, list[Figures]]) -> Figures:
    """Of the figures that both have; not where the alternative's is not above 0."""
    if not all(services.values()):
        return {}
    medians: list[dict[str, Any]] = [
        {name: statistics.median(turn[name] for turn in turns) for name in COMPARED} for turns in services.values()
    ]
    ours, theirs = medians
    return {name: ours[name] / theirs[name] for name in SHOWN if name in COMPARED and theirs[name] > 0}


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ({number(min(values))}..{number(max(values))})" if len(set(values)) > 1 else ""
    return f"{number(statistics.median(values))}{spread}"
