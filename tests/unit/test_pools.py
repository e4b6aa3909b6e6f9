"""Generator and evaluator over a provider that counts what it is asked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace

import pytest

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.llm import Completion, Judgement, R, Request, Written, validated
from state.errors import AskwellError, BrokenReply, BudgetSpent, WorkUnavailable
from state.messages import (
    Delta,
    EvaluateAnswer,
    FindGaps,
    FoundGaps,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestions,
)
from state.model import Answer, Claim, CriterionName, Document, Priority, PromptType
from state.workflow import total
from tests import virtual_time
from tests.fakes import INPUTS, PROMPTS, CountingLLM, a_gap, an_answer, an_evaluation

CV = Document(text="Ada\nDjango at Northgate")
JOB = Document(text="Kubernetes")
WRITE = WriteAnswer(gap=a_gap(), question="?", prompts=PROMPTS, inputs=INPUTS, cv=CV)
EVALUATE = EvaluateAnswer(gap=a_gap(), question="?", answer=an_answer(), inputs=INPUTS, round=1)


class Scripted(CountingLLM):
    """Gives what the test puts in `reply`, whatever is asked."""

    reply: object = None

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
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

        async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().complete(request, result, heard)

    for concurrently, most in ((True, 10), (False, 1)):
        llm = Gauge()
        titles = [f"Skill {n}" for n in range(10)]
        await Generator(llm=llm, plain=llm).write_questions(batch(*titles, concurrently=concurrently))
        assert llm.most == most


def test_one_after_another_each_question_has_its_whole_time() -> None:
    class Slow(CountingLLM):
        async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
            await asyncio.sleep(2.5)
            return await super().complete(request, result, heard)

    llm = Slow()
    titles = [f"Skill {n}" for n in range(10)]
    asking = Generator(llm=llm, plain=llm).write_questions(batch(*titles, deadline_s=20.0, concurrently=False))
    assert len(virtual_time.run(asking).written) == 10


async def test_where_no_question_can_be_written_the_soonest_way_back_is_told() -> None:
    waits = iter((3600.0, 10.0, 60.0))

    class Spent(CountingLLM):
        async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
            raise BudgetSpent(retry_after_s=next(waits))

    with pytest.raises(BudgetSpent) as refused:
        await Generator(llm=Spent(), plain=CountingLLM()).write_questions(batch("A", "B", "C"))
    assert refused.value.retry_after_s == 10.0


async def test_more_gaps_than_the_limit_are_cut_after_sorting_not_before() -> None:
    gaps = (*(a_gap(n, Priority.LOW) for n in range(20)), a_gap(99, Priority.CRITICAL, title="Last"))
    found = await Generator(llm=scripted(FoundGaps(gaps=gaps)), plain=CountingLLM()).find_gaps(
        FindGaps(cv=CV, job=JOB, limit=10)
    )
    assert (len(found.gaps), found.gaps[0].title, found.by) == (10, "Last", "scripted:1")
    assert [gap.id for gap in found.gaps] == [f"g{n}" for n in range(1, 11)]


class Drafting(CountingLLM):
    """Gives one draft after another, heard piece by piece; an error among them is raised."""

    def __init__(self, *drafts: Answer | AskwellError) -> None:
        super().__init__()
        self.drafts = list(drafts)
        self.requests: list[Request] = []

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        self.requests.append(request)
        draft = self.drafts.pop(0)
        if isinstance(draft, AskwellError):
            raise draft
        if heard is not None:
            heard(json.dumps(asdict(draft)))
        return Completion(result=validated(result, draft), by="drafting:1")


INVENTED = replace(an_answer(INPUTS), title="Moved five services at Google, saving 40 percent")


async def test_an_answer_that_invents_is_written_anew_with_the_refusal_as_feedback() -> None:
    llm, plain = Drafting(INVENTED, an_answer(INPUTS)), CountingLLM()
    answer = await Generator(llm=llm, plain=plain).write_answer(WRITE)
    assert (answer.title, answer.by) == (INPUTS["achievement"], "drafting:1")
    first, second = llm.requests
    assert isinstance(first, WriteAnswer)
    assert isinstance(second, WriteAnswer)
    assert first.refused == ""
    assert "Google" in second.refused
    assert "40 percent" in second.refused
    assert not plain.calls


async def test_an_answer_that_invents_twice_is_built_from_the_inputs_alone() -> None:
    llm, plain = Drafting(INVENTED, INVENTED), CountingLLM()
    answer = await Generator(llm=llm, plain=plain).write_answer(WRITE)
    assert (answer.title, answer.by) == (INPUTS["achievement"], "counting:1")
    assert (len(llm.requests), plain.calls["WriteAnswer"]) == (2, 1)


async def test_where_the_second_draft_cannot_be_had_the_answer_is_built_from_the_inputs_alone() -> None:
    plain = CountingLLM()
    answer = await Generator(llm=Drafting(INVENTED, WorkUnavailable()), plain=plain).write_answer(WRITE)
    assert (answer.by, plain.calls["WriteAnswer"]) == ("counting:1", 1)


async def test_a_refined_answer_is_held_to_the_same_rule() -> None:
    refine = RefineAnswer(
        gap=a_gap(),
        question="?",
        prompts=PROMPTS,
        inputs=INPUTS,
        cv=CV,
        answer=an_answer(INPUTS),
        evaluation=an_evaluation(4),
    )
    llm = Drafting(INVENTED, an_answer(INPUTS))
    answer = await Generator(llm=llm, plain=CountingLLM()).refine_answer(refine)
    assert (answer.title, len(llm.requests)) == (INPUTS["achievement"], 2)


async def test_what_a_draft_invents_is_never_heard() -> None:
    deltas: list[Delta] = []
    llm = Drafting(INVENTED, an_answer(INPUTS))
    await Generator(llm=llm, plain=CountingLLM()).write_answer(WRITE, deltas.append)
    assert "title" in {delta.field for delta in deltas}
    assert not [delta for delta in deltas if "Google" in delta.text]


async def test_a_draft_refused_for_its_claims_is_taken_back() -> None:
    lying = Claim(text=INPUTS["achievement"], source="cv:99", quote="")
    draft = an_answer(INPUTS)
    refused = replace(draft, bullets=tuple(replace(bullet, claims=(lying,)) for bullet in draft.bullets))
    deltas: list[Delta] = []
    await Generator(llm=Drafting(refused, draft), plain=CountingLLM()).write_answer(WRITE, deltas.append)
    fields = [delta.field for delta in deltas]
    assert fields.count("title") == 2
    assert "" in fields[fields.index("title") :]


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
        async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
            raise WorkUnavailable(retry_after_s=3)

    with pytest.raises(WorkUnavailable):
        await Generator(llm=Away(), plain=Away()).write_answer(WRITE)
