"""The generator: finds gaps, writes questions, prompts and answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from actors.grounding import ungrounded
from actors.llm import LLM
from state.errors import AskwellError, BrokenReply
from state.messages import (
    FindGaps,
    FoundGaps,
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


class Generator:
    """Implements `state.messages.Generator` over a provider.

    `plain` words an answer from its inputs alone; it takes over where `llm` invents.
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
        """One question a gap. A gap that fails or is late is reported; the others are not held up."""
        width = len(request.gaps) if request.concurrently else 1
        slots = asyncio.Semaphore(max(width, 1))
        written: dict[str, WrittenQuestion] = {}
        failed: dict[str, str] = {}

        async def write(gap: Gap) -> None:
            try:
                async with asyncio.timeout(request.deadline_s), slots:
                    one = WriteQuestion(gap=gap, cv=request.cv, job=request.job)
                    completion = await self._llm.complete(one, WrittenQuestion)
                    written[gap.id] = replace(completion.result, by=completion.by)
            except TimeoutError:
                failed[gap.id] = "StepTimedOut"
            except AskwellError as error:
                failed[gap.id] = type(error).__name__

        await asyncio.gather(*map(write, request.gaps))
        return WrittenQuestions(written=written, failed=failed)

    async def write_prompts(self, request: WritePrompts) -> WrittenPrompts:
        completion = await self._llm.complete(request, WrittenPrompts)
        return replace(completion.result, by=completion.by)

    async def write_answer(self, request: WriteAnswer) -> Answer:
        """An answer that holds nothing its inputs and the CV do not hold."""
        return await self._grounded(request)

    async def refine_answer(self, request: RefineAnswer) -> Answer:
        """The refined answer, held to the same rule as the first one."""
        return await self._grounded(request)

    async def ready(self) -> None:
        """Returns once the replica runs and has its provider."""

    async def _grounded(self, request: WriteAnswer | RefineAnswer) -> Answer:
        completion = await self._llm.complete(request, Answer)
        if ungrounded(completion.result, request.inputs, request.cv):
            completion = await self._plain.complete(request, Answer)
            if ungrounded(completion.result, request.inputs, request.cv):
                raise BrokenReply("No answer could be written from the inputs alone.")
        return replace(completion.result, by=completion.by)
