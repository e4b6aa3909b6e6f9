"""What a wire has to do, and the reading of JSON bodies that both share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json

from loadtests.provider_stub.calls import Embedding, Generation, Said
from loadtests.provider_stub.faults import Fault
from state.errors import InvalidField

MAX_DIMENSIONS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as a provider words it. `headers` come besides those that every reply has."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Wire(Protocol):
    """One provider's JSON. Bodies and chunks are complete as they are; a chunk holds its SSE framing."""

    def completion(self, asked: Generation, said: Said) -> bytes: ...

    def chunks(self, asked: Generation, said: Said, texts: Sequence[str]) -> list[bytes]:
        """The stream that says `texts` one after another."""
        ...

    def embeddings(self, asked: Embedding, vectors: Sequence[list[float]], tokens: int) -> bytes: ...

    def failure(self, fault: Fault, *, retry_after_s: float) -> Failure:
        """What is answered to a call that the fault keeps from the model."""
        ...

    def turned_down(self, status: int, message: str, *, field: str = "") -> Failure:
        """What is answered to a request that is wrong: 400, 401, 403 or 404."""
        ...


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises `InvalidField`."""
    try:
        value = from_json(body, cache_strings="keys")
    except ValueError:
        raise InvalidField(field="body", fix="a JSON object") from None
    if not isinstance(value, dict):
        raise InvalidField(field="body", fix="a JSON object")
    return value


def need(holder: Mapping[str, Any], name: str, kind: type | tuple[type, ...], *, where: str = "") -> Any:
    """A field that has to be there, of this type and not empty. Raises `InvalidField`."""
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(value, kind) or value in ("", []):
        raise InvalidField(field=f"{where}{name}", fix="this field is required")
    return value


def whole(holder: Mapping[str, Any], name: str, *, most: int | None = None) -> int | None:
    """A whole number from 1, or None where the field is absent or null. Raises `InvalidField`."""
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        raise InvalidField(field=name, fix=f"a whole number from 1{f' to {most}' if most else ''}")
    return value
