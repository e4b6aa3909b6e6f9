"""What `askwell replay` shows: the replay, and for each what-if the figures then and now. No text of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serve_app.inspection import dollars, print_table
from serve_app.reasking import AskedAgain, Reasking, evaluation_of, operation_of, outcome
from state.codec import SCHEMA
from state.costs import Tally
from state.events import Event
from state.fork import Fork, ForkedQuestion, Repriced, Totals
from state.replay import Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What was asked for beside the replay, and found; None each where it was not."""

    forked: Fork | None = None
    prices: Mapping[str, Repriced] | None = None
    prompts: Reasking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`dropped` calls of the session are kept no more."""

    session_id: str
    tenant: str
    dropped: int
    replayed: Replay
    what_if: WhatIf = WhatIf()


def print_replayed(console: Console, report: Report) -> None:
    """Whether the log gives the stored state, and if not, where it parts from it."""
    named = f"Session {escape(report.session_id)} of {escape(report.tenant)}"
    fault = report.replayed.fault
    if fault is not None:
        about = f"{fault.kind} at version {fault.version}: {fault.about}"
        console.print(f"[red]{named}: the log does not give the stored state.[/red] {escape(about)}.", soft_wrap=True)
        return
    schema = report.replayed.stored_schema
    lifted = "" if schema == SCHEMA else f", brought up to date from schema {schema}"
    entries = len(report.replayed.moves)
    console.print(f"{named}: {entries} log entries give the stored state, byte for byte{lifted}.", soft_wrap=True)


def print_what_if(console: Console, report: Report) -> None:
    if report.what_if.forked is not None:
        _print_fork(console, report.what_if.forked)
    if report.what_if.prices is not None:
        _print_prices(console, report.what_if.prices, report.dropped)
    if report.what_if.prompts is not None:
        _print_prompts(console, report.what_if.prompts, report.dropped)


def as_data(report: Report) -> Mapping[str, Any]:
    """The same for a program."""
    fault, what_if = report.replayed.fault, report.what_if
    return {
        "session_id": report.session_id,
        "tenant": report.tenant,
        "entries": len(report.replayed.moves),
        "stored_schema": report.replayed.stored_schema,
        "fault": None if fault is None else asdict(fault),
        "dropped": report.dropped,
        "thresholds": None if what_if.forked is None else _fork_data(what_if.forked),
        "prices": None if what_if.prices is None else _prices_data(what_if.prices),
        "prompts": None if what_if.prompts is None else _prompts_data(what_if.prompts),
    }


def _print_fork(console: Console, forked: Fork) -> None:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("question", "priority", "scores", "threshold", "outcome then", "outcome now", "refinements"):
        table.add_column(heading, overflow="fold")
    for question in forked.questions:
        then, now = question.then, question.now
        table.add_row(
            escape(question.question_id),
            question.priority.value,
            _scores(question),
            _turned(f"{then.threshold:g}", f"{now.threshold:g}"),
            then.step.value,
            now.step.value + (" *" if question.asks_further else " ?" if question.doubtful else ""),
            _turned(str(then.refinements), str(now.refinements)),
        )
    print_table(console, table)
    console.print(f"Then: {_totals(forked.then)}. Now: {_totals(forked.now)}.", soft_wrap=True)
    if any(question.now.scored < len(question.scores) for question in forked.questions):
        console.print(
            "Scores in brackets would not have been given: the question would have ended before.", soft_wrap=True
        )
    if any(question.asks_further for question in forked.questions):
        console.print("* Open: would have asked for a refinement that was never given.", soft_wrap=True)
    if any(question.doubtful for question in forked.questions):
        console.print(
            "? Two passes judged each answer, and the log keeps the one that decided then: the other may have had a "
            "score below the threshold of now.",
            soft_wrap=True,
        )


def _print_prices(console: Console, by_operation: Mapping[str, Repriced], dropped: int) -> None:
    total = sum(by_operation.values(), Repriced())
    if not total.calls:
        console.print("No call to a provider is recorded, so there is nothing to price.", soft_wrap=True)
        return
    table = Table("operation", box=SIMPLE_HEAD)
    for heading in ("calls", "then", "now", "difference", "no price then", "no price now", "no usage"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, priced in by_operation.items():
        table.add_row(escape(name), *_cells(priced))
    table.add_section()
    table.add_row("all", *_cells(total))
    print_table(console, table)
    console.print("The difference is of the calls that have a price in both.", soft_wrap=True)
    _print_dropped(console, dropped)


def _print_prompts(console: Console, reasking: Reasking, dropped: int) -> None:
    steps = Table(box=SIMPLE_HEAD)
    for heading in ("version", "question", "prompt now", "then", "now"):
        steps.add_column(heading, overflow="fold")
    for done in reasking.steps:
        now = f"failed: {done.failure}" if done.now is None else outcome(done.now)
        where = (str(done.step.version), escape(done.step.question_id or "-"), escape(_label(reasking, done)))
        steps.add_row(*where, outcome(done.step.event), now)
    print_table(console, steps)
    costs = Table("operation", box=SIMPLE_HEAD)
    for heading in ("calls", "input", "output", "cost"):
        costs.add_column(heading, justify="right", no_wrap=True)
    for name in _operations(reasking):
        before, after = reasking.then.get(name, Tally()), reasking.now.get(name, Tally())
        costs.add_row(
            escape(name),
            _turned(f"{before.calls:,}", f"{after.calls:,}"),
            _turned(f"{before.usage.input_tokens:,}", f"{after.usage.input_tokens:,}"),
            _turned(f"{before.usage.output_tokens:,}", f"{after.usage.output_tokens:,}"),
            _turned(_cost(before), _cost(after)),
        )
    print_table(console, costs)
    console.print(
        "'Then' has every recorded call of these operations, those of steps that came to nothing included.",
        soft_wrap=True,
    )
    _print_dropped(console, dropped)


def _print_dropped(console: Console, dropped: int) -> None:
    if dropped:
        console.print(
            f"{dropped} older calls of this session are kept no more and are not in these figures.", soft_wrap=True
        )


def _scores(question: ForkedQuestion) -> str:
    scores = [f"{score:g}" for score in question.scores]
    left = [f"({score})" for score in scores[question.now.scored :]]
    return ", ".join([*scores[: question.now.scored], *left]) or "-"


def _totals(totals: Totals) -> str:
    parts = (totals.accepted, totals.best_effort, totals.to_refine, totals.refinements)
    return "{} accepted, {} best effort, {} to refine, {} refinements".format(*parts)


def _turned(then: str, now: str) -> str:
    return then if then == now else f"{then} -> {now}"


def _cells(priced: Repriced) -> tuple[str, ...]:
    money = (priced.then_usd, priced.now_usd, priced.difference_usd)
    missing = (priced.unpriced_then, priced.unpriced_now, priced.unmeasured)
    return (f"{priced.calls:,}", *map(dollars, money), *(f"{count:,}" for count in missing))


def _cost(tally: Tally) -> str:
    unknown = tally.unpriced + tally.unmeasured
    if unknown and unknown == tally.calls:
        return "not known"
    return dollars(tally.cost_usd) + (f" and {unknown} unknown" if unknown else "")


def _label(reasking: Reasking, done: AskedAgain) -> str:
    return reasking.pins.wordings[operation_of(done.step)].label


def _operations(reasking: Reasking) -> list[str]:
    return list(dict.fromkeys(operation_of(done.step) for done in reasking.steps))


def _fork_data(forked: Fork) -> Mapping[str, Any]:
    questions = [{**asdict(question), "asks_further": question.asks_further} for question in forked.questions]
    totals = {"then": asdict(forked.then), "now": asdict(forked.now)}
    return {"questions": questions, **totals}


def _prices_data(by_operation: Mapping[str, Repriced]) -> Mapping[str, Any]:
    total = sum(by_operation.values(), Repriced())
    return {
        "total": _repriced_data(total),
        "by_operation": {name: _repriced_data(priced) for name, priced in by_operation.items()},
    }


def _repriced_data(priced: Repriced) -> Mapping[str, Any]:
    money = {name: float(getattr(priced, name)) for name in ("then_usd", "now_usd", "difference_usd")}
    return {**asdict(priced), **money}


def _prompts_data(reasking: Reasking) -> Mapping[str, Any]:
    steps = [
        {
            "version": done.step.version,
            "question_id": done.step.question_id,
            "prompt": _label(reasking, done),
            "then": _event_data(done.step.event),
            "now": None if done.now is None else _event_data(done.now),
            "failure": done.failure,
        }
        for done in reasking.steps
    ]
    sides = {"then": reasking.then, "now": reasking.now}
    told = {side: {name: _tally_data(tally) for name, tally in by.items()} for side, by in sides.items()}
    return {"versions": dict(reasking.pins.versions), "steps": steps, **told}


def _event_data(event: Event) -> Mapping[str, Any]:
    evaluation = evaluation_of(event)
    scored = {} if evaluation is None else {"score": evaluation.score, "by": evaluation.by}
    return {"event": type(event).__name__, "outcome": outcome(event), **scored}


def _tally_data(tally: Tally) -> Mapping[str, Any]:
    fields = asdict(tally)
    return {**fields.pop("usage"), **fields, "cost_usd": float(tally.cost_usd)}
