"""The pools and the provider behind them, as far as a session sees them; every completion is another text.

Over them runs the real step journal (`actors.paid.PaidOnce`), so that what was paid for is found again or shows
up here as a call that was made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from actors.llm import Completion, Judgement, R, Request, Written
from actors.paid import PaidOnce, _name
from state.errors import WorkUnavailable
from state.messages import (
    Delta,
    EvaluateAnswer,
    FindGaps,
    FindResources,
    FindSimilar,
    FoundGaps,
    Heard,
    JudgedAnswer,
    Owner,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestion,
    WriteQuestions,
    WrittenPrompts,
    WrittenQuestion,
    WrittenQuestions,
)
from state.model import (
    Answer,
    Bullet,
    BulletKind,
    Claim,
    Criterion,
    CriterionName,
    Evaluation,
    Experience,
    Gap,
    Prompt,
    PromptType,
    Question,
    RankedResource,
)
from state.paid import PaidResults
from tests.fakes import PROMPTS, a_gap, a_resource, a_written_question
from tests.faults.history import ModelCall, Recorder
from tests.faults.loop import Process, SimLoop
from tests.faults.network import Delays, Weather

T = TypeVar("T")


@dataclass(slots=True)
class Vectors:
    """What the retriever remembers: the questions of each session."""

    kept: dict[str, set[str]] = field(default_factory=dict)


class RecordingPaid:
    """Passes on to where paid results are kept, and notes what was kept and what was looked for."""

    def __init__(self, inner: PaidResults, recorder: Recorder, life: Callable[[str], int]) -> None:
        self._inner = inner
        self._life = life
        self._recorder = recorder

    async def find(self, tenant: str, session_id: str, name: str) -> bytes | None:
        looked = self._recorder.looks
        task = asyncio.current_task()
        assert task is not None
        looked[task] = "failed"
        found = await self._inner.find(tenant, session_id, name)
        looked[task] = "missed"
        return found

    async def keep(self, tenant: str, session_id: str, name: str, result: bytes) -> None:
        life = self._life(session_id)
        await self._inner.keep(tenant, session_id, name, result)
        self._recorder.kept(session_id, life, name)


class SimModel:
    """Implements `actors.llm.LLM`. `is_owner` tells whether the session is still whose the call is."""

    def __init__(
        self,
        recorder: Recorder,
        rng: Random,
        weather: Weather,
        *,
        is_owner: Callable[[str], bool],
        life: Callable[[str], int],
    ) -> None:
        self._recorder = recorder
        self._rng = rng
        self._weather = weather
        self._is_owner = is_owner
        self._life = life

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        task = asyncio.current_task()
        assert task is not None
        session_id = request.origin.session_id
        call = ModelCall(
            session_id=session_id,
            life=self._life(session_id),
            name=_name(request),
            started=self._recorder.tick(),
            looked=self._recorder.looks.pop(task, "no"),
            by_owner=self._is_owner(session_id),
        )
        self._recorder.model_calls.append(call)
        await asyncio.sleep(0.01 + self._rng.random() * 0.1)
        if self._rng.random() < self._weather.work_fails:
            raise WorkUnavailable
        made: Any = _made(request, f"{call.started:x}", score=self._rng.choice((9.0, 9.0, 5.0)))
        return Completion(result=made, by="sim")

    async def aclose(self) -> None:
        return


class SimPools:
    """One actor's way to the three pools; implements their ports. Calls go on where the actor dies."""

    def __init__(
        self,
        model: SimModel,
        paid: PaidResults,
        vectors: Vectors,
        *,
        loop: SimLoop,
        rng: Random,
        weather: Weather,
        process: Process,
    ) -> None:
        self._paid = PaidOnce(model, paid=paid, patience_s=0.5)
        self._vectors = vectors
        self._loop = loop
        self._rng = rng
        self._weather = weather
        self._process = process
        self._delay = Delays(rng, weather)

    async def find_gaps(self, request: FindGaps) -> FoundGaps:
        return await self._called(request, self._find_gaps)

    async def write_questions(self, request: WriteQuestions) -> WrittenQuestions:
        return await self._called(request, self._write_questions)

    async def write_prompts(self, request: WritePrompts, heard: Heard | None = None) -> WrittenPrompts:
        return await self._called(request, self._write_prompts)

    async def write_answer(self, request: WriteAnswer, heard: Heard | None = None) -> Answer:
        if heard is not None:
            heard(Delta(operation="write_answer", field="title", text="Moved"))
        return await self._called(request, self._write_answer)

    async def refine_answer(self, request: RefineAnswer, heard: Heard | None = None) -> Answer:
        return await self._called(request, self._refine_answer)

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer:
        return await self._called(request, self._evaluate)

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]:
        return tuple(() for _ in request.texts)

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        return await self._called(request, self._find_resources)

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None:
        async def work(_: Any) -> None:
            self._vectors.kept.setdefault(owner.session_id, set()).add(question.id)

        await self._called(None, work)

    async def forget(self, owner: Owner) -> None:
        async def work(_: Any) -> None:
            self._vectors.kept.pop(owner.session_id, None)

        await self._called(None, work)

    async def _find_gaps(self, request: FindGaps) -> FoundGaps:
        return (await self._paid.complete(request, FoundGaps)).result

    async def _write_questions(self, request: WriteQuestions) -> WrittenQuestions:
        written = {}
        for gap in request.gaps:
            one = WriteQuestion(gap=gap, cv=request.cv, job=request.job, origin=request.origin)
            written[gap.id] = (await self._paid.complete(one, WrittenQuestion)).result
        return WrittenQuestions(written=written, failed={})

    async def _write_prompts(self, request: WritePrompts) -> WrittenPrompts:
        return (await self._paid.complete(request, WrittenPrompts)).result

    async def _write_answer(self, request: WriteAnswer) -> Answer:
        return (await self._paid.complete(request, Answer)).result

    async def _refine_answer(self, request: RefineAnswer) -> Answer:
        return (await self._paid.complete(request, Answer)).result

    async def _evaluate(self, request: EvaluateAnswer) -> JudgedAnswer:
        judged = (await self._paid.complete(request, Judgement)).result
        evaluation = Evaluation(score=judged.criteria[0].score, criteria=judged.criteria, by="sim")
        follow_up = Prompt(id=f"refine{request.round}-1-evidence", type=PromptType.TEXTAREA, question="And?")
        return JudgedAnswer(evaluation=evaluation, follow_ups=(follow_up,))

    async def _find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        return (RankedResource(resource=a_resource(), score=90.0, match=0.8),)

    async def _called(self, request: Any, work: Callable[[Any], Awaitable[T]]) -> T:
        """Over the network and back. A replica that dies with the call in hand is replaced by another one."""
        if not self._process.alive:
            raise asyncio.CancelledError
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._rng.random() < self._weather.work_fails:
            self._loop.after(self._delay(), _settle, reply, WorkUnavailable())
        else:
            self._loop.after(self._delay(), self._begin, reply, request, work)
        return await reply  # type: ignore[no-any-return]

    def _begin(self, reply: asyncio.Future[Any], request: Any, work: Callable[[Any], Any]) -> None:
        if reply.cancelled():
            return
        task = self._loop.create_task(work(request), context=self._loop.outside.copy())
        dies = self._rng.random() < self._weather.replica_dies

        def done(ended: asyncio.Task[Any]) -> None:
            if ended.cancelled():
                if not reply.done():
                    again = request and replace(request, origin=replace(request.origin, again=True))
                    self._loop.after(self._delay(), self._begin, reply, again, work)
                return
            self._loop.after(self._delay(), _settle, reply, ended.exception() or ended.result())

        task.add_done_callback(done, context=self._loop.outside)
        reply.add_done_callback(lambda ended: task.cancel() if ended.cancelled() else None, context=self._loop.outside)
        if dies:
            self._loop.after(self._rng.random() * 0.15, task.cancel)


def _settle(reply: asyncio.Future[Any], result: Any) -> None:
    if reply.done():
        return
    if isinstance(result, Exception):
        reply.set_exception(result)
    else:
        reply.set_result(result)


def _made(request: Request, text: str, *, score: float) -> object:
    match request:
        case FindGaps():
            return FoundGaps(gaps=tuple(a_gap(n, title=f"Gap {n} {text}") for n in range(1, request.limit + 1)))
        case WriteQuestion(gap=gap):
            return replace(a_written_question(gap), text=f"Asked {text}?")
        case WritePrompts():
            return WrittenPrompts(prompts=tuple(replace(prompt, help=text) for prompt in PROMPTS))
        case WriteAnswer() | RefineAnswer():
            claim = Claim(text=text, source="input:achievement", quote=text)
            bullets = tuple(Bullet(kind=kind, text=text, claims=(claim,)) for kind in BulletKind)
            return Answer(title=text, bullets=bullets)
        case EvaluateAnswer():
            criteria = tuple(Criterion(name=name, score=score, reason=text) for name in CriterionName)
            return Judgement(criteria=criteria)
