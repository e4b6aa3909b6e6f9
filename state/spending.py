"""What a completion costs in tokens, and the record kept of every call to a provider."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider's own usage block counts them; all 0 for a provider that counts none.

    `input_tokens` includes `cached_tokens` (read from the provider's prefix cache) and
    `cache_write_tokens` (written to it, where that is priced); `output_tokens` includes
    `thinking_tokens`.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            thinking_tokens=self.thinking_tokens + other.thinking_tokens,
        )


NO_USAGE = Usage()


class CallStatus(StrEnum):
    """How a call ended. Of a call that was given up no usage is known, though the provider may charge it."""

    ANSWERED = "answered"
    FAILED = "failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call to a provider, paid or not. Holds no text.

    `prompt` is the prompt's name and version ('write_answer/3'), `provider` and `model` as genai-prices
    names them, `fault` the kind of failure or ''. `usage` is None where the provider gave no usage
    block. `legacy_input_tokens` is the estimated length of the same request in the layout of short
    prompts without CV and job (see `actors.prompts.legacy`). `cost_usd` is None for a model without a
    known price.
    """

    at_ms: int
    tenant: str
    session_id: str
    operation: str
    prompt: str
    provider: str
    model: str
    status: CallStatus
    fault: str
    usage: Usage | None
    cost_usd: float | None
    legacy_input_tokens: int
    latency_ms: float


class Ledger(Protocol):
    """Where calls are recorded, and where a tenant's tokens of a day are counted before they are spent."""

    async def reserve(self, *, tenant: str, now_ms: int, tokens: int, limit: int) -> bool:
        """Count `tokens` against the tenant's UTC day; False, and nothing counted, where that passes `limit`.

        Raises `StoreUnavailable`.
        """
        ...

    async def settle(self, *, tenant: str, now_ms: int, reserved: int, used: int) -> None:
        """Replace a reservation made at `now_ms` by what was used. Raises `StoreUnavailable`."""
        ...

    async def record(self, record: CallRecord) -> None:
        """Keep one call. Raises `StoreUnavailable`."""
        ...
