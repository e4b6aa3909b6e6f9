"""What is asked of the pools and what they answer.

Each request names the type of its result, so that a caller who sends `FindGaps` is known to get
`FoundGaps`. The same requests go through to the providers (`actors.llm`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from pydantic import Field

from state.model import (
    Answer,
    AnswerType,
    Difficulty,
    Document,
    Evaluation,
    Experience,
    Gap,
    Inputs,
    Prompt,
    Question,
    RankedResource,
    ResourceType,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """On whose behalf work is done: who pays for it, and the flags its session was given.

    `session_id` is empty for a request without a session. `step` names the attempt at a step that the work belongs
    to; `again` says that somebody may have begun with it before, and paid for some of it.
    """

    tenant: str = ""
    session_id: str = ""
    flags: Mapping[str, bool] = field(default_factory=dict)
    step: str = ""
    again: bool = False


NOBODY = Origin()
NO_DOCUMENT = Document(text="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a result while it is being written: `text` goes after what came for `field` before.

    `field` is a dotted path into the result ('prompts.0.question', 'bullets.1.text'); an empty one takes
    back all that came for this operation, because its writing begins anew.
    """

    operation: str
    field: str = ""
    text: str = ""


Heard = Callable[[Delta], None]
"""Told of every piece as it comes; must return at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindGaps:
    """What does the job ask for that the CV does not show? At most `limit` gaps, highest priority first."""

    cv: Document
    job: Document
    limit: int
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGaps:
    gaps: tuple[Gap, ...]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteQuestion:
    """One question about one gap, of no use after `deadline_s`."""

    gap: Gap
    cv: Document
    job: Document
    deadline_s: float = math.inf
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenQuestion:
    text: str
    why: str
    answer_type: AnswerType
    minutes: Annotated[int, Field(ge=1, le=5)]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteQuestions:
    """A batch: one question for each gap, all at once or, with `concurrently` off, one after another."""

    gaps: tuple[Gap, ...]
    cv: Document
    job: Document
    deadline_s: float
    concurrently: bool = True
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenQuestions:
    """By gap id: the questions that were written, and for the others the kind of failure."""

    written: Mapping[str, WrittenQuestion]
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePrompts:
    """4 to 6 deep-dive prompts for a gap the candidate has experience with."""

    gap: Gap
    question: str
    similar: tuple[Experience, ...]
    cv: Document = NO_DOCUMENT
    job: Document = NO_DOCUMENT
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPrompts:
    prompts: Annotated[tuple[Prompt, ...], Field(min_length=4, max_length=6)]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAnswer:
    """A title and three bullets, from `inputs` and `cv` alone. `prompts` say what each input is about.

    `refused` tells what a draft before this one invented; it is empty for the first.
    """

    gap: Gap
    question: str
    prompts: tuple[Prompt, ...]
    inputs: Inputs
    cv: Document
    job: Document = NO_DOCUMENT
    refused: str = ""
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineAnswer:
    """The answer again, with more inputs (`inputs` holds all of them) and what was found missing."""

    gap: Gap
    question: str
    prompts: tuple[Prompt, ...]
    inputs: Inputs
    cv: Document
    answer: Answer
    evaluation: Evaluation
    job: Document = NO_DOCUMENT
    refused: str = ""
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateAnswer:
    """Four criteria, each scored 1 to 10; asked for in `reverse` order by a second pass.

    `threshold` is the score of 10 that the answer needs: no provider is told, a careful evaluator asks.
    """

    gap: Gap
    question: str
    answer: Answer
    inputs: Inputs
    round: int
    threshold: float = 7.0
    reverse: bool = False
    cv: Document = NO_DOCUMENT
    job: Document = NO_DOCUMENT
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """The evaluation, with its total computed in code, and prompts for what is missing."""

    evaluation: Evaluation
    follow_ups: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose experiences: those of `user`, or of `session_id` alone where no user is known."""

    tenant: str
    user: str
    session_id: str

    @property
    def origin(self) -> Origin:
        """Who pays for what is done with the experiences."""
        return Origin(tenant=self.tenant, session_id=self.session_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindSimilar:
    """Past experiences of the same candidate near each of `texts`, from the CV and from earlier answers."""

    texts: tuple[str, ...]
    cv: Document
    owner: Owner
    limit: int = 3
    concurrently: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FindResources:
    """Learning resources for a need, within a budget of days. `limit` at most 5."""

    need: str
    skills: tuple[str, ...] = ()
    budget_days: Annotated[int, Field(ge=1, le=10)] = 10
    limit: Annotated[int, Field(ge=1, le=5)] = 5
    difficulty: Difficulty = Difficulty.BEGINNER
    types: tuple[ResourceType, ...] = ()
    origin: Origin = NOBODY


class Generator(Protocol):
    """The pool that writes. Every method may raise `RetryLater`; `heard`, where given, is told the result
    as it is written."""

    async def find_gaps(self, request: FindGaps) -> FoundGaps: ...

    async def write_questions(self, request: WriteQuestions) -> WrittenQuestions: ...

    async def write_prompts(self, request: WritePrompts, heard: Heard | None = None) -> WrittenPrompts: ...

    async def write_answer(self, request: WriteAnswer, heard: Heard | None = None) -> Answer: ...

    async def refine_answer(self, request: RefineAnswer, heard: Heard | None = None) -> Answer: ...


class Evaluator(Protocol):
    """The pool that judges. Raises `RetryLater`; it never makes a score up."""

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer: ...


class Retriever(Protocol):
    """The pool that remembers and finds. Every method may raise `RetryLater`."""

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]: ...

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]: ...

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None: ...

    async def forget(self, owner: Owner) -> None: ...
