"""Measures a judge on the gold set: agreement with the raters, flips on a rerun, effects of the probes.

A judge is anything that evaluates, through the same evaluator as the service. An answer that it fails to
score is counted as a failure and has no score; it is never taken for a low one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

import numpy as np

from actors.judging.agreement import Column, Estimate, bootstrap, kappa, mean, on_scale, share, weighted_kappa
from actors.judging.gold import GoldSet, Half, Item, Rater
from actors.judging.probes import PROBES, Finding, Pair, Probe, finding, pairs_of
from state.errors import AskwellError
from state.messages import NOBODY, EvaluateAnswer, Evaluator, Origin
from state.model import CriterionName, Evaluation

T = TypeVar("T")
PROBE_PAIRS = 48
"""At most so many pairs a probe; all that there are make no probe's interval much narrower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of the judge: `items` None for all; `concurrency` judgements at once."""

    items: int | None = None
    seed: int = 1
    reruns: int = 2
    concurrency: int = 8
    probe_pairs: int = PROBE_PAIRS
    probes: tuple[Probe, ...] = PROBES
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A judge against the raters' medians; `raters_*` are the raters among themselves, pair by pair.

    Kappas are of whole points. `lenient` is the mean of judge minus raters, in points of the total.
    A false accept passes what the raters do not; a false refusal is the reverse.
    """

    kappa: Estimate
    criteria: Mapping[CriterionName, Estimate]
    verdicts: Estimate
    false_accepts: int
    false_refusals: int
    raters_accept: int
    lenient: Estimate
    raters_kappa: Estimate
    raters_verdicts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScores:
    """An item's totals, the first run's first; a run that failed to score it has None."""

    item: str
    half: Half
    threshold: float
    rated: float
    totals: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """`judges` counts the names that gave verdicts, `failures` the kinds of error that took the place of one.

    `agreement` is by half, and 'all'; it lacks what no item was scored for. `flips` is the share of reruns
    whose verdict differs from the first run's, None without reruns.
    """

    judges: Mapping[str, int]
    judgements: int
    failures: Mapping[str, int]
    agreement: Mapping[str, Agreement]
    flips: Estimate | None
    probes: tuple[Finding, ...]
    items: tuple[ItemScores, ...]

    @property
    def held(self) -> bool:
        """Whether everything was scored and every probe that was measured is within its limit."""
        return not self.failures and all(probe.passed is not False for probe in self.probes)


@dataclass(frozen=True, slots=True)
class Survey:
    """The work a plan makes: the items of the first run, and every probe's pairs."""

    items: tuple[Item, ...]
    pairs: Mapping[str, Sequence[tuple[Item, EvaluateAnswer]]]
    reruns: int

    @property
    def judgements(self) -> int:
        return len(self.items) * (1 + self.reruns) + sum(map(len, self.pairs.values()))


def survey(gold: GoldSet, plan: Plan) -> Survey:
    """Draws the items and the pairs. Same gold set and plan, same survey."""
    items = _drawn(gold.items, plan.items, plan.seed)
    pairs = {probe.name: pairs_of(probe, items, gold, plan.origin) for probe in plan.probes}
    drawn = {name: _drawn(all_, plan.probe_pairs, plan.seed + n) for n, (name, all_) in enumerate(pairs.items(), 1)}
    return Survey(items=items, pairs=drawn, reruns=plan.reruns)


async def measure(
    evaluator: Evaluator, gold: GoldSet, plan: Plan, progress: Callable[[], None] = lambda: None
) -> Measurement:
    """Runs the survey; `progress` is called once a judgement. Where the first run scores nothing, it ends there."""
    work = survey(gold, plan)
    panel = _Panel(evaluator, asyncio.Semaphore(plan.concurrency), progress)
    requests = [gold.request(item, plan.origin) for item in work.items]
    runs = [await panel.judged(requests)]
    if not any(runs[0]):
        return panel.measurement({}, None, (), _by_item(gold, work.items, runs))
    runs += [await panel.judged(requests) for _ in range(plan.reruns)]
    first = {item.id: one.score for item, one in zip(work.items, runs[0], strict=True) if one is not None}
    findings = []
    for probe in plan.probes:
        pairs = work.pairs[probe.name]
        varied = await panel.judged([request for _, request in pairs])
        scored = [
            Pair(threshold=item.threshold, plain=first[item.id], varied=one.score)
            for (item, _), one in zip(pairs, varied, strict=True)
            if one is not None and item.id in first
        ]
        findings.append(finding(probe, scored, unscored=len(pairs) - len(scored), seed=plan.seed))
    by_item = _by_item(gold, work.items, runs)
    return panel.measurement(
        _agreements(gold, work.items, runs[0], plan.seed), _flips(by_item), tuple(findings), by_item
    )


@dataclass
class _Panel:
    """Asks the judge, so many judgements at once, and counts who answered and what failed."""

    evaluator: Evaluator
    slots: asyncio.Semaphore
    progress: Callable[[], None]
    judges: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    async def judged(self, requests: Sequence[EvaluateAnswer]) -> list[Evaluation | None]:
        """One evaluation a request, None where the judge failed."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(request)) for request in requests]
        except ExceptionGroup as broken:
            raise broken.exceptions[0] from None
        return [task.result() for task in tasks]

    def measurement(
        self,
        agreement: Mapping[str, Agreement],
        flips: Estimate | None,
        probes: tuple[Finding, ...],
        items: tuple[ItemScores, ...],
    ) -> Measurement:
        return Measurement(
            judges=dict(self.judges),
            judgements=self.judges.total() + self.failures.total(),
            failures=dict(self.failures),
            agreement=agreement,
            flips=flips,
            probes=probes,
            items=items,
        )

    async def _one(self, request: EvaluateAnswer) -> Evaluation | None:
        async with self.slots:
            try:
                evaluation = (await self.evaluator.evaluate(request)).evaluation
            except AskwellError as error:
                self.failures[type(error).__name__] += 1
                return None
            finally:
                self.progress()
        self.judges[evaluation.by] += 1
        return evaluation


def agreement(items: Sequence[Item], evaluations: Sequence[Evaluation], *, seed: int) -> Agreement:
    """Of items and what the judge made of each. Raises `ValueError` without one."""
    judged = _column(evaluation.score for evaluation in evaluations)
    rated = _column(item.rated_total for item in items)
    ratings = [_column(item.rating(rater).total for item in items) for rater in Rater]
    thresholds = _column(item.threshold for item in items)
    accepts, deserve = judged >= thresholds, rated >= thresholds
    return Agreement(
        kappa=kappa(judged, rated, seed=seed),
        criteria={name: _criterion_kappa(name, items, evaluations, seed) for name in CriterionName},
        verdicts=share(int((accepts == deserve).sum()), len(items)),
        false_accepts=int((accepts & ~deserve).sum()),
        false_refusals=int((~accepts & deserve).sum()),
        raters_accept=int(deserve.sum()),
        lenient=mean(judged - rated, seed=seed),
        raters_kappa=bootstrap(_mean_kappa, *map(on_scale, ratings), seed=seed),
        raters_verdicts=float(
            np.mean([((one >= thresholds) == (other >= thresholds)).mean() for one, other in combinations(ratings, 2)])
        ),
    )


def _agreements(
    gold: GoldSet, items: Sequence[Item], run: Sequence[Evaluation | None], seed: int
) -> dict[str, Agreement]:
    scored = [(item, one) for item, one in zip(items, run, strict=True) if one is not None]
    found: dict[str, Agreement] = {}
    for name, halves in (("all", set(Half)), *((half.value, {half}) for half in Half)):
        some = [(item, one) for item, one in scored if gold.half_of(item) in halves]
        if some:
            found[name] = agreement([item for item, _ in some], [one for _, one in some], seed=seed)
    return found


def _flips(items: Sequence[ItemScores]) -> Estimate | None:
    """Over every rerun of an item that was scored both times."""
    turned = [
        (total >= one.threshold) != (one.totals[0] >= one.threshold)
        for one in items
        for total in one.totals[1:]
        if total is not None and one.totals[0] is not None
    ]
    return share(sum(turned), len(turned)) if turned else None


def _by_item(
    gold: GoldSet, items: Sequence[Item], runs: Sequence[Sequence[Evaluation | None]]
) -> tuple[ItemScores, ...]:
    return tuple(
        ItemScores(
            item=item.id,
            half=gold.half_of(item),
            threshold=item.threshold,
            rated=item.rated_total,
            totals=tuple(one.score if one is not None else None for one in scores),
        )
        for item, *scores in zip(items, *runs, strict=True)
    )


def _criterion_kappa(
    name: CriterionName, items: Sequence[Item], evaluations: Sequence[Evaluation], seed: int
) -> Estimate:
    judged = _column(
        criterion.score for evaluation in evaluations for criterion in evaluation.criteria if criterion.name is name
    )
    return kappa(judged, _column(item.rated(name) for item in items), seed=seed)


def _mean_kappa(*ratings: Column) -> Column:
    return np.asarray(np.mean([weighted_kappa(one, other) for one, other in combinations(ratings, 2)], axis=0))


def _column(values: Iterable[float]) -> Column:
    return np.fromiter(values, dtype=np.float64)


def _drawn(population: Sequence[T], n: int | None, seed: int) -> tuple[T, ...]:
    """At most `n` of them, in their order."""
    if n is None or n >= len(population):
        return tuple(population)
    rows = np.random.default_rng(seed).choice(len(population), size=n, replace=False)
    return tuple(population[row] for row in sorted(rows.tolist()))
