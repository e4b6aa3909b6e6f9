"""What goes out: the domain's shapes with what a client needs to act on them, and what a problem looks like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, Field

from state.messages import WrittenQuestions
from state.model import (
    Answer,
    AnswerType,
    Evaluation,
    Gap,
    InputValue,
    Priority,
    Prompt,
    Question,
    RankedResource,
    Session,
    SessionStep,
    Step,
)
from state.plans import Plan, PlanItem, Progress
from state.receipts import Receipt
from state.workflow import accepts, by_priority, finished

ACTIONS: Mapping[str, str] = {
    "SaidYes": "experience",
    "SaidNo": "experience",
    "WillLearn": "experience",
    "InputsGiven": "inputs",
    "RefinementGiven": "refinement",
}
"""The route, below the question, by which each event of the candidate comes in."""


class QuestionView(BaseModel):
    """One question. `actions` are the routes below it that are open now; `by` says who worded it."""

    id: str
    gap_id: str
    text: str
    why: str
    answer_type: AnswerType
    minutes: int
    by: str
    step: Step
    finished: bool
    accepted: bool = Field(description="True only for an answer that reached its threshold.")
    actions: list[str]
    threshold: float
    refinements: int
    prompts: list[Prompt]
    follow_ups: list[Prompt]
    inputs: dict[str, InputValue]
    resources: list[RankedResource]
    answer: Answer | None
    evaluation: Evaluation | None

    @classmethod
    def of(cls, question: Question) -> Self:
        return cls(
            id=question.id,
            gap_id=question.gap_id,
            text=question.text,
            why=question.why,
            answer_type=question.answer_type,
            minutes=question.minutes,
            by=question.by,
            step=question.step,
            finished=finished(question.step),
            accepted=question.step is Step.ACCEPTED,
            actions=list(dict.fromkeys(ACTIONS[event] for event in accepts(question.step))),
            threshold=question.threshold,
            refinements=question.refinements,
            prompts=list(question.prompts),
            follow_ups=list(question.follow_ups),
            inputs=dict(question.inputs),
            resources=list(question.resources),
            answer=question.answer,
            evaluation=question.evaluation,
        )


class SessionView(BaseModel):
    """One interview. `by` says who found the gaps; `unasked` why a gap has no question."""

    id: str
    user: str
    step: SessionStep
    finished: bool
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    flags: dict[str, bool]
    by: str
    gaps: list[Gap]
    questions: list[QuestionView]
    unasked: dict[str, str]

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(
            id=session.id,
            user=session.user,
            step=session.step,
            finished=session.step is SessionStep.OPEN and all(finished(one.step) for one in session.questions),
            version=session.version,
            created_at=_time(session.created_ms),
            updated_at=_time(session.updated_ms),
            expires_at=_time(session.expires_ms),
            flags=dict(session.flags),
            by=session.by,
            gaps=list(session.gaps),
            questions=[QuestionView.of(question) for question in session.questions],
            unasked=dict(session.unasked),
        )


class BatchQuestion(BaseModel):
    """A question without a session."""

    gap_id: str
    priority: Priority
    text: str
    why: str
    answer_type: AnswerType
    minutes: int
    by: str


class BatchView(BaseModel):
    """Highest priority first; `failed` has, by gap id, the kind of failure of those that are missing."""

    questions: list[BatchQuestion]
    failed: dict[str, str]

    @classmethod
    def of(cls, gaps: tuple[Gap, ...], outcome: WrittenQuestions) -> Self:
        questions = []
        for gap in by_priority(gaps):
            if (written := outcome.written.get(gap.id)) is not None:
                questions.append(
                    BatchQuestion(
                        gap_id=gap.id,
                        priority=gap.priority,
                        text=written.text,
                        why=written.why,
                        answer_type=written.answer_type,
                        minutes=written.minutes,
                        by=written.by,
                    )
                )
        return cls(questions=questions, failed=dict(outcome.failed))


class ResourcesView(BaseModel):
    resources: list[RankedResource]


class PlanItemView(BaseModel):
    """`resume_line` is what a resume may say; null until the learning has started."""

    resource_id: str
    title: str
    type: str
    provider: str
    url: str
    first_day: int
    last_day: int
    state: Progress
    started_at: datetime | None
    resume_line: str | None

    @classmethod
    def of(cls, item: PlanItem) -> Self:
        return cls(
            resource_id=item.resource.id,
            title=item.resource.title,
            type=item.resource.type.value,
            provider=item.resource.provider,
            url=item.resource.url,
            first_day=item.first_day,
            last_day=item.last_day,
            state=item.progress,
            started_at=None if item.started_ms is None else _time(item.started_ms),
            resume_line=item.resume_line,
        )


class PlanView(BaseModel):
    id: str
    user: str
    need: str
    days: int
    created_at: datetime
    updated_at: datetime
    items: list[PlanItemView]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(
            id=plan.id,
            user=plan.user,
            need=plan.need,
            days=plan.days,
            created_at=_time(plan.created_ms),
            updated_at=_time(plan.updated_ms),
            items=[PlanItemView.of(item) for item in plan.items],
        )


class PlansView(BaseModel):
    plans: list[PlanView]


class ReceiptView(BaseModel):
    """That a session was erased. `steps` is how many commits it had; `erased` names what was deleted of it."""

    session_id: str
    erased_at: datetime
    steps: int
    erased: list[str]

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        return cls(
            session_id=receipt.session_id,
            erased_at=_time(receipt.erased_ms),
            steps=receipt.steps,
            erased=list(receipt.erased),
        )


class Problem(BaseModel):
    """RFC 9457, with what Askwell adds. `type` ends in the kind of the error."""

    type: str = Field(examples=["urn:askwell:problem:StepNotOpen"])
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="Dotted path to the field that is not valid.")
    fix: str | None = Field(None, description="What the field would have to be.")
    step: str | None = Field(None, description="The step that is open now.")
    accepts: list[str] | None = Field(None, description="What can be done in that step.")


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
