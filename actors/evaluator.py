"""The evaluator: scores an answer by four criteria and asks for what is missing.

With the flag `advanced_quality_evaluation` two passes judge the same answer, the second with the criteria
asked in reverse order. Where one lets the answer pass and the other does not, the lower total stands.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from actors.grounding import folded
from actors.llm import LLM, Judgement
from actors.telling import Teller
from state.errors import BrokenReply
from state.messages import EvaluateAnswer, Heard, JudgedAnswer
from state.model import Answer, Criterion, CriterionName, Evaluation, Prompt, PromptType, Suggestion
from state.workflow import total

MAX_FOLLOW_UPS = 4
SECOND_PASS = "advanced_quality_evaluation"  # noqa: S105 - the name of a flag


class Evaluator:
    """Implements `state.messages.Evaluator` over a provider. The total is computed here, never taken."""

    def __init__(self, *, llm: LLM) -> None:
        self._llm = llm

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer:
        """The verdict of one pass, or of two where the request's flags say so.

        Raises `BrokenReply` unless every pass scores each of the four criteria exactly once. A pass that
        fails ends the other one: there is no verdict by half.
        """
        teller = Teller("evaluate_answer", heard) if heard else None
        if not request.origin.flags.get(SECOND_PASS, False):
            evaluation = await self._judged(request, teller)
        else:
            first, second = await self._judged_twice(request, teller)
            evaluation = _more_careful(first, second, request.threshold)
            if teller is not None and evaluation is not first:
                teller(None)
        return JudgedAnswer(evaluation=evaluation, follow_ups=_follow_ups(evaluation, request.round))

    async def here(self) -> None:
        """Returns at once: what it takes is what this process is busy for."""

    async def ready(self) -> None:
        """Returns once the replica runs and has its provider."""

    async def aclose(self) -> None:
        """Give the provider's connections back, once what it has to record is recorded."""
        await self._llm.aclose()

    async def _judged_twice(self, request: EvaluateAnswer, teller: Teller | None) -> tuple[Evaluation, Evaluation]:
        """Both passes at once; `teller` hears the first. Raises what the pass that failed first raised."""
        try:
            async with asyncio.TaskGroup() as passes:
                first = passes.create_task(self._judged(request, teller))
                second = passes.create_task(self._judged(replace(request, reverse=True), None))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return first.result(), second.result()

    async def _judged(self, request: EvaluateAnswer, teller: Teller | None) -> Evaluation:
        completion = await self._llm.complete(request, Judgement, teller)
        judgement = completion.result
        scores = {criterion.name: criterion.score for criterion in judgement.criteria}
        if len(judgement.criteria) != len(CriterionName) or len(scores) != len(CriterionName):
            raise BrokenReply("A judgement must score each of the four criteria once.")
        by_name = sorted(judgement.criteria, key=lambda criterion: list(CriterionName).index(criterion.name))
        return Evaluation(
            score=total(scores),
            criteria=tuple(_with_true_quote(criterion, request.answer) for criterion in by_name),
            issues=judgement.issues,
            strengths=judgement.strengths,
            suggestions=judgement.suggestions,
            by=completion.by,
        )


def _more_careful(first: Evaluation, second: Evaluation, threshold: float) -> Evaluation:
    """The lower one where they disagree across the threshold, else the first."""
    if (first.score >= threshold) == (second.score >= threshold):
        return first
    return min(first, second, key=lambda evaluation: evaluation.score)


def _with_true_quote(criterion: Criterion, answer: Answer) -> Criterion:
    """Words that do not stand in the answer are not shown as its evidence."""
    if folded(criterion.quote) in folded(answer.text):
        return criterion
    return replace(criterion, quote="")


def _follow_ups(evaluation: Evaluation, round_: int) -> tuple[Prompt, ...]:
    """The suggestions as prompts; without any, the weakest criterion's reason is asked about."""
    suggestions = evaluation.suggestions[:MAX_FOLLOW_UPS]
    if not suggestions:
        weakest = min(evaluation.criteria, key=lambda criterion: criterion.score)
        suggestions = (Suggestion(type=weakest.name, title="What can you add?", help=weakest.reason),)
    return tuple(
        Prompt(
            id=f"refine{round_}-{n}-{suggestion.type.value}",
            type=PromptType.TEXTAREA,
            question=suggestion.title,
            placeholder=suggestion.examples[0] if suggestion.examples else "",
            help=suggestion.help,
        )
        for n, suggestion in enumerate(suggestions, 1)
    )
