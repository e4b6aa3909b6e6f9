"""The typed port over a provider: one repair, errors that tell the caller what to do, one deadline."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from actors.llm import Judgement
from actors.prompted import PromptedLLM
from actors.providers.port import Fault
from state.errors import AskwellError, BrokenReply, BudgetSpent, StepTimedOut, Throttled, WorkUnavailable
from state.messages import EvaluateAnswer, Origin, WriteAnswer, WriteQuestion, WrittenQuestion
from state.model import Answer, CriterionName, Document
from tests.fake_provider import USED, Fails, FakeProvider, Move, Says
from tests.fakes import INPUTS, PROMPTS, a_gap, an_answer
from tests.virtual_time import on_virtual_time

QUESTION = json.dumps({"text": "Have you used it?", "why": "asked for", "answer_type": "both", "minutes": 3})
ASK = WriteQuestion(
    gap=a_gap(),
    cv=Document(text="Ada"),
    job=Document(text="Kubernetes"),
    origin=Origin(tenant="acme", session_id="s1"),
)
BROKEN = Says(text='{"text": "Have you used it?", "minutes": 9}')


def prompted(*moves: Move) -> tuple[PromptedLLM, FakeProvider]:
    provider = FakeProvider(*moves)
    return PromptedLLM(provider, deadline_s=28.0), provider


async def test_a_reply_of_the_promised_shape_comes_typed_with_its_maker_and_its_usage() -> None:
    llm, provider = prompted(Says(text=QUESTION))
    completion = await llm.complete(ASK, WrittenQuestion)
    assert (completion.result.minutes, completion.by, completion.usage) == (3, "fake:fake-1", USED)
    (call,) = provider.calls
    assert (call.operation, call.prompt, call.origin) == ("write_question", "write_question/1", ASK.origin)


async def test_a_broken_reply_is_asked_for_once_more_with_the_error_after_the_same_prefix() -> None:
    llm, provider = prompted(BROKEN, Says(text=QUESTION))
    completion = await llm.complete(ASK, WrittenQuestion)
    assert completion.result.minutes == 3
    assert completion.usage == USED + USED
    first, second = provider.calls
    assert (second.system, second.context, second.task) == (first.system, first.context, first.task)
    assert [turn.role for turn in second.turns] == ["assistant", "user"]
    assert second.turns[0].text == BROKEN.text
    assert "WrittenQuestion" in second.turns[1].text
    assert second.prompt == "write_question/1+repair/1"


async def test_a_second_broken_reply_fails_typed_and_nothing_is_asked_a_third_time() -> None:
    llm, provider = prompted(BROKEN)
    with pytest.raises(BrokenReply) as broken:
        await llm.complete(ASK, WrittenQuestion)
    assert len(provider.calls) == 2
    assert "Have you used it" not in str(broken.value)


async def test_a_listener_is_told_that_the_repaired_reply_begins_anew() -> None:
    heard: list[str | None] = []
    llm, _ = prompted(BROKEN, Says(text=QUESTION))
    await llm.complete(ASK, WrittenQuestion, heard.append)
    anew = heard.index(None)
    assert "".join(filter(None, heard[:anew])) == BROKEN.text
    assert "".join(filter(None, heard[anew:])) == QUESTION


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.LATE, StepTimedOut),
        (Fault.GARBLED, BrokenReply),
        (Fault.CUT_OFF, BrokenReply),
        (Fault.DECLINED, BrokenReply),
        (Fault.THROTTLED, Throttled),
        *(
            (fault, WorkUnavailable)
            for fault in Fault
            if fault not in {Fault.LATE, Fault.GARBLED, Fault.CUT_OFF, Fault.DECLINED, Fault.THROTTLED}
        ),
    ],
)
async def test_every_fault_is_an_error_after_which_one_may_come_back(fault: Fault, error: type[AskwellError]) -> None:
    llm, provider = prompted(Fails(fault=fault))
    with pytest.raises(error):
        await llm.complete(ASK, WrittenQuestion)
    assert len(provider.calls) == 1


async def test_the_providers_wish_for_when_to_come_back_is_passed_on() -> None:
    llm, _ = prompted(Fails(fault=Fault.THROTTLED, retry_after_s=37.0))
    with pytest.raises(WorkUnavailable) as refused:
        await llm.complete(ASK, WrittenQuestion)
    assert refused.value.retry_after_s == 37.0


async def test_a_spent_budget_stays_what_it_is() -> None:
    llm, _ = prompted(BudgetSpent(retry_after_s=3600.0))
    with pytest.raises(BudgetSpent):
        await llm.complete(ASK, WrittenQuestion)


@on_virtual_time
async def test_a_completion_and_its_repair_share_one_deadline() -> None:
    llm, provider = prompted(replace(BROKEN, after_s=20.0), Says(text=QUESTION))
    await llm.complete(ASK, WrittenQuestion)
    assert [call.deadline for call in provider.calls] == [1028.0, 1028.0]


@on_virtual_time
async def test_a_question_of_a_batch_has_the_batchs_deadline_where_that_is_earlier() -> None:
    llm, provider = prompted(Says(text=QUESTION))
    for seconds in (5.0, 60.0):
        await llm.complete(replace(ASK, deadline_s=seconds), WrittenQuestion)
    assert [call.deadline for call in provider.calls] == [1005.0, 1028.0]


async def test_a_session_with_the_flag_is_asked_of_the_experimental_model() -> None:
    llm, provider = prompted(Says(text=QUESTION))
    for flag in (False, True):
        await llm.complete(replace(ASK, origin=Origin(flags={"experimental_llm_model": flag})), WrittenQuestion)
    assert [call.variant for call in provider.calls] == ["usual", "experimental"]


async def test_calls_that_follow_another_of_their_step_are_told_apart_in_the_records() -> None:
    answer = json.dumps(
        {
            "title": "Moved five services",
            "bullets": [
                {
                    "kind": kind,
                    "text": "Moved five services",
                    "claims": [{"text": "Moved", "source": "input:achievement"}],
                }
                for kind in ("build", "engineer", "impact")
            ],
        }
    )
    criteria = [{"name": name, "quote": "", "reason": "r", "score": 8} for name in CriterionName]
    judgement = json.dumps({"criteria": criteria, "issues": [], "strengths": [], "suggestions": []})
    write = WriteAnswer(gap=a_gap(), question="?", prompts=PROMPTS, inputs=INPUTS, cv=Document(text="Ada"))
    judge = EvaluateAnswer(gap=a_gap(), question="?", answer=an_answer(), inputs=INPUTS, round=1)
    llm, provider = prompted(Says(text=answer), Says(text=answer), Says(text=judgement))
    for request in (write, replace(write, refused="a number")):
        await llm.complete(request, Answer)
    for reverse in (False, True):
        await llm.complete(replace(judge, reverse=reverse), Judgement)
    assert [call.prompt for call in provider.calls] == [
        "write_answer/1",
        "write_answer/1+refused",
        "evaluate_answer/1",
        "evaluate_answer/1+reverse",
    ]
    assert provider.calls[2].system == provider.calls[3].system


async def test_closing_it_closes_the_provider() -> None:
    llm, provider = prompted()
    await llm.aclose()
    assert provider.closed
