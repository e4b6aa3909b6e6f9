"""What can happen to a question and to a session: past tense, frozen, whole.

An event carries everything its fold needs, so that a session's log, folded, is its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from state.model import (
    Answer,
    Evaluation,
    Gap,
    Inputs,
    Prompt,
    Question,
    RankedResource,
    Session,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidYes:
    """The candidate has the experience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidNo:
    """The candidate does not have it; nothing is asked of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WillLearn:
    """The candidate does not have it and is willing to learn it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptsWritten:
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesFound:
    resources: tuple[RankedResource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWithdrawn:
    """Nobody could do the work that the reply needs; the question is open again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsGiven:
    inputs: Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWritten:
    """A draft, new or refined; nobody has scored it yet."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWithdrawn:
    """The first answer could not be written or scored; its prompts are open again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAccepted:
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFellShort:
    """Below the threshold with refinements left; `follow_ups` ask for what is missing."""

    evaluation: Evaluation
    follow_ups: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKept:
    """Below the threshold with no refinement left: kept, marked, never accepted."""

    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementGiven:
    inputs: Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementWithdrawn:
    """The refined answer could not be written or scored; the answer before it still stands."""


QuestionEvent = (
    SaidYes
    | SaidNo
    | WillLearn
    | PromptsWritten
    | ResourcesFound
    | ReplyWithdrawn
    | InputsGiven
    | AnswerWritten
    | DraftWithdrawn
    | AnswerAccepted
    | AnswerFellShort
    | AnswerKept
    | RefinementGiven
    | RefinementWithdrawn
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class GapsFound:
    """`by` names who found them: a provider and its model, or 'client'."""

    gaps: tuple[Gap, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionsAsked:
    """The batch's outcome: every gap is either a question or, with the reason, among `unasked`."""

    questions: tuple[Question, ...]
    unasked: Mapping[str, str]


WITHDRAWALS = (ReplyWithdrawn, DraftWithdrawn, RefinementWithdrawn)
"""The events that open a question again because its work could not be done."""

SessionEvent = SessionOpened | GapsFound | QuestionsAsked
Event = QuestionEvent | SessionEvent

EVENTS: Mapping[str, type[Event]] = {
    kind.__name__: kind for kind in (*get_args(QuestionEvent), *get_args(SessionEvent))
}
"""Every event by the name it has on the wire and in the log."""
