"""Gemini's wire: generateContent, its stream, and the two ways to embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from loadtests.provider_stub.calls import Embedding, Finish, Generation, Provider, Said, Usage
from loadtests.provider_stub.faults import Fault
from loadtests.provider_stub.recognition import operation_of
from loadtests.provider_stub.tokens import tokens_of
from loadtests.provider_stub.wire import MAX_DIMENSIONS, Failure, need, parsed, whole
from state.errors import InvalidField

MAX_TEXTS = 100

_FINISHES = {Finish.STOP: "STOP", Finish.LENGTH: "MAX_TOKENS", Finish.REFUSED: "SAFETY"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_FAILURES: dict[Fault, tuple[int, str]] = {
    Fault.RATE_LIMITED: (429, "Resource has been exhausted (e.g. check quota)."),
    Fault.INSUFFICIENT_QUOTA: (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Fault.SERVER_ERROR: (500, "An internal error has occurred. Please retry."),
    Fault.UNAVAILABLE: (503, "The model is overloaded. Please try again later."),
}
_DETAIL = "type.googleapis.com/google.rpc."


def generation(body: bytes, *, model: str, stream: bool) -> Generation:
    """Read `:generateContent` or `:streamGenerateContent`. Raises `InvalidField`.

    The prompt is the system instruction, then the contents; a schema is no part of it.
    """
    fields = parsed(body)
    system = fields.get("systemInstruction") or fields.get("system_instruction")
    instructed = _text_of(system, "systemInstruction") if system else ""
    turns = [(_turn_role(turn), _text_of(turn, "contents")) for turn in need(fields, "contents", list)]
    told = "\n".join(text for _, text in turns)
    config = fields.get("generationConfig") or {}
    schema = _schema(config)
    prompt = (instructed + "".join(f"\x1e{role}\n{text}" for role, text in turns)).encode()
    return Generation(
        provider=Provider.GEMINI,
        model=model,
        operation=operation_of("", schema, told),
        prompt=prompt,
        told=told,
        cache_scope="",
        schema=schema,
        stream=stream,
        usage_in_stream=True,
        max_output_tokens=whole(config, "maxOutputTokens"),
    )


def embedding(body: bytes, *, model: str, alone: bool) -> Embedding:
    """Read `:embedContent` (one text, `alone`) or `:batchEmbedContents`. Raises `InvalidField`."""
    fields = parsed(body)
    requests = [fields] if alone else need(fields, "requests", list)
    if len(requests) > MAX_TEXTS:
        raise InvalidField(field="requests", fix=f"at most {MAX_TEXTS} requests can be in one batch")
    return Embedding(
        provider=Provider.GEMINI,
        model=model,
        texts=tuple(_text_of(need(one, "content", dict), "content") for one in requests),
        dimensions=whole(requests[0], "outputDimensionality", most=MAX_DIMENSIONS),
        alone=alone,
    )


class GeminiWire:
    """Implements `wire.Wire`."""

    def completion(self, asked: Generation, said: Said) -> bytes:
        return to_json(_response(asked, said, said.content, said.usage, _FINISHES[said.finish]))

    def chunks(self, asked: Generation, said: Said, texts: Sequence[str]) -> list[bytes]:
        if not texts or said.finish is Finish.REFUSED:
            return [_event(_response(asked, said, "", said.usage, _FINISHES[said.finish]))]
        events, size, last = [], 0, len(texts) - 1
        for place, text in enumerate(texts):
            size += len(text.encode())
            usage = said.usage if place == last else _so_far(said.usage, size)
            finish = _FINISHES[said.finish] if place == last else ""
            events.append(_event(_response(asked, said, text, usage, finish)))
        return events

    def embeddings(self, asked: Embedding, vectors: Sequence[list[float]], tokens: int) -> bytes:
        values = [{"values": vector} for vector in vectors]
        usage = {"usageMetadata": {"promptTokenCount": tokens}}
        return to_json({"embedding": values[0], **usage} if asked.alone else {"embeddings": values, **usage})

    def failure(self, fault: Fault, *, retry_after_s: float) -> Failure:
        status, message = _FAILURES[fault]
        headers: tuple[tuple[bytes, bytes], ...] = ()
        details: list[dict[str, Any]] = []
        match fault:
            case Fault.RATE_LIMITED:
                delay = f"{retry_after_s:g}"
                details = [{"@type": f"{_DETAIL}RetryInfo", "retryDelay": f"{delay}s"}]
                headers = ((b"retry-after", delay.encode()),)
            case Fault.INSUFFICIENT_QUOTA:
                violation = {"quotaMetric": "generate_content_requests", "quotaId": "GenerateRequestsPerDay"}
                details = [{"@type": f"{_DETAIL}QuotaFailure", "violations": [violation]}]
        return Failure(status=status, body=_error(status, message, details), headers=headers)

    def turned_down(self, status: int, message: str, *, field: str = "") -> Failure:
        violation = {"field": field, "description": message}
        details = [{"@type": f"{_DETAIL}BadRequest", "fieldViolations": [violation]}] if field else []
        return Failure(status=status, body=_error(status, message, details))


def _turn_role(turn: Any) -> str:
    """'user' unless another one is named. Raises `InvalidField` for what Gemini does not know."""
    role = (turn.get("role") if isinstance(turn, Mapping) else None) or "user"
    if role not in ("user", "model"):
        raise InvalidField(field="contents.role", fix="user or model")
    return str(role)


def _text_of(content: Any, where: str) -> str:
    parts = need(content, "parts", list, where=f"{where}.")
    return "".join(need(part, "text", str, where=f"{where}.parts.") for part in parts)


def _schema(config: Mapping[str, Any]) -> dict[str, Any] | None:
    given = [config[name] for name in ("responseJsonSchema", "responseSchema") if config.get(name)]
    json = config.get("responseMimeType") == "application/json"
    if len(given) > 1 or any(not isinstance(schema, dict) for schema in given):
        raise InvalidField(field="generationConfig.responseSchema", fix="one schema, a JSON object")
    if given and not json:
        raise InvalidField(field="generationConfig.responseMimeType", fix="application/json, as a schema is given")
    if given:
        return dict(given[0])
    return {"type": "object"} if json else None


def _response(asked: Generation, said: Said, text: str, usage: Usage, finish: str) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0}
    if finish != "SAFETY":
        candidate["content"] = {"parts": [{"text": text}], "role": "model"}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(usage),
        "modelVersion": asked.model,
        "responseId": f"{asked.operation}-{said.number}",
    }


def _usage(usage: Usage) -> dict[str, Any]:
    """As Gemini does, leaves out what is 0; thoughts are counted beside the candidates, not among them."""
    counts: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_tokens}],
    }
    if usage.cached_tokens:
        counts["cachedContentTokenCount"] = usage.cached_tokens
        counts["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.cached_tokens}]
    if usage.reasoning_tokens:
        counts["thoughtsTokenCount"] = usage.reasoning_tokens
    return counts


def _so_far(usage: Usage, size: int) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.reasoning_tokens + tokens_of(size),
        reasoning_tokens=usage.reasoning_tokens,
    )


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + to_json(value) + b"\r\n\r\n"


def _error(code: int, message: str, details: list[dict[str, Any]]) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message, "status": _STATUSES[code]}
    if details:
        error["details"] = details
    return to_json({"error": error})
