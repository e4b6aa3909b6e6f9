"""OpenAI's wire: chat completions, embeddings and the list of models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import to_json

from loadtests.provider_stub.calls import Embedding, Finish, Generation, Provider, Said
from loadtests.provider_stub.embedding import packed
from loadtests.provider_stub.faults import Fault
from loadtests.provider_stub.recognition import operation_of
from loadtests.provider_stub.wire import MAX_DIMENSIONS, Failure, need, parsed, whole
from state.errors import InvalidField

CREATED = 1_760_000_000
DONE = b"data: [DONE]\n\n"
MAX_TEXTS = 2048

_INSTRUCTING = frozenset({"system", "developer"})
_ROLES = _INSTRUCTING | {"user", "assistant", "tool"}
_FORMATS = frozenset({"text", "json_object", "json_schema"})
_FINISHES = {Finish.STOP: "stop", Finish.LENGTH: "length", Finish.REFUSED: "stop"}
_FAILURES: dict[Fault, tuple[int, str, str | None, str]] = {
    Fault.RATE_LIMITED: (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    Fault.INSUFFICIENT_QUOTA: (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Fault.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request."),
    Fault.UNAVAILABLE: (503, "server_error", None, "The engine is currently overloaded, please try again later."),
}


def chat(body: bytes) -> Generation:
    """Read `POST /v1/chat/completions`. Raises `InvalidField`.

    The prompt is laid out as OpenAI caches it: the structured-output schema first, then the messages in order.
    """
    fields = parsed(body)
    messages = [_message(message) for message in need(fields, "messages", list)]
    name, schema, schema_text = _format(fields.get("response_format"))
    told = "\n".join([text for role, text in messages if role not in _INSTRUCTING] or [text for _, text in messages])
    prompt = schema_text + "".join(f"\x1e{role}\n{text}" for role, text in messages).encode()
    return Generation(
        provider=Provider.OPENAI,
        model=need(fields, "model", str),
        operation=operation_of(name, schema, told),
        prompt=prompt,
        told=told,
        cache_scope=str(fields.get("prompt_cache_key") or ""),
        schema=schema,
        stream=fields.get("stream") is True,
        usage_in_stream=(fields.get("stream_options") or {}).get("include_usage") is True,
        max_output_tokens=whole(fields, "max_completion_tokens") or whole(fields, "max_tokens"),
    )


def embedding(body: bytes) -> Embedding:
    """Read `POST /v1/embeddings`. Raises `InvalidField`."""
    fields = parsed(body)
    given = need(fields, "input", (str, list))
    alone = isinstance(given, str) or all(isinstance(token, int) for token in given)
    texts = tuple(_text_to_embed(text) for text in ([given] if alone else given))
    if len(texts) > MAX_TEXTS:
        raise InvalidField(field="input", fix=f"at most {MAX_TEXTS} texts")
    encoding = fields.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise InvalidField(field="encoding_format", fix="float or base64")
    return Embedding(
        provider=Provider.OPENAI,
        model=need(fields, "model", str),
        texts=texts,
        dimensions=whole(fields, "dimensions", most=MAX_DIMENSIONS),
        base64=encoding == "base64",
    )


class OpenAIWire:
    """Implements `wire.Wire`."""

    def completion(self, asked: Generation, said: Said) -> bytes:
        refused = said.finish is Finish.REFUSED
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if refused else said.content,
            "refusal": said.content if refused else None,
            "annotations": [],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISHES[said.finish]}
        return to_json({**_head("chat.completion", asked, said), "choices": [choice], "usage": _usage(said)})

    def chunks(self, asked: Generation, said: Said, texts: Sequence[str]) -> list[bytes]:
        head = _head("chat.completion.chunk", asked, said)
        rest: dict[str, Any] = {"usage": None} if asked.usage_in_stream else {}
        name = "refusal" if said.finish is Finish.REFUSED else "content"

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return _event({**head, "choices": [choice], **rest})

        first = chunk({"role": "assistant", "content": "" if name == "content" else None, "refusal": None})
        said_chunks = [chunk({name: text}) for text in texts] or [b""]
        last = chunk({}, _FINISHES[said.finish])
        if asked.usage_in_stream:
            last += _event({**head, "choices": [], "usage": _usage(said)})
        return [first + said_chunks[0], *said_chunks[1:], last + DONE]

    def embeddings(self, asked: Embedding, vectors: Sequence[list[float]], tokens: int) -> bytes:
        data = [
            {"object": "embedding", "index": place, "embedding": packed(vector) if asked.base64 else vector}
            for place, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return to_json({"object": "list", "data": data, "model": asked.model, "usage": usage})

    def failure(self, fault: Fault, *, retry_after_s: float) -> Failure:
        status, type_, code, message = _FAILURES[fault]
        headers = ((b"retry-after", f"{retry_after_s:g}".encode()),) if fault is Fault.RATE_LIMITED else ()
        return Failure(status=status, body=_error(message, type_, code=code), headers=headers)

    def turned_down(self, status: int, message: str, *, field: str = "") -> Failure:
        return Failure(status=status, body=_error(message, "invalid_request_error", param=field or None))


def models(names: Iterable[str]) -> bytes:
    """The reply to `GET /v1/models`."""
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "stub"} for name in names]
    return to_json({"object": "list", "data": data})


def _message(message: Any) -> tuple[str, str]:
    """(role, text) of a message whose content is a text or a list of text parts."""
    role = need(message, "role", str, where="messages.")
    if role not in _ROLES:
        raise InvalidField(field="messages.role", fix=", ".join(sorted(_ROLES)))
    content = message.get("content")
    if isinstance(content, str):
        return role, content
    if isinstance(content, list):
        return role, "".join(need(part, "text", str, where="messages.content.") for part in content)
    if content is None and role == "assistant":
        return role, str(message.get("refusal") or "")
    raise InvalidField(field="messages.content", fix="a text or a list of text parts")


def _format(response_format: Any) -> tuple[str, dict[str, Any] | None, bytes]:
    """Name, schema, and the schema as the text that goes before the messages."""
    if response_format is None:
        return "", None, b""
    kind = need(response_format, "type", str, where="response_format.")
    if kind not in _FORMATS:
        raise InvalidField(field="response_format.type", fix=", ".join(sorted(_FORMATS)))
    if kind != "json_schema":
        return "", {"type": "object"} if kind == "json_object" else None, b""
    described = need(response_format, "json_schema", dict, where="response_format.")
    name = need(described, "name", str, where="response_format.json_schema.")
    schema = need(described, "schema", dict, where="response_format.json_schema.")
    return name, schema, name.encode() + b"\n" + to_json(schema)


def _text_to_embed(text: Any) -> str:
    """Token arrays are embedded as a text of that many words."""
    if isinstance(text, str) and text:
        return text
    if isinstance(text, int):
        return f"token{text}"
    if isinstance(text, list) and text and all(isinstance(token, int) for token in text):
        return " ".join(f"token{token}" for token in text)
    raise InvalidField(field="input", fix="texts, or arrays of tokens, that are not empty")


def _head(kind: str, asked: Generation, said: Said) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{asked.operation}-{said.number}",
        "object": kind,
        "created": CREATED,
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _usage(said: Said) -> dict[str, Any]:
    usage = said.usage
    prompt = {"cached_tokens": usage.cached_tokens, "audio_tokens": 0}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + to_json(value) + b"\n\n"


def _error(message: str, type_: str, *, param: str | None = None, code: str | None = None) -> bytes:
    return to_json({"error": {"message": message, "type": type_, "param": param, "code": code}})
