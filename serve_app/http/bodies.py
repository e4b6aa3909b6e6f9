"""Request bodies: what may come in, and how large. Everything is checked before any work starts."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator, model_validator

from state.events import InputsGiven, QuestionEvent, RefinementGiven, SaidNo, SaidYes, WillLearn
from state.messages import FindResources, Origin
from state.model import Addressability, Difficulty, Document, Gap, InputValue, Priority, ResourceType
from state.plans import Progress

MAX_CV_CHARS = 100_000
MAX_JOB_CHARS = 50_000
MAX_LINES = 5_000
MAX_GAPS = 50
MAX_INPUT_CHARS = 5_000
MAX_INPUTS = 30

Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Long = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
User = Annotated[str, StringConstraints(strip_whitespace=True, max_length=128, pattern=r"^[\w.@:+-]*$")]
Need = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Parsed = dict[str, JsonValue]
Text = Annotated[str | Parsed, Field(union_mode="left_to_right")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GapBody(Body):
    """A gap that the caller has found. `id` is free to choose, unique in the request."""

    id: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,64}$")] | None = None
    title: Short
    description: Long = ""
    priority: Priority = Priority.IMPORTANT
    cv_shows: Long = ""
    job_asks: Long = ""
    impact: Long = ""
    addressability: Addressability = Addressability.LEARNABLE
    skills: Annotated[list[Short], Field(max_length=20)] = []

    def gap(self, number: int) -> Gap:
        """As the domain's gap; `number` names it where the caller did not."""
        given = self.model_dump(exclude={"id", "skills"})
        return Gap(id=self.id or f"g{number}", skills=tuple(self.skills), **given)


Gaps = Annotated[list[GapBody], Field(min_length=1, max_length=MAX_GAPS)]


class SessionBody(Body):
    """CV and job as plain text, or as any JSON object that a parser made of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "cv": "Ada Nowak\nBackend developer, Northgate Ltd, 2021 - 2025\nBuilt REST APIs in Python and Django.",
                "job": "Platform engineer\nYou need:\n- Kubernetes in production\n- Python",
                "user": "ada",
                "max_questions": 5,
            }
        },
    )

    cv: Text
    job: Text
    user: User = ""
    gaps: Gaps | None = Field(None, description="Leave out to have the gaps found.")
    max_questions: Annotated[int, Field(ge=1, le=MAX_GAPS)] = 10

    @field_validator("cv")
    @classmethod
    def _cv_fits(cls, value: str | Parsed) -> str | Parsed:
        return _fitting(value, MAX_CV_CHARS)

    @field_validator("job")
    @classmethod
    def _job_fits(cls, value: str | Parsed) -> str | Parsed:
        return _fitting(value, MAX_JOB_CHARS)

    @field_validator("gaps")
    @classmethod
    def _ids_differ(cls, gaps: list[GapBody] | None) -> list[GapBody] | None:
        return _distinct(gaps) if gaps else gaps


class ExperienceBody(Body):
    response: Literal["yes", "no", "willing_to_learn"]

    @property
    def event(self) -> QuestionEvent:
        match self.response:
            case "yes":
                return SaidYes()
            case "no":
                return SaidNo()
            case "willing_to_learn":
                return WillLearn()


class InputsBody(Body):
    """Prompt id to value: text, a number, or a list of chosen options."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "inputs": {
                    "context": "Side Project",
                    "duration": "3 months",
                    "tools": "kind, Helm",
                    "achievement": "I moved our five services into a cluster and wrote the charts.",
                    "metrics": "Deployments went from 40 to 6 minutes.",
                }
            }
        },
    )

    inputs: Annotated[
        dict[
            Annotated[str, StringConstraints(max_length=100)],
            Annotated[str, StringConstraints(max_length=MAX_INPUT_CHARS)]
            | Annotated[int, Field(ge=-(10**15), le=10**15)]
            | Annotated[float, Field(allow_inf_nan=False)]
            | Annotated[list[Short], Field(max_length=50)],
        ],
        Field(min_length=1, max_length=MAX_INPUTS),
    ]

    @property
    def values(self) -> dict[str, InputValue]:
        return {key: tuple(value) if isinstance(value, list) else value for key, value in self.inputs.items()}

    @property
    def given(self) -> QuestionEvent:
        return InputsGiven(inputs=self.values)

    @property
    def refined(self) -> QuestionEvent:
        return RefinementGiven(inputs=self.values)


class BatchBody(Body):
    """Gaps to ask about without a session; CV and job give the questions their context."""

    gaps: Gaps
    cv: Text = ""
    job: Text = ""

    @field_validator("cv", "job")
    @classmethod
    def _fits(cls, value: str | Parsed) -> str | Parsed:
        return _fitting(value, MAX_CV_CHARS, required=False)

    @field_validator("gaps")
    @classmethod
    def _ids_differ(cls, gaps: list[GapBody]) -> list[GapBody]:
        return _distinct(gaps)


class SearchBody(Body):
    """What somebody wants to learn, and in how many full-time days."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"need": "ECG interpretation for nurses"}})

    need: Need
    skills: Annotated[list[Short], Field(max_length=20)] = []
    budget_days: Annotated[int, Field(ge=1, le=10)] = 10
    limit: Annotated[int, Field(ge=1, le=5)] = 5
    difficulty: Difficulty = Difficulty.BEGINNER
    types: Annotated[list[ResourceType], Field(max_length=3)] = []

    def search(self, tenant: str) -> FindResources:
        """The search it asks for, on the tenant's behalf."""
        given = self.model_dump(include={"need", "budget_days", "limit", "difficulty"})
        origin = Origin(tenant=tenant)
        return FindResources(skills=tuple(self.skills), types=tuple(self.types), origin=origin, **given)


class PlanBody(Body):
    """A plan for a need, or for a question that was answered 'willing_to_learn'."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"need": "customs documentation", "budget_days": 8, "user": "ada"}},
    )

    need: Need | None = None
    session_id: Short | None = None
    question_id: Short | None = None
    user: User = ""
    budget_days: Annotated[int, Field(ge=1, le=10)] = 10
    difficulty: Difficulty = Difficulty.BEGINNER

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.need is None) == (self.session_id is None):
            raise ValueError("give either need, or session_id with question_id")
        if (self.session_id is None) != (self.question_id is None):
            raise ValueError("session_id and question_id go together")
        return self


class ProgressBody(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"resource_id": "kubernetes-basics", "state": "in_progress"}}
    )

    resource_id: Short
    state: Progress


def document(value: str | Parsed) -> Document:
    """Plain text as it is; a parsed document as one line a leaf, 'experience.0.title: Shift leader'."""
    return Document(text=value if isinstance(value, str) else "\n".join(_leaves(value, "")))


def _leaves(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [line for key, inner in value.items() for line in _leaves(inner, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [line for n, inner in enumerate(value) for line in _leaves(inner, f"{path}.{n}")]
    return [] if value in (None, "") else [f"{path}: {' '.join(str(value).split())}"]


def _fitting(value: str | Parsed, max_chars: int, *, required: bool = True) -> str | Parsed:
    text = document(value).text
    if required and not text.strip():
        raise ValueError("must hold some text")
    if len(text) > max_chars:
        raise ValueError(f"must be at most {max_chars} characters long")
    if text.count("\n") >= MAX_LINES:
        raise ValueError(f"must have at most {MAX_LINES} lines")
    return value


def _distinct(gaps: list[GapBody]) -> list[GapBody]:
    ids = [gap.id or f"g{number}" for number, gap in enumerate(gaps, 1)]
    if len(set(ids)) < len(ids):
        raise ValueError("two gaps have the same id")
    return gaps
