"""From samples and readings to the figures of a run, and whether its limits held."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from loadtests.load.breaking import BreakingPoint
from loadtests.load.samples import NOT_STEPS, Sample
from loadtests.load.scenarios import Scenario
from loadtests.load.server import Moment
from loadtests.load.simulated import Simulated
from serve_app.bench.report import percentile
from state.metrics.figures import CacheFigures
from state.prices import Prices, uncached
from state.spending import Usage

ALL = "all steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """Of one step; latencies in ms, of those that were answered. None where the LLM time is not known."""

    step: str
    answered: int
    refused: int
    errors: int
    per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    llm_p50_ms: float | None
    llm_p95_ms: float | None
    over_p50_ms: float | None
    over_p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """Of one part of the service. CPU in cores: 1.0 is one core all the time."""

    part: str
    mean_cores: float
    most_cores: float
    most_memory_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """By the providers' usage blocks and the price list; None where a model's price is not known.

    `hits` are of the `eligible` calls, whose prompts were long enough to be cached.
    """

    calls: int
    eligible: int
    hits: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float | None
    uncached_usd: float | None

    @property
    def hit_share(self) -> float:
        return self.hits / self.eligible if self.eligible else 0.0

    @property
    def cached_share(self) -> float:
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A limit and what was found."""

    what: str
    limit: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that is told of a run. What needs a stage of our own is empty without one."""

    scenario: Scenario
    llm: str
    seconds: float
    most_users: int
    think: float
    steps: tuple[StepRow, ...]
    errors: Mapping[str, int]
    refusals: Mapping[str, tuple[int, float]]
    sessions_read: int
    sessions_lost: int
    breaking: tuple[BreakingPoint, ...] = ()
    moments: Sequence[Moment] = ()
    parts: tuple[PartRow, ...] = ()
    load_cores: float = 0.0
    late_p95_ms: float | None = None
    bill: Bill | None = None
    caches: Mapping[str, CacheFigures] = field(default_factory=dict)
    began_s: float = 0.0
    startup_s: float | None = None

    @property
    def whole(self) -> StepRow:
        return next(row for row in self.steps if row.step == ALL)


def step_rows(samples: Sequence[Sample], simulated: Simulated | None, *, seconds: float) -> tuple[StepRow, ...]:
    """By step, and of all that candidates wait for together."""
    by_step: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_step[sample.step].append(sample)
    rows = [_row(step, by_step[step], simulated, seconds) for step in sorted(by_step, key=_order)]
    steps = [sample for sample in samples if sample.step not in NOT_STEPS]
    return (*rows, _row(ALL, steps, simulated, seconds))


def errors_by_kind(samples: Sequence[Sample]) -> dict[str, int]:
    """'step: kind' to how often, the most frequent first."""
    return dict(Counter(f"{one.step}: {one.error}" for one in samples if one.error).most_common())


def refusals_by_kind(samples: Sequence[Sample]) -> dict[str, tuple[int, float]]:
    """By kind how often, and the p95 of how long it took to say so, in ms."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if sample.refused:
            took[sample.refused].append(sample.took_ms)
    return {kind: (len(took[kind]), percentile(took[kind], 95)) for kind in sorted(took)}


def part_rows(moments: Sequence[Moment]) -> tuple[PartRow, ...]:
    """By part, from the first reading to the last one, and of all together."""
    if len(moments) < 2:
        return ()
    parts = [*moments[-1].cpu_s, "all"]
    return tuple(
        PartRow(
            part=part,
            mean_cores=_cores(moments[0], moments[-1], part),
            most_cores=max(_cores(a, b, part) for a, b in pairwise(moments)),
            most_memory_mb=max((_of(one.memory_mb, part) for one in moments if one.memory_mb), default=0.0),
        )
        for part in parts
    )


def bill(report: Mapping[str, Any], prices: Prices) -> Bill:
    """From the stub's report."""
    paid: list[float | None] = []
    in_full: list[float | None] = []
    for row in report["rows"]:
        usage = Usage(
            input_tokens=row["input_tokens"],
            cached_tokens=row["cached_tokens"],
            cache_write_tokens=row["cache_write_tokens"],
            output_tokens=row["output_tokens"],
            thinking_tokens=row["reasoning_tokens"],
        )
        paid.append(prices.price(row["provider"], row["model"], usage))
        in_full.append(prices.price(row["provider"], row["model"], uncached(usage)))
    totals = report["totals"]
    return Bill(
        calls=totals["calls"],
        eligible=totals["eligible_calls"],
        hits=totals["hits"],
        input_tokens=totals["input_tokens"],
        cached_tokens=totals["cached_tokens"],
        output_tokens=totals["output_tokens"],
        usd=_sum(paid),
        uncached_usd=_sum(in_full),
    )


def checks(run: Run) -> tuple[Check, ...]:
    """Every limit of the scenario; nothing may be lost in any."""
    limits, whole = run.scenario.limits, run.whole
    requests = whole.answered + whole.refused + whole.errors
    errors = whole.errors + (whole.refused if limits.refusals_count else 0)
    what = "errors and refusals" if limits.refusals_count else "errors"
    over = limits.over_llm and whole.over_p95_ms is not None
    found_ms = whole.over_p95_ms if over else whole.p95_ms
    made = [_latency("p95 over the LLM time" if over else "p95", limits.p95_ms, found_ms)]
    if limits.service_p95_ms is not None and whole.over_p95_ms is not None:
        made.append(_latency("p95 over the LLM time, this project's own", limits.service_p95_ms, whole.over_p95_ms))
    if limits.error_share is not None:
        share = errors / requests if requests else 1.0
        made.append(
            Check(
                what=f"{what}, of all requests",
                limit=f"< {limits.error_share:.0%}",
                found=f"{share:.2%}",
                holds=share < limits.error_share,
            )
        )
    if limits.most_errors is not None:
        count = sum(run.errors.values())
        made.append(
            Check(what="errors", limit=f"{limits.most_errors}", found=f"{count}", holds=count <= limits.most_errors)
        )
    if limits.hit_share is not None and run.bill is not None:
        share = run.bill.hit_share
        made.append(
            Check(
                what="prompt cache hits, of the calls that can be cached",
                limit=f">= {limits.hit_share:.0%}",
                found=f"{share:.1%}",
                holds=share >= limits.hit_share,
            )
        )
    bare = sum(count for kind, count in run.errors.items() if "without Retry-After" in kind)
    made.append(Check(what="refusals without Retry-After", limit="0", found=f"{bare}", holds=not bare))
    lost = run.sessions_lost + sum(count for kind, count in run.errors.items() if kind.endswith(": lost"))
    found = f"{lost} of {run.sessions_read} sessions read back"
    made.append(Check(what="acknowledged steps lost", limit="0", found=found, holds=not lost))
    return tuple(made)


def _row(step: str, samples: Sequence[Sample], simulated: Simulated | None, seconds: float) -> StepRow:
    answered = [sample for sample in samples if sample.answered]
    took = [sample.took_ms for sample in answered]
    known = simulated is not None and step not in NOT_STEPS
    llm = [simulated.llm_ms(sample) for sample in answered] if simulated is not None and known else []
    over = [max(0.0, whole - part) for whole, part in zip(took, llm, strict=False)]
    return StepRow(
        step=step,
        answered=len(answered),
        refused=sum(bool(sample.refused) for sample in samples),
        errors=sum(bool(sample.error) for sample in samples),
        per_s=len(answered) / seconds if seconds else 0.0,
        p50_ms=_at(took, 50),
        p95_ms=_at(took, 95),
        p99_ms=_at(took, 99),
        llm_p50_ms=_at(llm, 50),
        llm_p95_ms=_at(llm, 95),
        over_p50_ms=_at(over, 50),
        over_p95_ms=_at(over, 95),
    )


def _at(values: Sequence[float], percent: float) -> float | None:
    return percentile(values, percent) if values else None


def _latency(what: str, limit_ms: float, found_ms: float | None) -> Check:
    """Without an answer there is no latency, and nothing that holds."""
    found = "no answer" if found_ms is None else f"{found_ms:,.0f} ms"
    return Check(
        what=what, limit=f"< {limit_ms:,.0f} ms", found=found, holds=found_ms is not None and found_ms < limit_ms
    )


def _of(by_part: Mapping[str, float], part: str) -> float:
    return sum(by_part.values()) if part == "all" else by_part.get(part, 0.0)


def _cores(before: Moment, after: Moment, part: str) -> float:
    elapsed_s = after.at_s - before.at_s
    return (_of(after.cpu_s, part) - _of(before.cpu_s, part)) / elapsed_s if elapsed_s > 0 else 0.0


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


_STEPS = (
    "open session",
    "open session with gaps",
    "batch",
    "reply no",
    "reply willing_to_learn",
    "reply yes",
    "inputs",
    "refinement",
    "resume",
    "watch",
    "event",
)


def _order(step: str) -> tuple[int, str]:
    return (_STEPS.index(step) if step in _STEPS else len(_STEPS), step)
