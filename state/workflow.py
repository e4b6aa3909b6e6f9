"""How a question moves: one table of steps and events, and the pure functions that read it.

No clock, no randomness, no I/O. `TRANSITIONS` is the truth: every step is a key, a finished step maps
to nothing, and the README's diagram is drawn from it. `WORK` names what has to be done in a step
before it can go on; a step without work waits for the candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from state.errors import StepNotOpen
from state.events import (
    AnswerAccepted,
    AnswerFellShort,
    AnswerKept,
    AnswerWritten,
    DraftWithdrawn,
    InputsGiven,
    PromptsWritten,
    QuestionEvent,
    RefinementGiven,
    RefinementWithdrawn,
    ReplyWithdrawn,
    ResourcesFound,
    SaidNo,
    SaidYes,
    WillLearn,
)
from state.model import (
    CriterionName,
    Evaluation,
    Gap,
    Priority,
    Prompt,
    Question,
    Session,
    SessionStep,
    Step,
)


class SessionCommand(StrEnum):
    """Work that a new session needs before its questions can be answered."""

    FIND_GAPS = "find_gaps"
    WRITE_QUESTIONS = "write_questions"


class QuestionCommand(StrEnum):
    """Work that a question's step needs. The session-state actor carries it out."""

    FIND_RESOURCES = "find_resources"
    WRITE_PROMPTS = "write_prompts"
    WRITE_ANSWER = "write_answer"
    EVALUATE_ANSWER = "evaluate_answer"
    REFINE_ANSWER = "refine_answer"


TRANSITIONS: Mapping[Step, Mapping[type[QuestionEvent], Step]] = {
    Step.ASKED: {SaidNo: Step.SKIPPED, SaidYes: Step.PROMPTING, WillLearn: Step.SEARCHING},
    Step.SKIPPED: {},
    Step.SEARCHING: {ResourcesFound: Step.LEARNING, ReplyWithdrawn: Step.ASKED},
    Step.LEARNING: {},
    Step.PROMPTING: {PromptsWritten: Step.PROMPTED, ReplyWithdrawn: Step.ASKED},
    Step.PROMPTED: {InputsGiven: Step.DRAFTING},
    Step.DRAFTING: {AnswerWritten: Step.EVALUATING, DraftWithdrawn: Step.PROMPTED},
    Step.EVALUATING: {
        AnswerAccepted: Step.ACCEPTED,
        AnswerFellShort: Step.NEEDS_REFINEMENT,
        AnswerKept: Step.BEST_EFFORT,
        DraftWithdrawn: Step.PROMPTED,
        RefinementWithdrawn: Step.NEEDS_REFINEMENT,
    },
    Step.NEEDS_REFINEMENT: {RefinementGiven: Step.REFINING},
    Step.REFINING: {AnswerWritten: Step.EVALUATING, RefinementWithdrawn: Step.NEEDS_REFINEMENT},
    Step.ACCEPTED: {},
    Step.BEST_EFFORT: {},
}

WORK: Mapping[Step, QuestionCommand] = {
    Step.SEARCHING: QuestionCommand.FIND_RESOURCES,
    Step.PROMPTING: QuestionCommand.WRITE_PROMPTS,
    Step.DRAFTING: QuestionCommand.WRITE_ANSWER,
    Step.EVALUATING: QuestionCommand.EVALUATE_ANSWER,
    Step.REFINING: QuestionCommand.REFINE_ANSWER,
}

SESSION_WORK: Mapping[SessionStep, SessionCommand] = {
    SessionStep.FINDING_GAPS: SessionCommand.FIND_GAPS,
    SessionStep.WRITING_QUESTIONS: SessionCommand.WRITE_QUESTIONS,
}

CANDIDATE_EVENTS: tuple[type[QuestionEvent], ...] = (
    SaidYes,
    SaidNo,
    WillLearn,
    InputsGiven,
    RefinementGiven,
)

THRESHOLDS: Mapping[Priority, float] = {
    Priority.CRITICAL: 8.0,
    Priority.HIGH: 7.0,
    Priority.IMPORTANT: 7.0,
    Priority.MEDIUM: 6.0,
    Priority.NICE_TO_HAVE: 6.0,
    Priority.LOW: 5.0,
    Priority.LOGISTICAL: 5.0,
}
STATIC_THRESHOLD = 7.0
MAX_REFINEMENTS = 2

WEIGHTS: Mapping[CriterionName, float] = {
    CriterionName.SPECIFICITY: 0.3,
    CriterionName.EVIDENCE: 0.3,
    CriterionName.LANGUAGE: 0.2,
    CriterionName.RELEVANCE: 0.2,
}


def advance(question: Question, event: QuestionEvent) -> tuple[Question, list[QuestionCommand]]:
    """Apply one event: the question after it, and the work its new step needs.

    Raises `StepNotOpen`, naming the open step, if the table does not hold the event there; the
    question given is never changed.
    """
    target = TRANSITIONS[question.step].get(type(event))
    if target is None:
        raise StepNotOpen(step=question.step.value, accepts=accepts(question.step))
    moved = replace(_absorb(question, event), step=target)
    return moved, pending(moved)


def _absorb(question: Question, event: QuestionEvent) -> Question:  # noqa: PLR0911 - one a case
    """What the event adds to the question, apart from its step."""
    match event:
        case InputsGiven(inputs=inputs):
            return replace(question, inputs=inputs)
        case RefinementGiven(inputs=inputs):
            return replace(question, inputs={**question.inputs, **inputs})
        case PromptsWritten(prompts=prompts):
            return replace(question, prompts=prompts)
        case ResourcesFound(resources=resources):
            return replace(question, resources=resources)
        case AnswerWritten(answer=answer):
            return replace(question, draft=answer)
        case AnswerAccepted(evaluation=evaluation):
            return _scored(question, evaluation)
        case AnswerFellShort(evaluation=evaluation, follow_ups=follow_ups):
            return replace(_scored(question, evaluation), follow_ups=follow_ups)
        case AnswerKept(evaluation=evaluation):
            scored = _scored(question, evaluation)
            former = question.evaluation
            if former is None or former.score <= evaluation.score:
                return scored
            return replace(scored, answer=question.answer, evaluation=former)
        case DraftWithdrawn() | RefinementWithdrawn():
            return replace(question, draft=None)
        case SaidNo() | SaidYes() | WillLearn() | ReplyWithdrawn():
            return question
        case _:
            assert_never(event)


def _scored(question: Question, evaluation: Evaluation) -> Question:
    """The draft becomes the answer; only here, so that no answer ever stands without a score."""
    return replace(
        question,
        answer=question.draft,
        draft=None,
        evaluation=evaluation,
        follow_ups=(),
        refinements=question.refinements + is_refined(question),
    )


def is_refined(question: Question) -> bool:
    """Whether the draft refines an answer that was scored before."""
    return question.answer is not None


def withdrawal(question: Question) -> QuestionEvent:
    """The event that opens the question again where the candidate can repeat the last reply."""
    if question.step in (Step.PROMPTING, Step.SEARCHING):
        return ReplyWithdrawn()
    return RefinementWithdrawn() if is_refined(question) else DraftWithdrawn()


def pending(question: Question) -> list[QuestionCommand]:
    """The work the question's step waits for; a restarted owner takes it up from here."""
    return [WORK[question.step]] if question.step in WORK else []


def accepts(step: Step) -> tuple[str, ...]:
    """The names of what the candidate may do in this step, in the table's order."""
    return tuple(kind.__name__ for kind in TRANSITIONS[step] if kind in CANDIDATE_EVENTS)


def finished(step: Step) -> bool:
    return not TRANSITIONS[step]


def judge(
    question: Question, evaluation: Evaluation, follow_ups: tuple[Prompt, ...]
) -> AnswerAccepted | AnswerFellShort | AnswerKept:
    """What an evaluation means for this question: its own threshold decides, nothing a model says."""
    if evaluation.score >= question.threshold:
        return AnswerAccepted(evaluation=evaluation)
    if question.refinements + is_refined(question) < MAX_REFINEMENTS:
        return AnswerFellShort(evaluation=evaluation, follow_ups=follow_ups)
    return AnswerKept(evaluation=evaluation)


def threshold(priority: Priority, *, dynamic: bool) -> float:
    """The score of 10 an answer needs; 7 for all where `dynamic_quality_thresholds` is off."""
    return THRESHOLDS[priority] if dynamic else STATIC_THRESHOLD


def total(scores: Mapping[CriterionName, float]) -> float:
    """The weighted total of the four criteria, 1 to 10, rounded to one decimal.

    Raises `KeyError` if a criterion is missing: an answer is never scored by half.
    """
    return round(sum(WEIGHTS[name] * scores[name] for name in CriterionName), 1)


def by_priority(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Highest priority first; gaps of one priority keep the order they came in."""
    return tuple(sorted(gaps, key=lambda gap: gap.priority.rank))


def session_pending(session: Session) -> list[SessionCommand]:
    """The work the session itself waits for before its questions can be answered."""
    return [SESSION_WORK[session.step]] if session.step in SESSION_WORK else []


def diagram() -> str:
    """The table as a Mermaid state diagram, the way the README shows it."""
    lines = ["stateDiagram-v2", f"    [*] --> {Step.ASKED}"]
    for step, moves in TRANSITIONS.items():
        lines += [f"    {step} --> {target}: {kind.__name__}" for kind, target in moves.items()]
        if finished(step):
            lines.append(f"    {step} --> [*]")
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
