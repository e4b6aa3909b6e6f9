"""The evaluator: scores an answer by four criteria and asks for what is missing."""

from __future__ import annotations

from actors.llm import LLM, Judgement
from state.errors import BrokenReply
from state.messages import EvaluateAnswer, JudgedAnswer
from state.model import CriterionName, Evaluation, Prompt, PromptType, Suggestion
from state.workflow import total

MAX_FOLLOW_UPS = 4


class Evaluator:
    """Implements `state.messages.Evaluator` over a provider. The total is computed here, never taken."""

    def __init__(self, *, llm: LLM) -> None:
        self._llm = llm

    async def evaluate(self, request: EvaluateAnswer) -> JudgedAnswer:
        """Raises `BrokenReply` unless each of the four criteria is scored exactly once."""
        completion = await self._llm.complete(request, Judgement)
        judgement = completion.result
        scores = {criterion.name: criterion.score for criterion in judgement.criteria}
        if len(judgement.criteria) != len(CriterionName) or len(scores) != len(CriterionName):
            raise BrokenReply("A judgement must score each of the four criteria once.")
        evaluation = Evaluation(
            score=total(scores),
            criteria=judgement.criteria,
            issues=judgement.issues,
            strengths=judgement.strengths,
            suggestions=judgement.suggestions,
            by=completion.by,
        )
        return JudgedAnswer(evaluation=evaluation, follow_ups=_follow_ups(evaluation, request.round))

    async def ready(self) -> None:
        """Returns once the replica runs and has its provider."""


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
