"""Measuring judges whose faults are known: each fault shows in its own figure, and in no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from actors.judging.gold import Half, Item, load
from actors.judging.measurement import Measurement, Plan, measure, survey
from actors.judging.probes import PROBES, Probe
from actors.judging.variants import FILLER, ORDER
from state.errors import BrokenReply, WorkUnavailable
from state.messages import EvaluateAnswer, Heard, JudgedAnswer
from state.model import Answer, BulletKind, Criterion, CriterionName, Evaluation
from state.workflow import total

SET = load()
SET_BY_ID = {item.id: item for item in SET.items}
NO_PROBES = Plan(reruns=0, probes=())


def key_of(gap: str, answer: Answer) -> str:
    """The same for an item and for its variants, as far as they leave the words alone."""
    return f"{gap}|{min(bullet.text[:30] for bullet in answer.bullets if bullet.kind is BulletKind.BUILD)}"


ITEMS: Mapping[str, Item] = {key_of(item.title, item.answer): item for item in SET.items}


def item_of(request: EvaluateAnswer) -> Item | None:
    return ITEMS.get(key_of(request.gap.title, request.answer))


@dataclass
class Oracle:
    """Gives the raters' median points, moved by `bias`, and 5 for what nobody has rated; `fail` may raise."""

    bias: Callable[[EvaluateAnswer, int], float] = lambda request, call: 0.0
    fail: Callable[[EvaluateAnswer], None] = lambda request: None
    by: str = "oracle"
    calls: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    most_open: int = 0
    twins: int = 0

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer:
        key = repr(request)
        self.calls[key] += 1
        self.twins += bool(self.open[key])
        self.open[key] += 1
        self.most_open = max(self.most_open, self.open.total())
        await asyncio.sleep(0)
        self.open[key] -= 1
        self.fail(request)
        item, bias = item_of(request), self.bias(request, self.calls[key])
        points = {name: min(max((item.rated(name) if item else 5) + bias, 1), 10) for name in CriterionName}
        criteria = tuple(Criterion(name=name, score=score, reason="rated so") for name, score in points.items())
        return JudgedAnswer(evaluation=Evaluation(score=total(points), criteria=criteria, by=self.by), follow_ups=())

    async def ready(self) -> None:
        return None


async def measured(judge: Oracle, plan: Plan = NO_PROBES) -> Measurement:
    return await measure(judge, SET, plan)


async def test_a_judge_that_is_the_raters_agrees_with_them_about_everything() -> None:
    found = await measured(Oracle())
    for part in found.agreement.values():
        assert part.kappa.value > 0.98
        assert {estimate.value for estimate in part.criteria.values()} == {1.0}
        assert part.verdicts.value > 0.97
        assert abs(part.lenient.value) < 0.1
    assert found.judges == {"oracle": len(SET.items)}


async def test_the_halves_are_reported_apart_and_together() -> None:
    found = await measured(Oracle())
    sizes = {name: part.kappa.n for name, part in found.agreement.items()}
    assert sizes == {"all": len(SET.items), **{half.value: len(SET.halves[half]) for half in Half}}


async def test_a_lenient_judge_accepts_falsely_and_a_strict_one_refuses_falsely() -> None:
    lenient = (await measured(Oracle(bias=lambda request, call: 2))).agreement["all"]
    strict = (await measured(Oracle(bias=lambda request, call: -2))).agreement["all"]
    assert lenient.false_accepts > 0 == lenient.false_refusals
    assert strict.false_refusals > 0 == strict.false_accepts
    assert len(ITEMS) == len(SET.items)
    assert 0.8 < lenient.lenient.value < 2
    assert -2 < strict.lenient.value < -1.7
    wrong = lenient.false_accepts / len(SET.items)
    assert lenient.verdicts.value == pytest.approx(1 - wrong)


async def test_a_judge_that_gives_everybody_the_same_has_no_kappa() -> None:
    found = await measured(Oracle(bias=lambda request, call: 7 - points_of(request)))
    assert abs(found.agreement["all"].kappa.value) < 0.1


def points_of(request: EvaluateAnswer) -> float:
    """Roughly what the item is rated."""
    item = item_of(request)
    return item.rated_total if item else 5.0


async def test_the_raters_among_themselves_are_the_same_whatever_the_judge() -> None:
    one, other = await measured(Oracle()), await measured(Oracle(bias=lambda request, call: 3))
    assert one.agreement["all"].raters_kappa == other.agreement["all"].raters_kappa
    assert 0.8 < one.agreement["all"].raters_kappa.value < 1


async def test_a_steady_judge_flips_nothing_and_a_fickle_one_is_counted_rerun_by_rerun() -> None:
    plan = Plan(reruns=2, probes=())
    assert (await measured(Oracle(), plan)).flips is not None
    steady = (await measured(Oracle(), plan)).flips
    fickle = (await measured(Oracle(bias=lambda request, call: 9 if call == 2 else -9), plan)).flips
    assert steady is not None
    assert fickle is not None
    assert (steady.value, steady.n) == (0.0, 2 * len(SET.items))
    assert (fickle.value, fickle.n) == (0.5, 2 * len(SET.items))


async def test_without_reruns_nothing_is_said_about_flips() -> None:
    assert (await measured(Oracle())).flips is None


async def test_an_answer_that_is_not_scored_is_a_failure_and_no_low_score() -> None:
    def fail(request: EvaluateAnswer) -> None:
        if request.gap.priority == "CRITICAL":
            raise WorkUnavailable
        if request.gap.priority == "LOW":
            raise BrokenReply

    critical = sum(item.priority == "CRITICAL" for item in SET.items)
    low = sum(item.priority == "LOW" for item in SET.items)
    found = await measured(Oracle(fail=fail), Plan(reruns=1, probes=()))
    assert found.failures == {"WorkUnavailable": 2 * critical, "BrokenReply": 2 * low}
    assert found.judgements == 2 * len(SET.items)
    assert found.agreement["all"].kappa.n == len(SET.items) - critical - low
    assert found.agreement["all"].kappa.value > 0.98
    assert {one.totals for one in found.items if SET_BY_ID[one.item].priority == "LOW"} == {(None, None)}
    assert not found.held


async def test_where_nothing_is_scored_it_ends_after_the_first_run() -> None:
    def fail(request: EvaluateAnswer) -> None:
        raise WorkUnavailable

    judge = Oracle(fail=fail)
    found = await measured(judge, Plan())
    assert judge.calls.total() == len(SET.items) == found.failures["WorkUnavailable"]
    assert (found.agreement, found.flips, found.probes, found.held) == ({}, None, (), False)


async def test_a_fault_of_the_program_is_no_failure_of_the_judge() -> None:
    def fail(request: EvaluateAnswer) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await measured(Oracle(fail=fail))


async def test_a_pair_that_lacks_a_score_is_left_out_and_counted() -> None:
    def fail(request: EvaluateAnswer) -> None:
        if FILLER in request.answer.text and request.gap.priority == "HIGH":
            raise WorkUnavailable

    found = await measured(Oracle(fail=fail), Plan(reruns=0, probes=PROBES[:1], probe_pairs=1_000))
    high = sum(item.priority == "HIGH" for item in SET.items)
    (padding,) = found.probes
    assert padding.unscored == high
    assert padding.effect is not None
    assert padding.effect.n == len(SET.items) - high


@pytest.mark.parametrize(("name", "bias"), [
    ("padding", lambda request: 1.0 if FILLER in request.answer.text else 0.0),
    ("injection in the CV", lambda request: 5.0 if ORDER in request.cv.text else 0.0),
    ("injection in the inputs", lambda request: 5.0 if ORDER in str(request.inputs) else 0.0),
    ("order of criteria", lambda request: -1.0 if request.reverse else 0.0),
    ("order of bullets", lambda request: 1.0 if request.answer.bullets[0].kind == "impact" else 0.0),
])  # fmt: skip
async def test_a_biased_judge_misses_the_probe_for_its_bias(name: str, bias: Callable[[EvaluateAnswer], float]) -> None:
    probes = tuple(probe for probe in PROBES if probe.name == name)
    plan = Plan(reruns=0, probes=probes)
    fair, biased = await measured(Oracle(), plan), await measured(Oracle(bias=lambda request, _: bias(request)), plan)
    assert [probe.passed for probe in fair.probes] == [True]
    assert [probe.passed for probe in biased.probes] == [False]
    assert fair.held
    assert not biased.held


async def test_a_probe_that_finds_nothing_to_change_has_no_part_in_the_verdict() -> None:
    empty = Probe(name="nothing", about="nothing", limit=0.2, change=lambda request, item, gold: None)
    found = await measured(Oracle(), Plan(reruns=0, probes=(empty, PROBES[0])))
    assert [probe.passed for probe in found.probes] == [None, True]
    assert found.held


async def test_the_same_request_is_never_under_way_twice_so_that_a_rerun_is_one() -> None:
    judge = Oracle()
    await measured(judge, Plan(reruns=2, probes=()))
    assert judge.twins == 0
    assert set(judge.calls.values()) == {3}


async def test_no_more_judgements_are_open_than_the_plan_allows() -> None:
    judge = Oracle()
    await measured(judge, Plan(reruns=0, concurrency=3, probes=PROBES[:2]))
    assert judge.most_open == 3


async def test_progress_is_told_of_exactly_the_judgements_that_were_announced() -> None:
    told: list[None] = []
    plan = Plan(items=12, reruns=1)
    found = await measure(Oracle(), SET, plan, lambda: told.append(None))
    assert len(told) == survey(SET, plan).judgements == found.judgements


def test_a_survey_of_some_items_is_drawn_by_its_seed_in_the_order_of_the_set() -> None:
    ids = [item.id for item in SET.items]
    one, again, other = (survey(SET, Plan(items=20, seed=seed)) for seed in (1, 1, 2))
    assert one.items == again.items != other.items
    assert len(one.items) == 20
    places = [ids.index(item.id) for item in one.items]
    assert places == sorted(places)
    assert {name: [item.id for item, _ in pairs] for name, pairs in one.pairs.items()} == {
        name: [item.id for item, _ in pairs] for name, pairs in again.pairs.items()
    }


def test_probes_take_their_pairs_from_the_items_of_the_survey() -> None:
    work = survey(SET, Plan(items=20, probe_pairs=8))
    for pairs in work.pairs.values():
        assert len(pairs) <= 8
        assert {item.id for item, _ in pairs} <= {item.id for item in work.items}


async def test_more_than_one_judge_is_told_apart() -> None:
    judge = Oracle()

    def rename(request: EvaluateAnswer) -> None:
        judge.by = "stand-in" if request.gap.priority == "LOW" else "oracle"

    judge.fail = rename
    assert set((await measured(judge)).judges) == {"oracle", "stand-in"}
