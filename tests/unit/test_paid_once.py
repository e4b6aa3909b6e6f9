"""What was paid for in the middle of a step is asked for once, whoever goes on with the step."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from structlog.testing import capture_logs

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.paid import PaidOnce
from state.errors import StoreUnavailable
from state.messages import EvaluateAnswer, Origin, WriteAnswer, WritePrompts, WriteQuestions, WrittenPrompts
from state.model import Document
from tests.fakes import INPUTS, PROMPTS, CountingLLM, a_gap, an_answer

FIRST = Origin(tenant="acme", session_id="s1", step="q1@4", flags={"advanced_quality_evaluation": True})
AGAIN = replace(FIRST, again=True)
CV = Document(text="Ada")


@dataclass
class FakePaidResults:
    """A dictionary; `away` refuses, `silent` never answers."""

    kept: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    looked_for: int = 0
    away: bool = False
    silent: bool = False

    async def find(self, tenant: str, session_id: str, name: str) -> bytes | None:
        await self._there()
        self.looked_for += 1
        return self.kept.get((tenant, session_id, name))

    async def keep(self, tenant: str, session_id: str, name: str, result: bytes) -> None:
        await self._there()
        self.kept[tenant, session_id, name] = result

    async def _there(self) -> None:
        if self.away:
            raise StoreUnavailable
        if self.silent:
            await asyncio.Event().wait()


def prompts_for(origin: Origin) -> WritePrompts:
    return WritePrompts(gap=a_gap(), question="Have you?", similar=(), origin=origin)


def paying(llm: CountingLLM, paid: FakePaidResults) -> PaidOnce:
    return PaidOnce(llm, paid=paid, patience_s=0.05)


async def test_a_completion_is_kept_and_found_by_whoever_goes_on_with_the_step() -> None:
    llm, paid = CountingLLM(), FakePaidResults()
    first = await paying(llm, paid).complete(prompts_for(FIRST), WrittenPrompts)
    again = await paying(llm, paid).complete(prompts_for(AGAIN), WrittenPrompts)
    assert again.result == first.result
    assert again.by == first.by
    assert llm.calls == {"WritePrompts": 1}


async def test_a_step_that_begins_looks_for_nothing() -> None:
    paid = FakePaidResults()
    await paying(CountingLLM(), paid).complete(prompts_for(FIRST), WrittenPrompts)
    assert paid.looked_for == 0


async def test_another_attempt_at_the_step_is_asked_for_anew() -> None:
    llm, paid = CountingLLM(), FakePaidResults()
    await paying(llm, paid).complete(prompts_for(FIRST), WrittenPrompts)
    await paying(llm, paid).complete(prompts_for(replace(AGAIN, step="q1@6")), WrittenPrompts)
    assert llm.calls == {"WritePrompts": 2}


async def test_a_request_without_a_session_is_kept_nowhere() -> None:
    paid = FakePaidResults()
    await paying(CountingLLM(), paid).complete(prompts_for(Origin(tenant="acme")), WrittenPrompts)
    assert paid.kept == {}


async def test_of_a_batch_that_a_crash_cut_off_only_the_missing_questions_are_asked_for() -> None:
    llm, paid = CountingLLM(slow=frozenset({"Kafka"})), FakePaidResults()
    batch = WriteQuestions(
        gaps=(a_gap(1), a_gap(2, title="Kafka"), a_gap(3)), cv=CV, job=CV, deadline_s=20, origin=FIRST
    )
    crashing = asyncio.create_task(Generator(llm=paying(llm, paid), plain=llm).write_questions(batch))
    async with asyncio.timeout(5):
        while len(paid.kept) < 2:  # noqa: ASYNC110 - what is waited for happens in two calls
            await asyncio.sleep(0)
    crashing.cancel()
    llm.slow = frozenset()
    llm.calls.clear()
    written = await Generator(llm=paying(llm, paid), plain=llm).write_questions(replace(batch, origin=AGAIN))
    assert set(written.written) == {"g1", "g2", "g3"}
    assert llm.calls == {"WriteQuestion": 1}


async def test_two_passes_of_a_judge_are_two_results() -> None:
    llm, paid = CountingLLM(), FakePaidResults()
    request = EvaluateAnswer(
        gap=a_gap(), question="Have you?", answer=an_answer(), inputs=INPUTS, round=1, origin=FIRST
    )
    first = await Evaluator(llm=paying(llm, paid)).evaluate(request)
    assert llm.calls == {"EvaluateAnswer": 2}
    assert await Evaluator(llm=paying(llm, paid)).evaluate(replace(request, origin=AGAIN)) == first
    assert llm.calls == {"EvaluateAnswer": 2}


async def test_a_draft_and_the_one_after_its_refusal_are_two_results() -> None:
    paid = FakePaidResults()
    request = WriteAnswer(gap=a_gap(), question="?", prompts=PROMPTS, inputs=INPUTS, cv=CV, origin=FIRST)
    llm = paying(CountingLLM(), paid)
    for one in (request, replace(request, refused="It invented a number.")):
        await llm.complete(one, type(an_answer()))
    assert sorted(name for _, _, name in paid.kept) == ["q1@4/write_answer", "q1@4/write_answer/again"]


async def test_a_listener_hears_what_was_found_in_one_piece() -> None:
    llm, paid = CountingLLM(), FakePaidResults()
    await paying(llm, paid).complete(prompts_for(FIRST), WrittenPrompts)
    heard: list[str | None] = []
    await paying(llm, paid).complete(prompts_for(AGAIN), WrittenPrompts, heard.append)
    assert len(heard) == 1
    assert PROMPTS[0].question in (heard[0] or "")


async def test_a_store_that_is_away_or_silent_costs_no_completion_and_is_logged() -> None:
    for trouble in ("away", "silent"):
        llm = CountingLLM()
        with capture_logs() as logs:
            await paying(llm, FakePaidResults(**{trouble: True})).complete(prompts_for(AGAIN), WrittenPrompts)
        assert llm.calls == {"WritePrompts": 1}
        assert [entry["event"] for entry in logs] == ["paid_result_not_looked_for", "paid_result_not_kept"]
