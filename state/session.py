"""How a session changes: one logged event at a time, purely, so that the log folded is the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from state.errors import NotFound, StepNotOpen
from state.events import Event, GapsFound, QuestionsAsked, SessionOpened
from state.flags import assign
from state.messages import WrittenQuestions
from state.model import Document, Gap, Question, Session, SessionStep
from state.workflow import advance, by_priority, threshold

CLIENT = "client"
"""Stands for who found the gaps where the caller brought them."""
SESSION_ITSELF = ""
"""Stands for the session itself where a question's id would stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One committed event. `version` is the session's version after it and its place in the log;
    `question_id` is empty for an event of the session itself; times are Unix milliseconds."""

    version: int
    at_ms: int
    expires_ms: int
    question_id: str
    event: Event


def new_session(
    *,
    session_id: str,
    tenant: str,
    user: str,
    cv: Document,
    job: Document,
    gaps: tuple[Gap, ...] | None,
    max_questions: int,
    rollouts: Mapping[str, float],
    now_ms: int,
    ttl_ms: int,
) -> Session:
    """A session nobody has worked on yet, with its flags drawn once and for all.

    Where the caller brings the gaps, they are not looked for: the highest priorities are kept.
    """
    found = None if gaps is None else by_priority(gaps)[:max_questions]
    return Session(
        id=session_id,
        tenant=tenant,
        user=user,
        cv=cv,
        job=job,
        flags=assign(f"{tenant}/{user or session_id}", rollouts),
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms + ttl_ms,
        max_questions=max_questions,
        step=SessionStep.FINDING_GAPS if found is None else SessionStep.WRITING_QUESTIONS,
        gaps=found or (),
        by="" if found is None else CLIENT,
    )


def apply(session: Session | None, entry: LogEntry) -> Session:
    """The session after `entry`. Raises `StepNotOpen` or `NotFound` and changes nothing if it cannot be."""
    event = entry.event
    if isinstance(event, SessionOpened):
        moved = event.session
    elif session is None:
        raise NotFound
    elif isinstance(event, GapsFound):
        _expect(session, SessionStep.FINDING_GAPS)
        moved = replace(session, gaps=event.gaps, by=event.by, step=SessionStep.WRITING_QUESTIONS)
    elif isinstance(event, QuestionsAsked):
        _expect(session, SessionStep.WRITING_QUESTIONS)
        moved = replace(session, questions=event.questions, unasked=event.unasked, step=SessionStep.OPEN)
    else:
        moved = with_question(session, advance(session.require(entry.question_id), event)[0])
    return replace(moved, version=entry.version, updated_ms=entry.at_ms, expires_ms=entry.expires_ms)


def with_question(session: Session, question: Question) -> Session:
    """The session with the question of the same id replaced."""
    questions = tuple(question if old.id == question.id else old for old in session.questions)
    return replace(session, questions=questions)


def asked(session: Session, outcome: WrittenQuestions) -> QuestionsAsked:
    """The batch's outcome as questions of this session, highest priority first, with their thresholds."""
    dynamic = session.flags["dynamic_quality_thresholds"]
    ready = [gap for gap in by_priority(session.gaps) if gap.id in outcome.written]
    questions = []
    for number, gap in enumerate(ready, 1):
        written = outcome.written[gap.id]
        questions.append(
            Question(
                id=f"q{number}",
                gap_id=gap.id,
                text=written.text,
                why=written.why,
                answer_type=written.answer_type,
                minutes=written.minutes,
                threshold=threshold(gap.priority, dynamic=dynamic),
                by=written.by,
            )
        )
    return QuestionsAsked(questions=tuple(questions), unasked=dict(outcome.failed))


def _expect(session: Session, step: SessionStep) -> None:
    if session.step is not step:
        raise StepNotOpen(step=session.step.value, accepts=())
