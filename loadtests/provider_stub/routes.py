"""Paths and keys: what a request is, before its body is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from urllib.parse import parse_qs

from loadtests.provider_stub import wire_gemini, wire_openai
from loadtests.provider_stub.calls import Embedding, Generation, Provider

Headers = Iterable[tuple[bytes, bytes]]

_GEMINI_PATH = re.compile(r"/(?:v1|v1beta)/models/([^/:]+):(\w+)")


class Control(StrEnum):
    """What the stub answers about itself."""

    SHOW_CONFIG = "GET /stub/config"
    CONFIGURE = "PUT /stub/config"
    REPORT = "GET /stub/report"
    RESET = "POST /stub/reset"
    TAKE_TRACES = "POST /stub/traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A call of a provider. `read` takes its body and may raise `InvalidField`."""

    provider: Provider
    read: Callable[[bytes], Generation | Embedding]


@dataclass(frozen=True, slots=True)
class ListModels:
    """OpenAI's list of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedDown:
    """A request that no provider takes."""

    provider: Provider
    status: int
    message: str


Route = Ask | ListModels | Control | TurnedDown

_CONTROLS = {control.value: control for control in Control}
_CHAT = Ask(provider=Provider.OPENAI, read=wire_openai.chat)
_EMBEDDINGS = Ask(provider=Provider.OPENAI, read=wire_openai.embedding)
_OPENAI: dict[str, Route] = {
    "POST /v1/chat/completions": _CHAT,
    "POST /v1/embeddings": _EMBEDDINGS,
    "GET /v1/models": ListModels(),
}


def routed(method: str, path: str, query: bytes, headers: Headers) -> Route:
    """Keys are looked for where the provider's SDK puts them, and not looked at."""
    line = f"{method} {path}"
    if (known := _OPENAI.get(line)) is not None:
        return known if _has_bearer(headers) else _NO_BEARER
    if (control := _CONTROLS.get(line)) is not None:
        return control
    if method == "POST" and (match := _GEMINI_PATH.fullmatch(path)):
        return _gemini(match[1], match[2], parse_qs(query.decode("latin-1")), headers)
    if path.startswith("/v1beta/"):
        return TurnedDown(provider=Provider.GEMINI, status=404, message=f"No such method: {method} {path[:200]}.")
    return TurnedDown(provider=Provider.OPENAI, status=404, message=f"Invalid URL ({method} {path[:200]})")


_NO_BEARER = TurnedDown(
    provider=Provider.OPENAI,
    status=401,
    message="You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.",
)
_NO_GOOGLE_KEY = TurnedDown(
    provider=Provider.GEMINI,
    status=403,
    message="Method doesn't allow unregistered callers. Send an API key as 'x-goog-api-key'.",
)


def _gemini(model: str, verb: str, query: dict[str, list[str]], headers: Headers) -> Route:
    read: Callable[[bytes], Generation | Embedding]
    if not any(name == b"x-goog-api-key" and value for name, value in headers) and not query.get("key"):
        return _NO_GOOGLE_KEY
    match verb:
        case "generateContent":
            read = partial(wire_gemini.generation, model=model, stream=False)
        case "streamGenerateContent" if query.get("alt") == ["sse"]:
            read = partial(wire_gemini.generation, model=model, stream=True)
        case "streamGenerateContent":
            return TurnedDown(provider=Provider.GEMINI, status=400, message="The stub streams with ?alt=sse only.")
        case "batchEmbedContents" | "embedContent":
            read = partial(wire_gemini.embedding, model=model, alone=verb == "embedContent")
        case _:
            return TurnedDown(provider=Provider.GEMINI, status=404, message=f"No such method of a model: {verb[:50]}.")
    return Ask(provider=Provider.GEMINI, read=read)


def _has_bearer(headers: Headers) -> bool:
    return any(
        name == b"authorization" and value[:7].lower() == b"bearer " and value[7:].strip() for name, value in headers
    )
