"""The command `askwell bench`: chosen workloads one after another, their figures shown, kept and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from serve_app.bench import batch, commits, memory, overload, questions, recording, retrieval
from serve_app.bench.plan import Plan, user_counts
from serve_app.bench.report import Figure, Report
from serve_app.bench.tables import tables
from state.errors import InvalidField

WORKLOADS: Mapping[str, Callable[[Plan], Sequence[Figure]]] = {
    "questions": questions.measure,
    "overload": overload.measure,
    "batch": batch.measure,
    "retrieval": retrieval.measure,
    "commits": commits.measure,
    "memory": memory.measure,
    "recording": recording.measure,
}

WIDTH_OF_A_FILE = 200


def run(
    console: Console,
    *,
    workloads: Sequence[str],
    users: str,
    seconds: float,
    repeats: int,
    output: Path | None,
    against: Path | None,
) -> Report:
    """Measure, print tables, write JSON if asked to; nothing is measured where an option is wrong.

    Without `workloads` all are measured. What one has measured is written before the next begins.
    """
    chosen = _chosen(workloads)
    plan = Plan(
        users=user_counts(users),
        seconds=seconds,
        repeats=repeats,
        tell=lambda stage: console.print(stage, highlight=False),
    )
    earlier = Report.read(against) if against is not None else None
    if output is not None and not os.access(output.parent, os.W_OK):
        raise InvalidField(field="--output", fix=f"{output.parent} is no directory that can be written to")
    report = Report.begun()
    for name in chosen:
        report = replace(report, figures=(*report.figures, *WORKLOADS[name](plan)))
        if output is not None:
            output.write_text(report.to_json(), "utf-8")
    shown = console if console.is_terminal else Console(file=console.file, width=WIDTH_OF_A_FILE)
    shown.print(str(report.machine), highlight=False, soft_wrap=True)
    for table in tables(report, earlier):
        shown.print(table)
    return report


def _chosen(workloads: Sequence[str]) -> list[str]:
    unknown = sorted(set(workloads) - set(WORKLOADS))
    if unknown:
        raise InvalidField(field="WORKLOAD", fix=f"{', '.join(unknown)}: choose among {', '.join(WORKLOADS)}")
    return [name for name in WORKLOADS if name in workloads or not workloads]
