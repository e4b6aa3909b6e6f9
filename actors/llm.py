"""The port to language models: typed requests in, typed and validated results out.

A provider implements `LLM` and nothing else; the pools do not know which one they talk to. What a
provider returns is checked by `validated` against the result type of the request, so that no reply
with a missing field, a score of 11 or seven prompts gets past this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from state.errors import BrokenReply
from state.messages import (
    EvaluateAnswer,
    FindGaps,
    FoundGaps,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestion,
    WrittenPrompts,
    WrittenQuestion,
)
from state.model import Answer, Criterion, Note, Suggestion
from state.spending import NO_USAGE, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A provider's opinion of an answer: four criteria. The total is not its business."""

    criteria: tuple[Criterion, ...]
    issues: tuple[Note, ...] = ()
    strengths: tuple[Note, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


Request = FindGaps | WriteQuestion | WritePrompts | WriteAnswer | RefineAnswer | EvaluateAnswer
Result = FoundGaps | WrittenQuestion | WrittenPrompts | Answer | Judgement

RESULTS: Mapping[type[Request], type[Result]] = {
    FindGaps: FoundGaps,
    WriteQuestion: WrittenQuestion,
    WritePrompts: WrittenPrompts,
    WriteAnswer: Answer,
    RefineAnswer: Answer,
    EvaluateAnswer: Judgement,
}

R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion(Generic[R]):
    """A validated result and who gave it. `by` is shown to the candidate: 'offline:rules-1', 'openai:gpt-5-mini'."""

    result: R
    by: str
    usage: Usage = NO_USAGE


Written = Callable[[str | None], None]


class LLM(Protocol):
    """A provider. `complete` returns the type that `RESULTS` names for the request.

    Raises a `RetryLater`: `WorkUnavailable` where no one can answer now, `BrokenReply` where the replies
    do not have the promised shape, `BudgetSpent`, `StepTimedOut`.
    """

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        """Send one request; `result` is `RESULTS[type(request)]`, given so that the type is known.

        `heard`, where given, is told the reply's JSON piece by piece; a None says that it begins anew.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...


_ADAPTERS: Mapping[Any, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in RESULTS.values()}


def schema(kind: type[Result]) -> dict[str, Any]:
    """The JSON schema of a result type."""
    return _ADAPTERS[kind].json_schema()


def validated(kind: type[R], raw: Any) -> R:
    """`raw`, a mapping or an instance, as a `kind`. Raises `BrokenReply` naming the first wrong field."""
    try:
        result: R = _ADAPTERS[kind].validate_python(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BrokenReply(f"{kind.__name__}.{where}: {error.errors()[0]['type']}") from None
    return result
