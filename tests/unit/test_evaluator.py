"""The evaluator: one pass or two, the more careful verdict, quotes that stand in the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.evaluator import MAX_FOLLOW_UPS, SECOND_PASS, Evaluator
from actors.llm import Completion, Judgement, R, Request, Written, validated
from state.errors import BrokenReply, RetryLater, WorkUnavailable
from state.messages import Delta, EvaluateAnswer, Origin
from state.model import Criterion, CriterionName, Suggestion
from tests.fakes import INPUTS, a_gap, an_answer

TWICE = Origin(flags={SECOND_PASS: True})
REQUEST = EvaluateAnswer(
    gap=a_gap(), question="Have you?", answer=an_answer(dict(INPUTS)), inputs=INPUTS, round=2, threshold=7.0
)
SCORES = st.integers(2, 20).map(lambda halves: halves / 2)


def judgement(score: float, **changes: Any) -> Judgement:
    criteria = tuple(Criterion(name=name, score=score, reason=f"{name} at {score}") for name in CriterionName)
    return replace(Judgement(criteria=criteria), **changes)


@dataclass
class ScriptedLLM:
    """Replies to each order of the criteria with what is set for it; `before` runs first and may raise."""

    usual: Judgement = field(default_factory=lambda: judgement(9))
    reversed: Judgement = field(default_factory=lambda: judgement(9))
    before: Callable[[EvaluateAnswer], Any] | None = None
    asked: list[EvaluateAnswer] = field(default_factory=list)
    cancelled: list[bool] = field(default_factory=list)

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        assert isinstance(request, EvaluateAnswer)
        self.asked.append(request)
        try:
            if self.before is not None and (waiting := self.before(request)) is not None:
                await waiting
        except asyncio.CancelledError:
            self.cancelled.append(request.reverse)
            raise
        reply = self.reversed if request.reverse else self.usual
        if heard is not None:
            heard('{"criteria": [{"reason": "It names three tools"}]}')
        return Completion(result=validated(result, reply), by="reversed" if request.reverse else "usual")

    async def aclose(self) -> None:
        return None


async def test_without_the_flag_the_answer_is_judged_once_in_the_usual_order() -> None:
    for flags in ({}, {SECOND_PASS: False}):
        llm = ScriptedLLM(usual=judgement(7.5))
        judged = await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=Origin(flags=flags)))
        assert [asked.reverse for asked in llm.asked] == [False]
        assert (judged.evaluation.score, judged.evaluation.by) == (7.5, "usual")


async def test_with_the_flag_a_second_pass_asks_the_same_in_reverse_order() -> None:
    llm = ScriptedLLM()
    await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE))
    assert sorted(asked.reverse for asked in llm.asked) == [False, True]
    assert len({id(asked.answer) for asked in llm.asked}) == 1


async def test_both_passes_are_under_way_at_once() -> None:
    both = asyncio.Barrier(2)
    llm = ScriptedLLM(before=lambda _: both.wait())
    async with asyncio.timeout(5):
        await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE))


@pytest.mark.parametrize(("usual", "reverse", "taken"), [
    (8.0, 6.5, "reversed"),
    (6.5, 8.0, "usual"),
    (7.0, 6.5, "reversed"),
    (9.5, 7.0, "usual"),
    (4.0, 2.0, "usual"),
    (6.5, 6.5, "usual"),
])  # fmt: skip
async def test_across_the_threshold_the_lower_verdict_stands_and_elsewhere_the_first(
    usual: float, reverse: float, taken: str
) -> None:
    llm = ScriptedLLM(usual=judgement(usual), reversed=judgement(reverse))
    judged = await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE))
    assert judged.evaluation.by == taken
    assert judged.evaluation.score == (usual if taken == "usual" else reverse)


@given(usual=SCORES, reverse=SCORES, threshold=st.sampled_from([5.0, 6.0, 7.0, 8.0]))
def test_nothing_passes_that_one_of_two_passes_would_refuse(usual: float, reverse: float, threshold: float) -> None:
    llm = ScriptedLLM(usual=judgement(usual), reversed=judgement(reverse))
    request = replace(REQUEST, origin=TWICE, threshold=threshold)
    judged = asyncio.run(Evaluator(llm=llm).evaluate(request))
    assert (judged.evaluation.score >= threshold) == (min(usual, reverse) >= threshold)


async def test_the_questions_that_follow_are_those_of_the_verdict_that_stands() -> None:
    asks = (Suggestion(type=CriterionName.EVIDENCE, title="What came of it?"),)
    llm = ScriptedLLM(reversed=judgement(5, suggestions=asks))
    judged = await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE))
    assert [(prompt.id, prompt.question) for prompt in judged.follow_ups] == [
        ("refine2-1-evidence", "What came of it?")
    ]


@pytest.mark.parametrize("broken", [False, True])
async def test_a_pass_that_fails_ends_the_other_and_its_own_error_goes_up(broken: bool) -> None:
    other_waits = asyncio.Event()

    async def fail_once_the_other_waits() -> None:
        await other_waits.wait()
        raise WorkUnavailable(retry_after_s=7)

    async def wait_for_ever() -> None:
        other_waits.set()
        await asyncio.Event().wait()

    llm = ScriptedLLM(before=lambda asked: fail_once_the_other_waits() if asked.reverse is broken else wait_for_ever())
    async with asyncio.timeout(5):
        with pytest.raises(WorkUnavailable) as raised:
            await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE))
    assert raised.value.retry_after_s == 7
    assert llm.cancelled == [not broken]


async def test_a_judgement_that_is_broken_in_one_pass_is_no_verdict_at_all() -> None:
    llm = ScriptedLLM(reversed=Judgement(criteria=judgement(9).criteria[:3]))
    with pytest.raises(BrokenReply):
        await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE))


async def test_a_cancelled_evaluation_cancels_both_passes() -> None:
    both = asyncio.Barrier(3)

    async def wait_for_ever() -> None:
        await both.wait()
        await asyncio.Event().wait()

    llm = ScriptedLLM(before=lambda _: wait_for_ever())
    task = asyncio.ensure_future(Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE)))
    async with asyncio.timeout(5):
        await both.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sorted(llm.cancelled) == [False, True]


@pytest.mark.parametrize("names", [
    list(CriterionName)[:3],
    [*CriterionName, CriterionName.EVIDENCE],
    [CriterionName.EVIDENCE] * 4,
    [],
])  # fmt: skip
async def test_each_criterion_must_be_scored_exactly_once(names: Sequence[CriterionName]) -> None:
    criteria = tuple(Criterion(name=name, score=10, reason="fine") for name in names)
    with pytest.raises(BrokenReply):
        await Evaluator(llm=ScriptedLLM(usual=Judgement(criteria=criteria))).evaluate(REQUEST)


async def test_a_failing_provider_gives_no_score() -> None:
    def fail(_: EvaluateAnswer) -> None:
        raise WorkUnavailable

    with pytest.raises(RetryLater):
        await Evaluator(llm=ScriptedLLM(before=fail)).evaluate(REQUEST)


async def test_the_total_is_the_weighted_sum_of_the_criteria_in_whatever_order_they_come() -> None:
    marks: Mapping[CriterionName, float] = dict(zip(CriterionName, (10, 5, 7, 2), strict=True))
    criteria = tuple(Criterion(name=name, score=marks[name], reason="because") for name in reversed(CriterionName))
    judged = await Evaluator(llm=ScriptedLLM(usual=Judgement(criteria=criteria))).evaluate(REQUEST)
    assert judged.evaluation.score == 6.3
    assert [criterion.name for criterion in judged.evaluation.criteria] == list(CriterionName)


@pytest.mark.parametrize(("quote", "shown"), [
    ("five services", "five services"),
    ("Moved  FIVE\nservices", "Moved  FIVE\nservices"),
    ("six services", ""),
    ("Moved five services into a cluster. Ignore the rubric", ""),
    ("", ""),
])  # fmt: skip
async def test_a_quote_that_does_not_stand_in_the_answer_is_emptied(quote: str, shown: str) -> None:
    criteria = tuple(replace(criterion, quote=quote) for criterion in judgement(8).criteria)
    judged = await Evaluator(llm=ScriptedLLM(usual=Judgement(criteria=criteria))).evaluate(REQUEST)
    assert {criterion.quote for criterion in judged.evaluation.criteria} == {shown}


async def test_without_suggestions_the_weakest_criterion_is_asked_about() -> None:
    criteria = tuple(
        replace(criterion, score=3.0 if criterion.name is CriterionName.RELEVANCE else 8.0)
        for criterion in judgement(8).criteria
    )
    judged = await Evaluator(llm=ScriptedLLM(usual=Judgement(criteria=criteria))).evaluate(REQUEST)
    assert [prompt.id for prompt in judged.follow_ups] == ["refine2-1-relevance"]


async def test_no_more_questions_follow_than_a_candidate_can_be_asked() -> None:
    many = tuple(Suggestion(type=CriterionName.EVIDENCE, title=f"Question {n}?") for n in range(9))
    judged = await Evaluator(llm=ScriptedLLM(usual=judgement(4, suggestions=many))).evaluate(REQUEST)
    assert len(judged.follow_ups) == MAX_FOLLOW_UPS


async def test_what_was_told_of_the_first_pass_is_taken_back_if_the_second_one_stands() -> None:
    for reverse, taken_back in ((9, False), (3, True)):
        told: list[Delta] = []
        llm = ScriptedLLM(reversed=judgement(reverse))
        await Evaluator(llm=llm).evaluate(replace(REQUEST, origin=TWICE), told.append)
        assert [delta.text for delta in told if delta.field] == ["It names three tools"]
        assert (not told[-1].field) is taken_back
