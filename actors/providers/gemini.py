"""`GeminiProvider`: Gemini's generateContent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic_core import from_json

from actors.providers.event_stream import EventStream
from actors.providers.gemini_http import WIRE, GeminiConnection, refused, resource
from actors.providers.port import Call, Fault, ProviderError, Reply
from actors.providers.transcript import Transcript
from state.spending import Usage

ENDINGS: Mapping[str, Fault | None] = {
    "STOP": None,
    "MAX_TOKENS": Fault.CUT_OFF,
    "CONTINUATION": Fault.CUT_OFF,
    "SAFETY": Fault.DECLINED,
    "RECITATION": Fault.DECLINED,
    "LANGUAGE": Fault.DECLINED,
    "BLOCKLIST": Fault.DECLINED,
    "PROHIBITED_CONTENT": Fault.DECLINED,
    "SPII": Fault.DECLINED,
    "ESCALATION": Fault.DECLINED,
    "PUP_LIMITED_DISABLED": Fault.TURNED_DOWN,
}
"""By finish reason; any other is an accident of the model's."""


UNASKED_THINKING_ROOM = 8_192


class GeminiProvider:
    """Implements `actors.providers.port.Provider`: one HTTP call for each call, streamed where someone listens.

    `experimental_model` '' is the usual one. `thinking_budget` is in tokens: 0 for none, None for what the
    model does of its own accord. `timeout_s` is the longest that a call may take whoever waits for it.
    """

    provider = GeminiConnection.provider

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        experimental_model: str = "",
        thinking_budget: int | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self._model = model
        self._experimental_model = experimental_model or model
        self._thinking_budget = thinking_budget
        self._http = GeminiConnection(api_key=api_key, base_url=base_url, timeout_s=timeout_s)

    def most_output_tokens(self, call: Call) -> int:
        return call.max_output_tokens + self._thinking_room(self._model_for(call))

    async def call(self, call: Call) -> Reply:
        model = self._model_for(call)
        transcript = Transcript(provider=self.provider, model=model, heard=call.heard)
        if call.heard is None:
            path = f"{resource(model)}:generateContent"
            _absorb(transcript, await self._http.read(path, self._body(call), model=model))
        else:
            path = f"{resource(model)}:streamGenerateContent?alt=sse"
            events = EventStream()

            def took(chunk: bytes) -> None:
                for event in events.feed(chunk):
                    _absorb(transcript, event)

            await self._http.follow(path, self._body(call), model=model, took=took)
            for event in events.end():
                _absorb(transcript, event)
        return transcript.reply()

    async def aclose(self) -> None:
        await self._http.aclose()

    def _model_for(self, call: Call) -> str:
        return self._experimental_model if call.variant == "experimental" else self._model

    def _body(self, call: Call) -> dict[str, object]:
        asked = [{"text": text} for text in (call.context, call.task) if text]
        roles = {"assistant": "model", "user": "user"}
        turns = [{"role": roles[turn.role], "parts": [{"text": turn.text}]} for turn in call.turns]
        config: dict[str, object] = {
            "responseMimeType": "application/json",
            "responseJsonSchema": call.schema,
            "maxOutputTokens": self.most_output_tokens(call),
        }
        if self._thinking_budget is not None:
            config["thinkingConfig"] = {"thinkingBudget": self._thinking_budget}
        body: dict[str, object] = {
            "contents": [{"role": "user", "parts": asked}, *turns],
            "generationConfig": config,
        }
        if call.system:
            body["systemInstruction"] = {"parts": [{"text": call.system}]}
        return body

    def _thinking_room(self, model: str) -> int:
        """Tokens of a reply's bound that thinking may take: Gemini counts them as output. Flash-Lite thinks only
        where it is told to."""
        if self._thinking_budget is not None:
            return self._thinking_budget
        return 0 if "flash-lite" in model else UNASKED_THINKING_ROOM


# The wire: what is read of a reply, and of a chunk of one.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    text: str = ""
    thought: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    parts: tuple[_Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    __pydantic_config__ = WIRE
    index: int = 0
    content: _Content | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _PromptFeedback:
    __pydantic_config__ = WIRE
    block_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    __pydantic_config__ = WIRE
    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    code: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    __pydantic_config__ = WIRE
    candidates: tuple[_Candidate, ...] = ()
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _Usage | None = None
    model_version: Annotated[str, Field(max_length=200)] = ""
    error: _Error | None = None


_REPLY = TypeAdapter(_Reply)


def _absorb(transcript: Transcript, body: bytes) -> None:
    """A whole reply, or one event of a stream. Raises `ProviderError`."""
    reply = transcript.read(_REPLY, body)
    transcript.model = reply.model_version or transcript.model
    if reply.usage_metadata is not None:
        transcript.usage = _usage(reply.usage_metadata)
    if reply.error is not None:
        raise _failure(reply.error, body, transcript)
    if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason:
        transcript.end(Fault.DECLINED)
    for candidate in reply.candidates:
        if candidate.index != 0:
            continue
        for part in candidate.content.parts if candidate.content else ():
            if part.text and not part.thought:
                transcript.say(part.text)
        if candidate.finish_reason is not None:
            transcript.end(ENDINGS.get(candidate.finish_reason, Fault.GARBLED))


def _failure(error: _Error, body: bytes, transcript: Transcript) -> ProviderError:
    """An error in the middle of a stream has its status as its code."""
    said = refused(error.code, from_json(body), transcript.model, {})
    return transcript.failed(said.fault, status=said.status, retry_after_s=said.retry_after_s)


def _usage(usage: _Usage) -> Usage:
    """Gemini counts thoughts beside the candidates, and cached tokens within the prompt."""
    return Usage(
        input_tokens=usage.prompt_token_count,
        cached_tokens=usage.cached_content_token_count,
        output_tokens=usage.candidates_token_count + usage.thoughts_token_count,
        thinking_tokens=usage.thoughts_token_count,
    )
