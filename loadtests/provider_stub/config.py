"""The stub's configuration: one frozen value, read from JSON, replaced whole at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from loadtests.provider_stub.calls import Operation, Provider
from loadtests.provider_stub.faults import FAULTLESS, FaultPlan, Share
from loadtests.provider_stub.latency import Latency
from state.errors import InvalidField

Selector = Annotated[str, Field(pattern=rf"^(({'|'.join(Provider)}):)?(\*|{'|'.join(Operation)})$")]
"""'write_answer', 'openai:write_answer', 'gemini:*' or '*'; the narrowest one counts."""

Score = Annotated[float, Field(ge=1, le=10)]
IdleS = Annotated[float, Field(gt=0, le=600)]
Positive = Annotated[int, Field(ge=1)]

T = TypeVar("T")

_AT_ONCE = Latency()


@dataclass(frozen=True, slots=True, kw_only=True)
class StubConfig:
    """What the stub does. The defaults answer at once, without faults, as a model whose answers are all accepted.

    Scores are drawn evenly between `score_low` and `score_high`, a criterion at a time. Of the answers,
    `inventing_share` state a figure and an employer that no input holds. `openai_write_charging` begins the names
    of models whose cache writes are billed. `gemini_minimum_tokens` is by the beginning of a model's name; a model
    that none fits has the highest of them. `gemini_hit_share` of the hits that could be had are given. Where it is
    `traced`, the times of calls with a mark in them are kept for `POST /stub/traces`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    seed: int = 0
    latency: Mapping[Selector, Latency] = field(default_factory=dict)
    faults: Mapping[Selector, FaultPlan] = field(default_factory=dict)
    retry_after_s: Annotated[float, Field(ge=0)] = 1.0
    score_low: Score = 8.0
    score_high: Score = 8.0
    inventing_share: Share = 0.0
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    tokens_per_chunk: Positive = 8
    models: tuple[str, ...] = ("gpt-5-mini", "text-embedding-3-small")
    openai_minimum_tokens: Positive = 1024
    openai_idle_s: IdleS = 300.0
    openai_write_charging: tuple[str, ...] = ()
    gemini_minimum_tokens: Mapping[str, Positive] = field(
        default_factory=lambda: {"gemini-2.5": 2048, "gemini-3": 4096}
    )
    gemini_idle_s: IdleS = 300.0
    gemini_hit_share: Share = 1.0
    traced: bool = False

    def __post_init__(self) -> None:
        if self.score_low > self.score_high:
            raise ValueError("score_low is above score_high")
        if not self.gemini_minimum_tokens:
            raise ValueError("gemini_minimum_tokens is empty")

    @staticmethod
    def from_json(text: bytes | str) -> StubConfig:
        """What is missing has its default. Raises `InvalidField` for what is unknown or out of bounds."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False)[0]
            where = ".".join(("config", *map(str, first["loc"])))
            raise InvalidField(field=where, fix=first["msg"]) from None

    def to_json(self) -> bytes:
        return _ADAPTER.dump_json(self)

    def latency_of(self, provider: Provider, operation: Operation) -> Latency:
        return _narrowest(self.latency, provider, operation, _AT_ONCE)[1]

    def faults_of(self, provider: Provider, operation: Operation) -> tuple[str, FaultPlan]:
        """The plan and the selector it stands under; a plan's script is played to all calls that it covers."""
        return _narrowest(self.faults, provider, operation, FAULTLESS)

    def gemini_minimum(self, model: str) -> int:
        """Of the entries that begin the model's name, the longest."""
        fitting = [name for name in self.gemini_minimum_tokens if model.startswith(name)]
        table = self.gemini_minimum_tokens
        return table[max(fitting, key=len)] if fitting else max(table.values())


_ADAPTER = TypeAdapter(StubConfig)


def _narrowest(table: Mapping[str, T], provider: Provider, operation: Operation, default: T) -> tuple[str, T]:
    if table:
        for selector in (f"{provider}:{operation}", operation, f"{provider}:*", "*"):
            if selector in table:
                return selector, table[selector]
    return "", default
