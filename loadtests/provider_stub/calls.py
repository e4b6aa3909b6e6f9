"""What the two wires have in common: a call as it was asked, what is said to it, and what goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loadtests.provider_stub.faults import Fault


class Provider(StrEnum):
    OPENAI = "openai"
    GEMINI = "gemini"


class Operation(StrEnum):
    """What a call is for. OTHER is a call without a schema, or with one that the scripted model does not know."""

    FIND_GAPS = "find_gaps"
    WRITE_QUESTION = "write_question"
    WRITE_PROMPTS = "write_prompts"
    WRITE_ANSWER = "write_answer"
    REFINE_ANSWER = "refine_answer"
    EVALUATE_ANSWER = "evaluate_answer"
    OTHER = "other"
    EMBED = "embed"


class Finish(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A completion that was asked for.

    `prompt` is all of it in the order in which its provider caches; `told` the text that the scripted model
    reads. Prefixes are shared within `cache_scope`. `max_output_tokens` counts reasoning too.
    """

    provider: Provider
    model: str
    operation: Operation
    prompt: bytes
    told: str
    cache_scope: str
    schema: Mapping[str, Any] | None
    stream: bool
    usage_in_stream: bool
    max_output_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """Texts to embed. `alone` asks for the reply to a single text, `base64` for packed vectors."""

    provider: Provider
    model: str
    texts: tuple[str, ...]
    dimensions: int | None
    base64: bool = False
    alone: bool = False
    operation: Operation = Operation.EMBED


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as they are billed: `cached_tokens` are part of the input, `reasoning_tokens` part of the output."""

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A completion. `number` makes its ids; nothing of it is kept."""

    number: int
    content: str
    finish: Finish
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call, without its text. `status` is 0 where no status line was sent; `number` counts within the operation.

    `mark` is the one that `traces` found in the prompt.
    """

    provider: str
    operation: str
    model: str
    number: int
    status: int
    fault: Fault | None = None
    invented: bool = False
    eligible: bool = False
    usage: Usage = Usage()
    mark: str = ""


class End(StrEnum):
    """How a reply ends. A stalled one waits until the client goes away."""

    WHOLE = "whole"
    HANG_UP = "hang_up"
    STALL = "stall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A reply as it leaves: each piece at its time in seconds after the request's last byte.

    Without a `content-length` among its headers the body is chunked. Nothing is sent, no status either, where
    there is no piece.
    """

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    pieces: tuple[tuple[float, bytes], ...] = ()
    end: End = End.WHOLE
