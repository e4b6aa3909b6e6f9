"""A run's report as Markdown, and its tables as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from loadtests.load.breaking import BreakingPoint
from loadtests.load.report import Check, Run, StepRow, checks
from loadtests.load.scenarios import READING_S, WRITING_S
from loadtests.load.server import POOLS

Cells = Sequence[str]
OWN_CACHES = {
    "l1": "embeddings: found in the process, of all texts that were looked up",
    "l2": "embeddings: found in Redis, of those that the process had not",
    "single_flight": "calls of a model that joined another one under way",
}


def markdown(run: Run) -> str:
    """The whole report; what is not known of a service that was not started here is left out."""
    scenario = run.scenario
    sections = [
        f"# Load: {scenario.name}, {run.most_users:,} users, {run.seconds:,.0f} s",
        f"Simulated LLM: {run.llm}. {_thinking(run.think)}"
        if run.bill
        else "A service that was running already: its LLM time, processor and cost are not known here.",
        _verdict(checks(run)),
        *_breaking(run),
        "## Steps\n\nMilliseconds, of what was answered. 'over' is what is left of each request's latency without the "
        "simulated LLM time of that request: the longest chain of its calls.\n\n" + _steps(run.steps),
        *_counted(run),
        *_server(run),
        *_money(run),
    ]
    return "\n\n".join(sections) + "\n"


def _thinking(share: float) -> str:
    reading, writing = ("{:g} to {:g} s".format(*(share * one for one in span)) for span in (READING_S, WRITING_S))
    return f"A candidate takes {reading} to read a question and to choose, {writing} to write."


def write_csv(run: Run, folder: Path) -> None:
    """`steps.csv`, and `timeline.csv` where there are readings."""
    with (folder / "steps.csv").open("w", newline="", encoding="utf-8") as file:
        steps = csv.DictWriter(file, [one.name for one in fields(StepRow)])
        steps.writeheader()
        steps.writerows(asdict(row) for row in run.steps)
    if not run.moments:
        return
    parts = list(run.moments[-1].cpu_s)
    with (folder / "timeline.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(
            [
                "second",
                *(f"{part} cpu_s" for part in parts),
                "load cpu_s",
                "memory_mb",
                *(f"{one} replicas" for one in POOLS),
            ]
        )
        for moment in run.moments:
            memory = f"{sum(moment.memory_mb.values()):.0f}" if moment.memory_mb else ""
            used = [f"{moment.cpu_s.get(part, 0.0):.2f}" for part in parts]
            counted = [str(moment.replicas.get(pool, 0)) for pool in POOLS]
            lines.writerow([f"{moment.at_s - run.began_s:.1f}", *used, f"{moment.load_cpu_s:.2f}", memory, *counted])


def _verdict(made: Sequence[Check]) -> str:
    head = "All limits hold." if all(check.holds for check in made) else "Limits broken."
    rows = [(check.what, check.limit, check.found, "yes" if check.holds else "**no**") for check in made]
    return f"## {head}\n\n{table(('limit', 'allowed', 'found', 'holds'), rows)}"


def _breaking(run: Run) -> list[str]:
    """The one that lasted, and before it those that passed."""
    if not run.scenario.step_users:
        return []
    lasting = next((one for one in run.breaking if one.held_again_s is None), None)
    title = f"None up to {run.most_users:,} users" if lasting is None else f"{lasting.users:,} users"
    lines = [f"- at {one.users:,} users, {_when(one)}: {'; '.join(one.what)}" for one in run.breaking]
    return ["\n\n".join([f"## Breaking point: {title}", *(["\n".join(lines)] if lines else [])])]


def _when(point: BreakingPoint) -> str:
    if point.held_again_s is None:
        return f"from {point.at_s:,.0f} s on"
    return f"from {point.at_s:,.0f} to {point.held_again_s:,.0f} s"


def _steps(rows: Iterable[StepRow]) -> str:
    head = (
        "step",
        "answered",
        "/s",
        "p50",
        "p95",
        "p99",
        "LLM p50",
        "LLM p95",
        "over p50",
        "over p95",
        "refused",
        "errors",
    )
    return table(
        head,
        [
            (
                row.step,
                f"{row.answered:,}",
                f"{row.per_s:.1f}",
                *(
                    _ms(one)
                    for one in (
                        row.p50_ms,
                        row.p95_ms,
                        row.p99_ms,
                        row.llm_p50_ms,
                        row.llm_p95_ms,
                        row.over_p50_ms,
                        row.over_p95_ms,
                    )
                ),
                f"{row.refused:,}",
                f"{row.errors:,}",
            )
            for row in rows
        ],
    )


def _counted(run: Run) -> list[str]:
    sections = []
    if run.errors:
        sections.append(_section("Errors", ("step and kind", "count"), [(k, f"{n:,}") for k, n in run.errors.items()]))
    if run.refusals:
        rows = [(kind, f"{count:,}", _ms(p95_ms)) for kind, (count, p95_ms) in run.refusals.items()]
        sections.append(_section("Refusals, each with Retry-After", ("kind", "count", "p95 ms"), rows))
    return sections


def _server(run: Run) -> list[str]:
    if not run.parts:
        return []
    rows = [
        (row.part, f"{row.mean_cores:.2f}", f"{row.most_cores:.2f}", f"{row.most_memory_mb:,.0f}") for row in run.parts
    ]
    head = ("part", "cores, mean", "cores, most in a second", "memory, most MB")
    used = table(head, rows)
    late = "" if run.late_p95_ms is None else f" The stub itself was {run.late_p95_ms:,.0f} ms late (p95)."
    beside = f"The users, the stub and the readings took {run.load_cores:.2f} cores of the same machine on top.{late}"
    changes: list[Cells] = [("second", *POOLS)]
    for moment in run.moments:
        counted = tuple(str(moment.replicas.get(pool, 0)) for pool in POOLS)
        if counted != tuple(changes[-1][1:]):
            changes.append((f"{max(0.0, moment.at_s - run.began_s):.0f}", *counted))
    replicas = table(changes[0], changes[1:])
    return [f"## Server\n\n{used}\n\n{beside}", f"## Replicas, from each second on\n\n{replicas}"]


def _money(run: Run) -> list[str]:
    bill = run.bill
    if bill is None:
        return []
    opened = sum(row.answered for row in run.steps if row.step.startswith("open session"))
    saved = f" (-{1 - bill.usd / bill.uncached_usd:.0%})" if bill.usd is not None and bill.uncached_usd else ""
    rows = [
        ("LLM calls", f"{bill.calls:,}"),
        ("prompt cache: hits, of the calls that can be cached", f"{bill.hit_share:.1%} of {bill.eligible:,}"),
        ("prompt cache: share of the input read from it", f"{bill.cached_share:.1%} of {bill.input_tokens:,} tokens"),
        ("cost", _usd(bill.usd)),
        ("the same calls uncached", _usd(bill.uncached_usd) + saved),
        ("cost a session opened", _usd(bill.usd / opened if bill.usd is not None and opened else None)),
    ]
    rows += [
        (what, f"{run.caches[level].hit_rate or 0:.1%} of {run.caches[level].hits + run.caches[level].misses:,}")
        for level, what in OWN_CACHES.items()
        if level in run.caches
    ]
    return [_section("Caches and cost", ("what", "figure"), rows)]


def table(head: Cells, rows: Iterable[Cells]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _section(title: str, head: Cells, rows: Iterable[Cells]) -> str:
    return f"## {title}\n\n{table(head, rows)}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _usd(value: float | None) -> str:
    return "not known" if value is None else f"${value:,.4f}"
