"""The shapes of the domain: frozen values, no behaviour beyond what they can derive from themselves.

Constraints stand in the types (`Annotated[..., Field(...)]`); they are checked wherever a value enters
from outside, by a pydantic `TypeAdapter`, and cost nothing where values only move around inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from state.errors import NotFound

Score = Annotated[float, Field(ge=1, le=10)]
InputValue = str | int | float | tuple[str, ...]
Inputs = Mapping[str, InputValue]
"""A candidate's replies: prompt id to value."""


class Priority(StrEnum):
    """How much the job wants what the gap is about, highest first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    IMPORTANT = "IMPORTANT"
    MEDIUM = "MEDIUM"
    NICE_TO_HAVE = "NICE_TO_HAVE"
    LOW = "LOW"
    LOGISTICAL = "LOGISTICAL"

    @property
    def rank(self) -> int:
        """0 for the highest priority."""
        return list(Priority).index(self)


class Addressability(StrEnum):
    LEARNABLE = "learnable"
    TIME_DEPENDENT = "time_dependent"
    LOGISTICAL = "logistical"


class AnswerType(StrEnum):
    TEXT = "text"
    STRUCTURED = "structured"
    BOTH = "both"


class PromptType(StrEnum):
    TEXT = "text"
    TEXTAREA = "textarea"
    SELECT = "select"
    MULTISELECT = "multiselect"
    NUMBER = "number"


class BulletKind(StrEnum):
    BUILD = "build"
    ENGINEER = "engineer"
    IMPACT = "impact"


class CriterionName(StrEnum):
    SPECIFICITY = "specificity"
    EVIDENCE = "evidence"
    LANGUAGE = "professional_language"
    RELEVANCE = "relevance"


class ResourceType(StrEnum):
    COURSE = "course"
    PROJECT = "project"
    CERTIFICATION = "certification"


class Difficulty(StrEnum):
    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class Cost(StrEnum):
    FREE = "free"
    FREEMIUM = "freemium"
    PAID = "paid"


class Step(StrEnum):
    """Where a question is. Steps ending in -ING are being worked on; the others wait or are finished."""

    ASKED = "ASKED"
    SKIPPED = "SKIPPED"
    SEARCHING = "SEARCHING"
    LEARNING = "LEARNING"
    PROMPTING = "PROMPTING"
    PROMPTED = "PROMPTED"
    DRAFTING = "DRAFTING"
    EVALUATING = "EVALUATING"
    NEEDS_REFINEMENT = "NEEDS_REFINEMENT"
    REFINING = "REFINING"
    ACCEPTED = "ACCEPTED"
    BEST_EFFORT = "BEST_EFFORT"


class SessionStep(StrEnum):
    """Where a session is before its questions can be answered, and after."""

    FINDING_GAPS = "FINDING_GAPS"
    WRITING_QUESTIONS = "WRITING_QUESTIONS"
    OPEN = "OPEN"


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Document:
    """A CV or a job description as lines of plain text; line numbers (from 1) are what claims cite."""

    text: str

    def lines(self) -> list[tuple[int, str]]:
        """Every line that holds something, with its number."""
        return [(n, line.strip()) for n, line in enumerate(self.text.splitlines(), 1) if line.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A skill or an experience that the job asks for and the CV does not show."""

    id: str
    title: str
    description: str
    priority: Priority
    cv_shows: str
    job_asks: str
    impact: str
    addressability: Addressability
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One field of the deep dive. `options` only for select and multiselect."""

    id: str
    type: PromptType
    question: str
    options: tuple[str, ...] = ()
    placeholder: str = ""
    required: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A piece of an answer's text and where it comes from: `input:PROMPT_ID` or `cv:LINE`."""

    text: str
    source: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullet:
    kind: BulletKind
    text: str
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Resume-ready evidence. `by` names the provider and model that worded it."""

    title: str
    bullets: Annotated[tuple[Bullet, ...], Field(min_length=3, max_length=3)]
    by: str = ""

    @property
    def text(self) -> str:
        return "\n".join([self.title, *(bullet.text for bullet in self.bullets)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One strength or issue of an answer."""

    label: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What would make an answer better. `type` is the criterion it would raise."""

    type: CriterionName
    title: str
    examples: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One criterion's score, with the words of the answer it rests on."""

    name: CriterionName
    score: Score
    reason: str
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A judged answer. `score` is the weighted total of `criteria`, computed by `state.workflow`."""

    score: Score
    criteria: tuple[Criterion, ...]
    issues: tuple[Note, ...] = ()
    strengths: tuple[Note, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A learning resource of the catalogue. `duration_days` are full-time working days."""

    id: str
    field: str
    title: str
    description: str
    type: ResourceType
    provider: str
    url: str
    duration_days: Annotated[int, Field(ge=1)]
    difficulty: Difficulty
    cost: Cost
    skills: tuple[str, ...]
    rating: Annotated[float, Field(ge=0, le=5)]
    certificate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedResource:
    """`score` is the rank of 100 over the semantic match, `match` the cosine similarity to the need."""

    resource: Resource
    score: float
    match: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """A past experience of the same candidate: a CV line, or an answer accepted before."""

    source: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One gap's way through the workflow.

    `answer` is the last one that was scored, `draft` one that was not yet; `refinements` counts the
    refined answers scored so far.
    """

    id: str
    gap_id: str
    text: str
    why: str
    answer_type: AnswerType
    minutes: Annotated[int, Field(ge=1, le=5)]
    threshold: float
    by: str = ""
    step: Step = Step.ASKED
    prompts: tuple[Prompt, ...] = ()
    follow_ups: tuple[Prompt, ...] = ()
    inputs: Inputs = field(default_factory=dict)
    resources: tuple[RankedResource, ...] = ()
    draft: Answer | None = None
    answer: Answer | None = None
    evaluation: Evaluation | None = None
    refinements: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One interview. Times are Unix milliseconds; `flags` are fixed at creation.

    `by` names the provider and model that found the gaps ('client' where the caller brought them);
    `unasked` maps a gap id to why no question came of it.
    """

    id: str
    tenant: str
    user: str
    cv: Document = Document(text="")
    job: Document = Document(text="")
    flags: Mapping[str, bool]
    created_ms: int
    updated_ms: int
    expires_ms: int
    max_questions: int = 10
    step: SessionStep = SessionStep.FINDING_GAPS
    gaps: tuple[Gap, ...] = ()
    by: str = ""
    questions: tuple[Question, ...] = ()
    unasked: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    def require(self, question_id: str) -> Question:
        """The question of this id. Raises `NotFound`."""
        for question in self.questions:
            if question.id == question_id:
                return question
        raise NotFound

    def gap(self, gap_id: str) -> Gap:
        return next(gap for gap in self.gaps if gap.id == gap_id)
