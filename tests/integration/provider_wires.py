"""What each provider says on the wire, so that one contract is held against all adapters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scripted_server import Received, Respond, respond_json

from actors.providers.gemini import GeminiProvider
from actors.providers.openai import OpenAIProvider
from actors.providers.port import Adapter
from state.spending import Usage

KEY = "sk-test-5f3ad1c0ffee"
USAGE = Usage(input_tokens=1500, cached_tokens=1152, output_tokens=240, thinking_tokens=64)


class Wire(Protocol):
    """`finish`: 'stop', 'length' or 'filter'; None leaves the end out."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str:
        """As the provider names it in its replies."""
        ...

    def provider(self, url: str, *, timeout_s: float = 10) -> Adapter: ...

    def whole(self, text: str | None, *, finish: str | None = "stop", usage: bool = True) -> dict[str, Any]: ...

    def events(self, texts: Sequence[str], *, finish: str | None = "stop", usage: bool = True) -> list[bytes]: ...

    def failure(self, status: int, message: str, *, spent: bool = False, **headers: str) -> Respond: ...

    def error_event(self, status: int, message: str) -> bytes: ...

    def refusal(self) -> dict[str, Any]:
        """The whole reply of a model that will not."""
        ...

    def refusal_events(self) -> list[bytes]: ...

    def asked(self, received: Received) -> list[str]:
        """The texts of a request in the order in which the model reads them."""
        ...

    def asked_model(self, received: Received) -> str: ...

    def asked_output_tokens(self, received: Received) -> int: ...


@dataclass(frozen=True, slots=True)
class OpenAIWire:
    name: str = "openai"
    model: str = "gpt-5-mini-2025-08-07"

    def provider(self, url: str, *, timeout_s: float = 10) -> OpenAIProvider:
        return OpenAIProvider(
            api_key=KEY,
            base_url=f"{url}/v1",
            model="gpt-5-mini",
            experimental_model="gpt-5",
            timeout_s=timeout_s,
            is_openai=True,
        )

    def whole(self, text: str | None, *, finish: str | None = "stop", usage: bool = True) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "finish_reason": self._finish(finish), "message": message}
        return {"object": "chat.completion", "model": self.model, "choices": [choice], **self._usage(usage)}

    def events(self, texts: Sequence[str], *, finish: str | None = "stop", usage: bool = True) -> list[bytes]:
        events = [self._event({"role": "assistant", "content": "", "refusal": None}, usage)]
        events += [self._event({"content": text}, usage) for text in texts]
        if finish is not None:
            events.append(self._event({}, usage, self._finish(finish)))
        if usage:
            events.append(_sse({"model": self.model, "choices": [], **self._usage(usage)}))
        return [*events, b"data: [DONE]\n\n"]

    def failure(self, status: int, message: str, *, spent: bool = False, **headers: str) -> Respond:
        code = "insufficient_quota" if spent else None
        return respond_json({"error": {"message": message, "type": "x", "code": code}}, status=status, **headers)

    def error_event(self, status: int, message: str) -> bytes:
        codes: dict[int, Any] = {429: "rate_limit_exceeded", 503: None}
        return _sse({"error": {"message": message, "type": "server_error", "code": codes.get(status, status)}})

    def refusal(self) -> dict[str, Any]:
        reply = self.whole(None)
        reply["choices"][0]["message"]["refusal"] = "I will not."
        return reply

    def refusal_events(self) -> list[bytes]:
        first, *rest = self.events([])
        return [first, self._event({"refusal": "I will not."}, True), *rest]

    def asked(self, received: Received) -> list[str]:
        return [message["content"] for message in received.body["messages"]]

    def asked_model(self, received: Received) -> str:
        return str(received.body["model"])

    def asked_output_tokens(self, received: Received) -> int:
        return int(received.body["max_completion_tokens"])

    def _event(self, delta: dict[str, Any], usage: bool, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _sse({"model": self.model, "choices": [choice], **({"usage": None} if usage else {})})

    @staticmethod
    def _finish(finish: str | None) -> str | None:
        return "content_filter" if finish == "filter" else finish

    @staticmethod
    def _usage(usage: bool) -> dict[str, Any]:
        counts = {
            "prompt_tokens": USAGE.input_tokens,
            "completion_tokens": USAGE.output_tokens,
            "total_tokens": USAGE.input_tokens + USAGE.output_tokens,
            "prompt_tokens_details": {"cached_tokens": USAGE.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": USAGE.thinking_tokens},
        }
        return {"usage": counts} if usage else {}


@dataclass(frozen=True, slots=True)
class GeminiWire:
    name: str = "google"
    model: str = "gemini-2.5-flash-lite-001"

    def provider(self, url: str, *, timeout_s: float = 10) -> GeminiProvider:
        return GeminiProvider(
            api_key=KEY,
            base_url=url,
            model="gemini-2.5-flash-lite",
            experimental_model="gemini-3-flash",
            timeout_s=timeout_s,
        )

    def whole(self, text: str | None, *, finish: str | None = "stop", usage: bool = True) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0}
        if text is not None:
            candidate["content"] = {"role": "model", "parts": [{"text": text}]}
        if finish is not None:
            candidate["finishReason"] = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}[finish]
        return {"candidates": [candidate], "modelVersion": self.model, **self._usage(usage)}

    def events(self, texts: Sequence[str], *, finish: str | None = "stop", usage: bool = True) -> list[bytes]:
        said = [_sse(self.whole(text, finish=None, usage=usage), end=b"\r\n\r\n") for text in texts]
        return said if finish is None else [*said, _sse(self.whole(None, finish=finish, usage=usage), end=b"\r\n\r\n")]

    def failure(self, status: int, message: str, *, spent: bool = False, **headers: str) -> Respond:
        quota = "GenerateRequestsPerDayPerProjectPerModel-FreeTier" if spent else "GenerateRequestsPerMinute"
        violation = {"quotaMetric": "requests", "quotaId": quota}
        details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]
        error = {"code": status, "message": message, "status": "X", "details": details}
        return respond_json({"error": error}, status=status, **headers)

    def error_event(self, status: int, message: str) -> bytes:
        return _sse({"error": {"code": status, "message": message, "status": "X"}}, end=b"\r\n\r\n")

    def refusal(self) -> dict[str, Any]:
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **self._usage(True)}

    def refusal_events(self) -> list[bytes]:
        return [_sse(self.refusal(), end=b"\r\n\r\n")]

    def asked(self, received: Received) -> list[str]:
        body = received.body
        parts = [*body.get("systemInstruction", {"parts": []})["parts"]]
        parts += [part for content in body["contents"] for part in content["parts"]]
        return [part["text"] for part in parts]

    def asked_model(self, received: Received) -> str:
        return received.target.partition("models/")[2].partition(":")[0]

    def asked_output_tokens(self, received: Received) -> int:
        return int(received.body["generationConfig"]["maxOutputTokens"])

    @staticmethod
    def _usage(usage: bool) -> dict[str, Any]:
        counts = {
            "promptTokenCount": USAGE.input_tokens,
            "cachedContentTokenCount": USAGE.cached_tokens,
            "candidatesTokenCount": USAGE.output_tokens - USAGE.thinking_tokens,
            "thoughtsTokenCount": USAGE.thinking_tokens,
            "totalTokenCount": USAGE.input_tokens + USAGE.output_tokens,
        }
        return {"usageMetadata": counts} if usage else {}


WIRES: Sequence[Wire] = (OpenAIWire(), GeminiWire())


def _sse(value: Any, *, end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(value).encode() + end
