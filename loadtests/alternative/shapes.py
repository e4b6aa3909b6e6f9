"""What goes over the alternative's wires: bodies of requests and replies, and what a model has to answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Score = Annotated[float, Field(ge=1, le=10)]
Inputs = dict[str, str | int | float | list[str]]


class Gap(BaseModel):
    title: str
    description: str = ""
    priority: str = "IMPORTANT"
    cv_shows: str = ""
    job_asks: str = ""
    impact: str = ""
    addressability: str = "learnable"
    skills: list[str] = []


class NewSession(BaseModel):
    cv: str
    job: str
    gaps: Annotated[list[Gap], Field(min_length=1, max_length=50)]


class ExperienceReply(BaseModel):
    response: Literal["yes", "no"]


class GivenInputs(BaseModel):
    inputs: Inputs


class WrittenQuestion(BaseModel):
    text: str
    why: str
    answer_type: Literal["text", "structured", "both"]
    minutes: Annotated[int, Field(ge=1, le=5)]


class Prompt(BaseModel):
    id: str
    type: Literal["text", "textarea", "select", "multiselect", "number"]
    question: str
    options: list[str]
    placeholder: str
    required: bool
    help: str


class WrittenPrompts(BaseModel):
    prompts: Annotated[list[Prompt], Field(min_length=4, max_length=6)]


class Claim(BaseModel):
    text: str
    source: str


class Bullet(BaseModel):
    kind: Literal["build", "engineer", "impact"]
    text: str
    claims: Annotated[list[Claim], Field(min_length=1)]


class Answer(BaseModel):
    title: str
    bullets: Annotated[list[Bullet], Field(min_length=3, max_length=3)]


class Criterion(BaseModel):
    name: Literal["specificity", "evidence", "professional_language", "relevance"]
    quote: str
    reason: str
    score: Score


class Note(BaseModel):
    label: str
    description: str


class Suggestion(BaseModel):
    type: str
    title: str
    examples: list[str]
    help: str


class Judgement(BaseModel):
    criteria: Annotated[list[Criterion], Field(min_length=4, max_length=4)]
    issues: list[Note]
    strengths: list[Note]
    suggestions: list[Suggestion]


class AskedQuestion(BaseModel):
    id: str
    gap: Gap
    text: str


class OpenSession(BaseModel):
    """Kept as JSON in Redis, and shown."""

    id: str
    cv: str
    job: str
    questions: list[AskedQuestion]


class QuestionShown(BaseModel):
    """Where a question is: the values of its thread that a page needs."""

    id: str
    step: str
    prompts: list[dict[str, Any]] = []
    answer: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None
