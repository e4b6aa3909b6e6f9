"""`OpenAILLM`, the provider behind OpenAI's chat completions, or any server that speaks their protocol.

One request is one HTTP call: nothing is tried again here. Errors name a status or a field and never
repeat what was sent or received.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from actors.instructions import Messages, render
from actors.llm import RESULTS, Completion, R, Request, Result, Usage, schema, validated
from state.errors import AskwellError, Broken, BrokenReply, WorkUnavailable

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PROVENANCE = "by"
"""The field of a result that says who gave it: known here, and never taken from a model."""

MAX_RETRY_AFTER_S = 86_400.0


class OpenAILLM:
    """Implements `actors.llm.LLM`. Cheap to make, and picklable until its first request."""

    def __init__(self, *, api_key: str, base_url: str | None, model: str, timeout_s: float) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._timeout_s = timeout_s
        self._client: AsyncOpenAI | None = None

    async def complete(self, request: Request, result: type[R]) -> Completion[R]:
        """One chat completion, within `timeout_s` from its start to the last byte of the reply.

        Raises `WorkUnavailable` where OpenAI cannot be reached, is late, at its limit or failing;
        `BrokenReply` where the model refuses, is cut off or leaves the shape; `Broken` where OpenAI
        turns the request down.
        """
        reply = _read(await self._send(render(request), RESULTS[type(request)]))
        return Completion(
            result=validated(result, _fields(reply.choices[0])),
            by=f"openai:{reply.model}",
            usage=_usage(reply.usage),
        )

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _send(self, messages: Messages, kind: type[Result]) -> bytes:
        """The body of the reply to one call."""
        from openai import APIConnectionError, APIStatusError  # noqa: PLC0415 - as in _connected

        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._connected().chat.completions.with_raw_response.create(
                    model=self._model,
                    messages=[
                        {"role": "system", "content": messages.system},
                        {"role": "user", "content": messages.user},
                    ],
                    response_format={
                        "type": "json_schema",
                        "json_schema": {"name": kind.__name__, "strict": True, "schema": STRICT_SCHEMAS[kind]},
                    },
                )
        except (TimeoutError, APIConnectionError):
            raise WorkUnavailable("OpenAI did not answer.") from None
        except APIStatusError as error:
            raise _refused(error.status_code, error.response.headers) from None
        return reply.content

    def _connected(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI  # noqa: PLC0415 - more than a second, for those alone who call it

            self._client = AsyncOpenAI(
                api_key=self._api_key, base_url=self._base_url, timeout=self._timeout_s, max_retries=0
            )
        return self._client


def _strict(loose: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema the way strict decoding wants it: every property required, none besides, no defaults.

    Titles and descriptions go too: a docstring is for readers of the code and must not steer a model.
    """
    strict = {key: value for key, value in loose.items() if key not in {"default", "title", "description"}}
    if "$defs" in strict:
        strict["$defs"] = {name: _strict(inner) for name, inner in strict["$defs"].items()}
    if "items" in strict:
        strict["items"] = _strict(strict["items"])
    if "properties" in strict:
        named = strict["properties"].items()
        strict["properties"] = {name: _strict(inner) for name, inner in named if name != PROVENANCE}
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


STRICT_SCHEMAS: Mapping[type[Result], dict[str, Any]] = {kind: _strict(schema(kind)) for kind in RESULTS.values()}
"""What a reply has to look like, by result type."""


# The wire: what is read of a chat completion.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    content: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    message: _Message
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls", "function_call"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PromptTokens:
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptTokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    model: Annotated[str, Field(min_length=1, max_length=200)]
    choices: Annotated[tuple[_Choice, ...], Field(min_length=1)]
    usage: _Usage | None = None


_REPLY = TypeAdapter(_Reply)


def _read(body: bytes) -> _Reply:
    try:
        return _REPLY.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        where = ".".join(("completion", *map(str, first["loc"])))
        raise BrokenReply(f"{where}: {first['type']}") from None


def _fields(choice: _Choice) -> Any:
    """The reply's JSON, without a provenance of the model's own making."""
    if choice.message.refusal:
        raise BrokenReply("completion.message.refusal: the model refused")
    if choice.finish_reason != "stop":
        raise BrokenReply(f"completion.finish_reason: {choice.finish_reason}")
    if not choice.message.content:
        raise BrokenReply("completion.message.content: empty")
    try:
        fields = from_json(choice.message.content, allow_inf_nan=False)
    except ValueError:
        raise BrokenReply("completion.message.content: no JSON") from None
    if isinstance(fields, dict):
        fields.pop(PROVENANCE, None)
    return fields


def _usage(usage: _Usage | None) -> Usage:
    """All 0 where the server counts nothing."""
    if usage is None:
        return Usage()
    details = usage.prompt_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        cached_tokens=(details.cached_tokens if details else None) or 0,
        output_tokens=usage.completion_tokens,
    )


def _refused(status: int, headers: Mapping[str, str]) -> AskwellError:
    """What a status other than success means to the caller: come back later, or have an operator look."""
    if status in {408, 409, 429} or status >= 500:
        retry_after_s = _retry_after_s(headers)
        message = f"OpenAI cannot answer now (status {status})."
        return (
            WorkUnavailable(message) if retry_after_s is None else WorkUnavailable(message, retry_after_s=retry_after_s)
        )
    return Broken(f"OpenAI turned the request down (status {status}).", status=status)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, at most a day; a date is measured against the reply's own `Date`."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        then, now = _unix_s(value), _unix_s(headers.get("date", ""))
        if then is None or now is None:
            return None
        seconds = then - now
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def _unix_s(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ValueError, OverflowError):
        return None
