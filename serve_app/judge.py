"""`askwell judge`: how far the judge of these settings can be trusted, measured on the gold set.

The judge is asked through the same evaluator as in the service. How many judgements that takes is said
before the first one is asked for; an answer that it fails to score counts as a failure, never as a score.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from actors.evaluator import SECOND_PASS, Evaluator
from actors.judging.agreement import Estimate
from actors.judging.gold import GoldSet, load
from actors.judging.measurement import Agreement, Measurement, Plan, measure, survey
from actors.judging.probes import Finding
from actors.llm import LLM
from serve_app import wiring
from serve_app.settings import Settings
from serve_app.targets import targets
from serve_app.valkey import Valkey
from state.errors import InvalidField
from state.messages import Origin
from state.model import CriterionName

HELD, MISSED = 0, 1
VERDICTS = {True: "[green]within[/green]", False: "[red]MISSED[/red]", None: "[yellow]not measured[/yellow]"}
TENANT = "askwell-judge"
"""Of all judgements asked for here, so that what they cost is on nobody else's account."""


def run(
    settings: Settings,
    console: Console,
    *,
    items: int | None,
    seed: int,
    reruns: int,
    twice: bool,
    output: Path | None,
) -> int:
    """Measure, print the tables, write JSON if asked to.

    0 if every answer was scored and every probe that could be measured is within its limit, else 1. `twice`
    measures the judge as sessions with the flag `advanced_quality_evaluation` have it. Raises `InvalidField`
    before anything is asked for, if `output` cannot be written.
    """
    if output is not None:
        _writable(output)
    gold = load()
    origin = Origin(tenant=TENANT, flags={SECOND_PASS: twice})
    plan = Plan(items=items, seed=seed, reruns=reruns, origin=origin)
    work = survey(gold, plan)
    asked = len(work.items), len(gold.items), reruns, len(work.pairs), work.judgements * (1 + twice)
    console.print("{} of {} answers, {} reruns, {} probes: {:,} completions to ask for.".format(*asked))
    with _recording(settings) as recorded:
        measurement = asyncio.run(_measured(recorded, console, gold, plan, work.judgements))
    report(console, measurement)
    if output is not None:
        output.write_text(json.dumps(as_json(measurement, plan), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return HELD if measurement.held else MISSED


def report(console: Console, measurement: Measurement) -> None:
    """The measurement as tables."""
    judges = ", ".join(f"{name} ({count:,})" for name, count in measurement.judges.items())
    console.print(f"Judged by {escape(judges) or 'nobody'}.")
    if len(measurement.judges) > 1:
        console.print("[yellow]More than one judge answered: these are figures of the mixture.[/yellow]")
    for kind, count in measurement.failures.items():
        console.print(f"[red]{count:,} judgements failed: {escape(kind)}[/red]")
    if not measurement.agreement:
        console.print("[red]Nothing was scored, so nothing was measured.[/red]")
        return
    console.print(_agreement_table(measurement))
    console.print(_probe_table(measurement.probes))


def as_json(measurement: Measurement, plan: Plan) -> dict[str, object]:
    """Everything measured and what it was measured with, for a file."""
    probes = [{**asdict(probe), "passed": probe.passed} for probe in measurement.probes]
    asked = {"items": plan.items, "seed": plan.seed, "reruns": plan.reruns, "flags": dict(plan.origin.flags)}
    return {"plan": asked, "held": measurement.held, **asdict(measurement), "probes": probes}


def _writable(output: Path) -> None:
    try:
        output.touch()
    except OSError as error:
        raise InvalidField(field="--output", fix=f"name a file that can be written ({error.strerror})") from error


@contextmanager
def _recording(settings: Settings) -> Iterator[Settings]:
    """The settings with a Redis for the records of calls to providers: a passing one, if none is named."""
    if settings.redis_url is not None or not targets(settings):
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="askwell-judge-") as folder:
        valkey = Valkey(Path(folder))
        valkey.start()
        try:
            yield settings.model_copy(update={"redis_url": SecretStr(valkey.url)})
        finally:
            valkey.stop()


@asynccontextmanager
async def _provider(settings: Settings) -> AsyncIterator[LLM]:
    """The provider of these settings, and its connections only for so long."""
    if not targets(settings):
        yield wiring.offline_llm()
        return
    store = wiring.redis(settings)
    try:
        llm = wiring.prompted_llm(settings, store, wiring.resilience(settings))
        try:
            yield llm
        finally:
            await llm.aclose()
    finally:
        await store.aclose()


async def _measured(settings: Settings, console: Console, gold: GoldSet, plan: Plan, judgements: int) -> Measurement:
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with _provider(settings) as llm:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("judging", total=judgements)
            return await measure(Evaluator(llm=llm), gold, plan, lambda: progress.advance(task))


def _agreement_table(measurement: Measurement) -> Table:
    parts = measurement.agreement
    table = Table("against the raters' median", *parts, title="Agreement (95 % intervals)")
    table.add_row("answers", *(str(part.kappa.n) for part in parts.values()))
    table.add_row("weighted kappa of the total", *(_estimate(part.kappa) for part in parts.values()))
    for name in CriterionName:
        label = name.value.replace("_", " ")
        table.add_row(f"  of {label}", *(_estimate(part.criteria[name]) for part in parts.values()))
    table.add_row("same verdict", *(_percent(part.verdicts) for part in parts.values()))
    table.add_row("false accepts", *(_of(part.false_accepts, _refused(part)) for part in parts.values()))
    table.add_row("false refusals", *(_of(part.false_refusals, part.raters_accept) for part in parts.values()))
    table.add_row("points above the raters", *(_estimate(part.lenient, signed=True) for part in parts.values()))
    table.add_row("raters among themselves: kappa", *(_estimate(part.raters_kappa) for part in parts.values()))
    table.add_row("  same verdict", *(f"{part.raters_verdicts:.0%}" for part in parts.values()))
    if measurement.flips is not None:
        table.add_row("verdicts that a rerun turns", _percent(measurement.flips))
    return table


def _probe_table(probes: tuple[Finding, ...]) -> Table:
    table = Table(
        "probe", "pairs", "effect in points", "most", "pass / fail turned", "limit", "verdict", title="Probes for bias"
    )
    for probe in probes:
        limit = f"±{probe.limit}" if probe.both_ways else f"{probe.limit:+}"
        effect = _estimate(probe.effect, signed=True) if probe.effect else "not scored"
        pairs = f"{probe.effect.n if probe.effect else 0}" + (f" ({probe.unscored} unscored)" if probe.unscored else "")
        turned = f"{probe.lifted} up, {probe.dropped} down"
        most = f"{probe.most:+.1f}"
        table.add_row(f"{probe.name}: {probe.about}", pairs, effect, most, turned, limit, VERDICTS[probe.passed])
    return table


def _refused(part: Agreement) -> int:
    return part.kappa.n - part.raters_accept


def _of(count: int, whole: int) -> str:
    return f"{count} of {whole}"


def _estimate(estimate: Estimate, *, signed: bool = False) -> str:
    form = "+.2f" if signed else ".2f"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"
