"""Generator and evaluator over a provider that counts what it is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.llm import Completion, Judgement, R, Request, validated
from state.errors import BrokenReply, WorkUnavailable
from state.messages import EvaluateAnswer, FindGaps, FoundGaps, WriteAnswer, WritePrompts, WriteQuestions
from state.model import Claim, CriterionName, Document, Priority, PromptType
from state.workflow import total
from tests.fakes import INPUTS, PROMPTS, CountingLLM, a_gap, an_answer, an_evaluation

CV = Document(text="Ada\nDjango at Northgate")
JOB = Document(text="Kubernetes")
WRITE = WriteAnswer(gap=a_gap(), question="?", prompts=PROMPTS, inputs=INPUTS, cv=CV)
EVALUATE = EvaluateAnswer(gap=a_gap(), question="?", answer=an_answer(), inputs=INPUTS, round=1)


class Scripted(CountingLLM):
    """Gives what the test puts in `reply`, whatever is asked."""

    reply: object = None

    async def complete(self, request: Request, result: type[R]) -> Completion[R]:
        self.calls[type(request).__name__] += 1
        return Completion(result=validated(result, self.reply), by="scripted:1")


def scripted(reply: object) -> Scripted:
    llm = Scripted()
    llm.reply = reply
    return llm


def batch(*titles: str, deadline_s: float = 20.0, concurrently: bool = True) -> WriteQuestions:
    gaps = tuple(a_gap(number, title=title) for number, title in enumerate(titles, 1))
    return WriteQuestions(gaps=gaps, cv=CV, job=JOB, deadline_s=deadline_s, concurrently=concurrently)


async def test_a_slow_gap_and_a_failed_one_hold_up_and_lose_no_other() -> None:
    llm = CountingLLM(slow=frozenset({"Slow"}), broken=frozenset({"Broken"}))
    titles = ["Slow", "Broken", *(f"Skill {n}" for n in range(8))]
    outcome = await Generator(llm=llm, plain=llm).write_questions(batch(*titles, deadline_s=0.2))
    assert set(outcome.written) == {f"g{n}" for n in range(3, 11)}
    assert outcome.failed == {"g1": "StepTimedOut", "g2": "BrokenReply"}


async def test_all_gaps_of_a_batch_are_asked_at_once_unless_told_otherwise() -> None:
    class Gauge(CountingLLM):
        now = most = 0

        async def complete(self, request: Request, result: type[R]) -> Completion[R]:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().complete(request, result)

    for concurrently, most in ((True, 10), (False, 1)):
        llm = Gauge()
        titles = [f"Skill {n}" for n in range(10)]
        await Generator(llm=llm, plain=llm).write_questions(batch(*titles, concurrently=concurrently))
        assert llm.most == most


async def test_more_gaps_than_the_limit_are_cut_after_sorting_not_before() -> None:
    gaps = (*(a_gap(n, Priority.LOW) for n in range(20)), a_gap(99, Priority.CRITICAL, title="Last"))
    found = await Generator(llm=scripted(FoundGaps(gaps=gaps)), plain=CountingLLM()).find_gaps(
        FindGaps(cv=CV, job=JOB, limit=10)
    )
    assert (len(found.gaps), found.gaps[0].title, found.by) == (10, "Last", "scripted:1")
    assert [gap.id for gap in found.gaps] == [f"g{n}" for n in range(1, 11)]


async def test_an_answer_that_invents_is_thrown_away_and_built_from_the_inputs_alone() -> None:
    invented = replace(an_answer(INPUTS), title="Moved five services at Google, saving 40 percent")
    plain = CountingLLM()
    answer = await Generator(llm=scripted(invented), plain=plain).write_answer(WRITE)
    assert (answer.title, answer.by) == (INPUTS["achievement"], "counting:1")
    assert plain.calls["WriteAnswer"] == 1


async def test_a_claim_whose_source_does_not_exist_is_thrown_away() -> None:
    good = an_answer(INPUTS)
    text = INPUTS["achievement"]
    lying = Claim(text=text, source="cv:99", quote=text)
    answer = replace(good, bullets=tuple(replace(bullet, claims=(lying,)) for bullet in good.bullets))
    plain = CountingLLM()
    await Generator(llm=scripted(answer), plain=plain).write_answer(WRITE)
    assert plain.calls["WriteAnswer"] == 1


async def test_where_even_the_plain_answer_invents_there_is_none() -> None:
    invented = replace(an_answer(INPUTS), title="Director at Google since 1999")
    with pytest.raises(BrokenReply):
        await Generator(llm=scripted(invented), plain=scripted(invented)).write_answer(WRITE)


async def test_the_total_is_computed_here_and_suggestions_become_prompts() -> None:
    scores = {name: float(n) for n, name in enumerate(CriterionName, 5)}
    criteria = tuple(replace(c, score=scores[c.name]) for c in an_evaluation(5).criteria)
    judged = await Evaluator(llm=scripted(Judgement(criteria=criteria))).evaluate(EVALUATE)
    assert judged.evaluation.score == total(scores)
    assert [(prompt.id, prompt.type) for prompt in judged.follow_ups] == [
        ("refine1-1-specificity", PromptType.TEXTAREA)
    ]


@pytest.mark.parametrize("kept", [0, 3])
async def test_a_judgement_that_leaves_a_criterion_out_is_no_judgement(kept: int) -> None:
    criteria = an_evaluation(9).criteria[:kept]
    with pytest.raises(BrokenReply):
        await Evaluator(llm=scripted(Judgement(criteria=criteria))).evaluate(EVALUATE)


async def test_a_criterion_scored_twice_is_no_judgement() -> None:
    criteria = an_evaluation(9).criteria
    with pytest.raises(BrokenReply):
        await Evaluator(llm=scripted(Judgement(criteria=(*criteria[:3], criteria[0])))).evaluate(EVALUATE)


@pytest.mark.parametrize("score", [0, 11, "high", None])
async def test_a_score_outside_of_1_to_10_is_no_judgement(score: object) -> None:
    criteria = [{"name": name.value, "score": score, "reason": "r"} for name in CriterionName]
    with pytest.raises(BrokenReply):
        await Evaluator(llm=scripted({"criteria": criteria})).evaluate(EVALUATE)


@pytest.mark.parametrize("count", [3, 7])
async def test_three_or_seven_prompts_are_not_taken(count: int) -> None:
    prompts = [{"id": f"p{n}", "type": "text", "question": "?"} for n in range(count)]
    with pytest.raises(BrokenReply):
        await Generator(llm=scripted({"prompts": prompts}), plain=CountingLLM()).write_prompts(
            WritePrompts(gap=a_gap(), question="?", similar=())
        )


async def test_a_provider_that_is_away_is_passed_on() -> None:
    class Away(CountingLLM):
        async def complete(self, request: Request, result: type[R]) -> Completion[R]:
            raise WorkUnavailable(retry_after_s=3)

    with pytest.raises(WorkUnavailable):
        await Generator(llm=Away(), plain=Away()).write_answer(WRITE)
