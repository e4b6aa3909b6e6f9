"""The generator: finds gaps, writes questions, prompts and answers."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from actors.grounding import Invention, sources_of, unborne, ungrounded
from actors.grounding.feedback import refusal
from actors.grounding.sourcing import with_quotes
from actors.llm import LLM
from actors.telling import Teller
from state.errors import AskwellError, BrokenReply, RetryLater, StepTimedOut
from state.messages import (
    FindGaps,
    FoundGaps,
    Heard,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestion,
    WriteQuestions,
    WrittenPrompts,
    WrittenQuestion,
    WrittenQuestions,
)
from state.model import Answer, Gap
from state.workflow import by_priority

log = structlog.get_logger()


class Generator:
    """Implements `state.messages.Generator` over a provider.

    `plain` words an answer from its inputs alone; it takes over where `llm` invents twice.
    """

    def __init__(self, *, llm: LLM, plain: LLM) -> None:
        self._llm = llm
        self._plain = plain

    async def find_gaps(self, request: FindGaps) -> FoundGaps:
        """At most `request.limit` gaps, highest priority first."""
        completion = await self._llm.complete(request, FoundGaps)
        gaps = by_priority(completion.result.gaps)[: request.limit]
        numbered = tuple(replace(gap, id=f"g{n}") for n, gap in enumerate(gaps, 1))
        return FoundGaps(gaps=numbered, by=completion.by)

    async def write_questions(self, request: WriteQuestions) -> WrittenQuestions:
        """One question a gap. A gap that fails or is late is reported; the others are not held up.

        Where none can be written, raises the failure with the soonest time to come back.
        """
        width = len(request.gaps) if request.concurrently else 1
        slots = asyncio.Semaphore(max(width, 1))
        written: dict[str, WrittenQuestion] = {}
        failed: dict[str, AskwellError] = {}

        async def write(gap: Gap) -> None:
            one = WriteQuestion(
                gap=gap, cv=request.cv, job=request.job, deadline_s=request.deadline_s, origin=request.origin
            )
            try:
                async with slots, asyncio.timeout(request.deadline_s):
                    completion = await self._llm.complete(one, WrittenQuestion)
                    written[gap.id] = replace(completion.result, by=completion.by)
            except TimeoutError:
                failed[gap.id] = StepTimedOut()
            except AskwellError as error:
                failed[gap.id] = error

        await asyncio.gather(*map(write, request.gaps))
        if failed and not written:
            raise _soonest(failed.values())
        return WrittenQuestions(
            written=written, failed={gap_id: type(error).__name__ for gap_id, error in failed.items()}
        )

    async def write_prompts(self, request: WritePrompts, heard: Heard | None = None) -> WrittenPrompts:
        teller = Teller("write_prompts", heard) if heard else None
        completion = await self._llm.complete(request, WrittenPrompts, teller)
        return replace(completion.result, by=completion.by)

    async def write_answer(self, request: WriteAnswer, heard: Heard | None = None) -> Answer:
        """An answer that holds nothing its inputs and the CV do not hold."""
        teller = Teller("write_answer", heard, _borne_by(request)) if heard else None
        return await self._grounded(request, teller)

    async def refine_answer(self, request: RefineAnswer, heard: Heard | None = None) -> Answer:
        """The refined answer, held to the same rule as the first one."""
        teller = Teller("refine_answer", heard, _borne_by(request)) if heard else None
        return await self._grounded(request, teller)

    async def here(self) -> None:
        """Returns at once: what it takes is what this process is busy for."""

    async def ready(self) -> None:
        """Returns once the replica runs and has its provider."""

    async def aclose(self) -> None:
        """Give the provider's connections back, once what it has to record is recorded."""
        await self._llm.aclose()

    async def _grounded(self, request: WriteAnswer | RefineAnswer, teller: Teller | None) -> Answer:
        """The first draft that invents nothing: the model's, its second after being told, or the plain one."""
        answer, inventions = await self._drafted(self._llm, request, teller)
        if not inventions:
            return answer
        again = replace(request, refused=refusal(inventions))
        try:
            answer, inventions = await self._drafted(self._llm, again, teller)
            if not inventions:
                return answer
        except RetryLater as error:
            log.warning("draft_not_rewritten", session_id=request.origin.session_id, error=type(error).__name__)
        answer, inventions = await self._drafted(self._plain, request, teller)
        if inventions:
            raise BrokenReply("No answer could be written from the inputs alone.")
        return answer

    async def _drafted(
        self, llm: LLM, request: WriteAnswer | RefineAnswer, teller: Teller | None
    ) -> tuple[Answer, tuple[Invention, ...]]:
        """A draft and what it invents; what was told of the one before is taken back."""
        if teller is not None:
            teller(None)
        completion = await llm.complete(request, Answer, teller)
        answer = replace(with_quotes(completion.result, request.inputs, request.cv), by=completion.by)
        inventions = ungrounded(answer, request.inputs, request.cv)
        if inventions:
            _report(request, answer, inventions)
        return answer, inventions


def _borne_by(request: WriteAnswer | RefineAnswer) -> Callable[[str], bool]:
    """Whether a text says nothing but what the request's inputs and CV hold."""
    sources = sources_of(request.inputs, request.cv)
    return lambda text: not unborne(text, sources)


def _soonest(errors: Iterable[AskwellError]) -> AskwellError:
    """Of several failures the one after which it is soonest worth coming back."""
    return min(errors, key=lambda error: getattr(error, "retry_after_s", math.inf))


def _report(request: WriteAnswer | RefineAnswer, answer: Answer, inventions: tuple[Invention, ...]) -> None:
    kinds = Counter(invention.kind.value for invention in inventions)
    log.warning("draft_refused", session_id=request.origin.session_id, by=answer.by, inventions=dict(kinds))
