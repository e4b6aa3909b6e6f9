"""How each command of the workflow is carried out: which pool is asked, and what its answer means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

import structlog

from state.errors import RetryLater, StepTimedOut, WorkUnavailable
from state.events import (
    AnswerAccepted,
    AnswerWritten,
    GapsFound,
    PromptsWritten,
    QuestionEvent,
    QuestionsAsked,
    ResourcesFound,
)
from state.messages import (
    EvaluateAnswer,
    Evaluator,
    FindGaps,
    FindResources,
    FindSimilar,
    Generator,
    Heard,
    Origin,
    Owner,
    RefineAnswer,
    Retriever,
    WriteAnswer,
    WritePrompts,
    WriteQuestions,
)
from state.model import Answer, Evaluation, Experience, Gap, Prompt, Question, Session
from state.session import asked
from state.workflow import QuestionCommand, SessionCommand, judge

log = structlog.get_logger()


class StepWork:
    """Carries commands out over the three pools.

    Every command raises a `RetryLater` where its work cannot be done now, `StepTimedOut` among them
    once `deadline_s` has passed; `question_deadline_s` bounds each single question of a batch.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        evaluator: Evaluator,
        retriever: Retriever,
        deadline_s: float,
        question_deadline_s: float,
    ) -> None:
        self._generator = generator
        self._evaluator = evaluator
        self._retriever = retriever
        self._deadline_s = deadline_s
        self._question_deadline_s = question_deadline_s

    async def prepare(self, command: SessionCommand, session: Session, origin: Origin) -> GapsFound | QuestionsAsked:
        """Work of the session itself: its gaps, then a question for each of them."""
        async with self._deadline(self._longest_s(command, session)):
            match command:
                case SessionCommand.FIND_GAPS:
                    request = FindGaps(cv=session.cv, job=session.job, limit=session.max_questions, origin=origin)
                    found = await self._generator.find_gaps(request)
                    return GapsFound(gaps=found.gaps, by=found.by)
                case SessionCommand.WRITE_QUESTIONS:
                    return await self._ask(session, origin)
                case _:
                    assert_never(command)

    async def perform(
        self,
        command: QuestionCommand,
        session: Session,
        question: Question,
        origin: Origin,
        heard: Heard | None = None,
    ) -> QuestionEvent:
        """Work of one question: the event that its result amounts to. `heard` is told it as it is written."""
        gap = session.gap(question.gap_id)
        async with self._deadline():
            match command:
                case QuestionCommand.FIND_RESOURCES:
                    need = FindResources(need=f"{gap.title}. {gap.job_asks}", skills=gap.skills, origin=origin)
                    return ResourcesFound(resources=await self._retriever.find_resources(need))
                case QuestionCommand.WRITE_PROMPTS:
                    return PromptsWritten(prompts=await self._deepen(session, question, gap, origin, heard))
                case QuestionCommand.WRITE_ANSWER:
                    return AnswerWritten(answer=await self._write(session, question, gap, origin, heard))
                case QuestionCommand.REFINE_ANSWER:
                    return AnswerWritten(answer=await self._refine(session, question, gap, origin, heard))
                case QuestionCommand.EVALUATE_ANSWER:
                    return await self._evaluate(session, question, gap, origin, heard)
                case _:
                    assert_never(command)

    async def forget(self, session: Session) -> None:
        """Erase what the retriever keeps of the session."""
        async with self._deadline():
            await self._retriever.forget(_owner(session))

    def _longest_s(self, command: SessionCommand, session: Session) -> float:
        """Questions that are written one after another have their own deadlines one after another."""
        if command is SessionCommand.WRITE_QUESTIONS and not session.flags["use_batch_generation"]:
            return max(self._deadline_s, self._question_deadline_s * len(session.gaps))
        return self._deadline_s

    async def _ask(self, session: Session, origin: Origin) -> QuestionsAsked:
        outcome = await self._generator.write_questions(
            WriteQuestions(
                gaps=session.gaps,
                cv=session.cv,
                job=session.job,
                deadline_s=self._question_deadline_s,
                concurrently=session.flags["use_batch_generation"],
                origin=origin,
            )
        )
        return asked(session, outcome)

    async def _similar(self, session: Session, question: Question, gap: Gap) -> tuple[Experience, ...]:
        """Hints for the prompts; without the retriever the prompts are written without hints."""
        request = FindSimilar(
            texts=(gap.title, gap.job_asks, question.text),
            cv=session.cv,
            owner=_owner(session),
            concurrently=session.flags["parallel_rag_searches"],
        )
        try:
            searches = await self._retriever.find_similar(request)
        except RetryLater as error:
            log.warning("similar_experiences_skipped", session_id=session.id, error=type(error).__name__)
            return ()
        nearest = {found.source: found for search in searches for found in search}
        return tuple(sorted(nearest.values(), key=lambda found: -found.similarity))[: request.limit]

    async def _deepen(
        self, session: Session, question: Question, gap: Gap, origin: Origin, heard: Heard | None
    ) -> tuple[Prompt, ...]:
        request = WritePrompts(
            gap=gap,
            question=question.text,
            similar=await self._similar(session, question, gap),
            cv=session.cv,
            job=session.job,
            origin=origin,
        )
        return (await self._generator.write_prompts(request, heard)).prompts

    async def _write(
        self, session: Session, question: Question, gap: Gap, origin: Origin, heard: Heard | None
    ) -> Answer:
        request = WriteAnswer(
            gap=gap,
            question=question.text,
            prompts=question.prompts,
            inputs=question.inputs,
            cv=session.cv,
            job=session.job,
            origin=origin,
        )
        return await self._generator.write_answer(request, heard)

    async def _refine(
        self, session: Session, question: Question, gap: Gap, origin: Origin, heard: Heard | None
    ) -> Answer:
        answer, evaluation = _scored(question)
        request = RefineAnswer(
            gap=gap,
            question=question.text,
            prompts=question.prompts + question.follow_ups,
            inputs=question.inputs,
            cv=session.cv,
            answer=answer,
            evaluation=evaluation,
            job=session.job,
            origin=origin,
        )
        return await self._generator.refine_answer(request, heard)

    async def _evaluate(
        self, session: Session, question: Question, gap: Gap, origin: Origin, heard: Heard | None
    ) -> QuestionEvent:
        if question.draft is None:
            raise WorkUnavailable("There is no draft to evaluate.")
        request = EvaluateAnswer(
            gap=gap,
            question=question.text,
            answer=question.draft,
            inputs=question.inputs,
            round=question.refinements + 1,
            threshold=question.threshold,
            cv=session.cv,
            job=session.job,
            origin=origin,
        )
        judged = await self._evaluator.evaluate(request, heard)
        verdict = judge(question, judged.evaluation, judged.follow_ups)
        if isinstance(verdict, AnswerAccepted):
            await self._remember(session, question, gap)
        return verdict

    async def _remember(self, session: Session, question: Question, gap: Gap) -> None:
        """Before the commit, so that erasing a session can never miss it; the id makes twice once."""
        writing = asyncio.create_task(self._retriever.remember(_owner(session), question, gap))
        try:
            await asyncio.shield(writing)
        except RetryLater as error:
            log.warning("experience_not_indexed", session_id=session.id, error=type(error).__name__)
        except asyncio.CancelledError:
            # Whoever stops this step may be about to erase the session: let the write end first.
            await asyncio.wait({writing}, timeout=self._deadline_s)
            raise

    @asynccontextmanager
    async def _deadline(self, seconds: float | None = None) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s if seconds is None else seconds):
                yield
        except TimeoutError:
            raise StepTimedOut from None


def _owner(session: Session) -> Owner:
    return Owner(tenant=session.tenant, user=session.user, session_id=session.id)


def _scored(question: Question) -> tuple[Answer, Evaluation]:
    if question.answer is None or question.evaluation is None:
        raise WorkUnavailable("There is no scored answer to refine.")
    return question.answer, question.evaluation
