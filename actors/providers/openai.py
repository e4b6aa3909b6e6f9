"""`OpenAIProvider`: OpenAI's chat completions, or any server that speaks their protocol.

What other servers make of OpenAI's parameters: Ollama ignores `max_completion_tokens` without a word
(ollama/ollama#7125), so they get `max_tokens`, which every one of them obeys and OpenAI's reasoning models
refuse. Groq and Cerebras refuse `prompt_cache_key` (zed-industries/zed#36215), so only OpenAI gets it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from actors.models import facts_of
from actors.providers.event_stream import EventStream
from actors.providers.openai_http import SPENT_CODES, OpenAIConnection
from actors.providers.port import Call, Fault, ProviderError, Reply
from actors.providers.statuses import fault_of
from actors.providers.transcript import Transcript
from state.messages import Origin
from state.spending import Usage

PATH = "/chat/completions"
DONE = b"[DONE]"

ENDINGS: Mapping[str, Fault | None] = {
    "stop": None,
    "length": Fault.CUT_OFF,
    "content_filter": Fault.DECLINED,
}
"""By finish reason; any other is one that was not asked for."""

LEAST_EFFORTS: Mapping[str, str] = {
    r"gpt-5(-mini|-nano)?(-\d{4}-\d\d-\d\d)?": "minimal",
    r"gpt-5\.\d+(-mini|-nano)?(-\d{4}-\d\d-\d\d)?": "none",
    r"o[134](-mini)?(-\d{4}-\d\d-\d\d)?": "low",
}
"""The least reasoning that OpenAI's models can be asked for, by patterns of their whole names."""


THINKING_ROOM: Mapping[str | None, int] = {None: 0, "none": 0, "minimal": 512, "low": 2_048, "medium": 8_192}
MOST_THINKING_ROOM = 24_576
"""Tokens of a reply's bound that thinking may take, by effort: OpenAI counts them as output."""

CACHE_KEYS = 8


class OpenAIProvider:
    """Implements `actors.providers.port.Provider`: one HTTP call for each call, streamed where someone listens.

    `experimental_model` '' is the usual one. `reasoning_effort` is sent as it is; None asks OpenAI's
    reasoning models for the least they can do, and sends nothing to any other. `is_openai` as in
    `OpenAIConnection`: it decides the provider's name, 'openai' or 'openai-compatible'. `timeout_s` is the
    longest that a call may take whoever waits for it.
    """

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        experimental_model: str = "",
        reasoning_effort: str | None = None,
        timeout_s: float = 120.0,
        is_openai: bool | None = None,
    ) -> None:
        self._model = model
        self._experimental_model = experimental_model or model
        self._reasoning_effort = reasoning_effort
        self._http = OpenAIConnection(api_key=api_key, base_url=base_url, timeout_s=timeout_s, is_openai=is_openai)

    @property
    def provider(self) -> str:
        """The name that replies and errors carry."""
        return self._http.provider

    def most_output_tokens(self, call: Call) -> int:
        return call.max_output_tokens + _room(self._effort(self._model_for(call)))

    async def call(self, call: Call) -> Reply:
        model = self._model_for(call)
        transcript = Transcript(provider=self.provider, model=model, heard=call.heard)
        if call.heard is None:
            body = await self._http.read(PATH, self._body(call, model), model=model)
            _absorb(transcript, body)
        else:
            events = EventStream()

            def took(chunk: bytes) -> None:
                for event in events.feed(chunk):
                    _absorb(transcript, event)

            await self._http.follow(PATH, self._body(call, model), model=model, took=took)
            for event in events.end():
                _absorb(transcript, event)
        return transcript.reply()

    async def aclose(self) -> None:
        await self._http.aclose()

    def _model_for(self, call: Call) -> str:
        return self._experimental_model if call.variant == "experimental" else self._model

    def _effort(self, model: str) -> str | None:
        return self._reasoning_effort or (least_effort(model) if self._http.is_openai else None)

    def _body(self, call: Call, model: str) -> dict[str, object]:
        openai = self._http.is_openai
        effort = self._effort(model)
        marked = openai and _has_breakpoints(model)
        stable = [("system", call.system), ("user", call.context)]
        varying = [("user", call.task), *((turn.role, turn.text) for turn in call.turns)]
        body: dict[str, object] = {
            "model": model,
            "messages": [
                *({"role": role, "content": _marked(text) if marked else text} for role, text in stable if text),
                *({"role": role, "content": text} for role, text in varying if text),
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": call.kind, "strict": True, "schema": call.schema},
            },
            "max_completion_tokens" if openai else "max_tokens": self.most_output_tokens(call),
        }
        if effort is not None:
            body["reasoning_effort"] = effort
        if openai:
            body["prompt_cache_key"] = cache_key(call.origin)
        if call.heard is not None:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body


def cache_key(origin: Origin) -> str:
    """One of `CACHE_KEYS`: the same for all calls of a session, or of a tenant outside of sessions.

    Calls with one key and one prefix reach one machine, which has the prefix cached. A key for each session
    would keep sessions from sharing what is the same in all of them; one key for all would be asked more
    than the 15 times a minute that OpenAI advises for a prefix.
    """
    digest = hashlib.sha256((origin.session_id or origin.tenant).encode()).digest()
    return f"askwell-{digest[0] % CACHE_KEYS}"


def least_effort(model: str) -> str | None:
    """None for a model that is not known to reason."""
    return next((effort for name, effort in LEAST_EFFORTS.items() if re.fullmatch(name, model)), None)


def _room(effort: str | None) -> int:
    return THINKING_ROOM.get(effort, MOST_THINKING_ROOM)


def _has_breakpoints(model: str) -> bool:
    facts = facts_of(model)
    return facts is not None and facts.breakpoints


def _marked(text: str) -> list[dict[str, object]]:
    """The text as the end of a prefix that other calls share."""
    return [{"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}}]


# The wire: what is read of a chat completion, and of a chunk of one.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    content: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _PromptTokens:
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _CompletionTokens:
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptTokens | None = None
    completion_tokens_details: _CompletionTokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    code: Any = None
    type: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Completion:
    model: Annotated[str, Field(max_length=200)] = ""
    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    error: _Error | None = None


_COMPLETION = TypeAdapter(_Completion)


def _absorb(transcript: Transcript, body: bytes) -> None:
    """A whole completion, or one event of a stream. Raises `ProviderError`."""
    if body == DONE:
        return
    completion = transcript.read(_COMPLETION, body)
    transcript.model = completion.model or transcript.model
    if completion.usage is not None:
        transcript.usage = _usage(completion.usage)
    if completion.error is not None:
        raise _failure(completion.error, transcript)
    for choice in completion.choices:
        said = choice.message or choice.delta
        if choice.index != 0:
            continue
        if said is not None and said.refusal:
            transcript.end(Fault.DECLINED)
        if said is not None and said.content:
            transcript.say(said.content)
        if choice.finish_reason is not None:
            transcript.end(ENDINGS.get(choice.finish_reason, Fault.GARBLED))


def _failure(error: _Error, transcript: Transcript) -> ProviderError:
    """An error in the middle of a stream has no status but the one that some servers give as its code."""
    spent = not SPENT_CODES.isdisjoint((str(error.code), str(error.type)))
    if isinstance(error.code, int):
        return transcript.failed(fault_of(error.code, quota_spent=spent), status=error.code)
    if spent:
        return transcript.failed(Fault.QUOTA_SPENT)
    throttled = error.code == "rate_limit_exceeded"
    return transcript.failed(Fault.THROTTLED if throttled else Fault.FAILING)


def _usage(usage: _Usage) -> Usage:
    prompt = usage.prompt_tokens_details or _PromptTokens()
    completion = usage.completion_tokens_details or _CompletionTokens()
    return Usage(
        input_tokens=usage.prompt_tokens,
        cached_tokens=prompt.cached_tokens or 0,
        cache_write_tokens=prompt.cache_write_tokens or 0,
        output_tokens=usage.completion_tokens,
        thinking_tokens=completion.reasoning_tokens or 0,
    )
