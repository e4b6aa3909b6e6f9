"""`OpenAIEmbedder`: OpenAI's embeddings, or those of any server that speaks its protocol."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter

from actors.embedding_calls import embedded, matrix
from actors.embeddings import Vectors
from actors.embeddings_recorded import EmbeddingCall, Records, Unrecorded
from actors.providers.openai_http import OpenAIConnection
from actors.providers.port import Fault, ProviderError
from state.messages import NOBODY, Origin
from state.spending import Usage

PATH = "/embeddings"
MODEL = "text-embedding-3-small"
DIMENSION = 512
MAX_TEXTS = 2048
MAX_BYTES = 300_000
"""OpenAI takes 300,000 tokens a call, and a token has at least a byte."""

FLOOR = 0.25
"""Not measured: a guess for text-embedding-3-small, of whose cosines others report 0.1 to 0.25 for texts that
have nothing to do with each other, and 0.4 and above for a question and what answers it."""


class OpenAIEmbedder:
    """Implements `actors.embeddings.Embedder`.

    OpenAI itself is asked for `dimension` dimensions; another server is not, because many refuse that: there
    it has to be the model's own. `model` and `dimension` are `MODEL` and `DIMENSION` where they are None.
    `is_openai` as in `OpenAIConnection`. `floor` as in the port; its default is chosen without a measurement.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        model: str | None = None,
        dimension: int | None = None,
        floor: float = FLOOR,
        timeout_s: float = 30.0,
        is_openai: bool | None = None,
        records: Records | None = None,
    ) -> None:
        self._http = OpenAIConnection(api_key=api_key, base_url=base_url, timeout_s=timeout_s, is_openai=is_openai)
        self._model = model or MODEL
        self._records = records or Unrecorded()
        self.dimension = dimension or DIMENSION
        self.name = f"{self._http.provider}-{self._model}-{self.dimension}"
        self.floor = floor

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        """Raises `WorkUnavailable`, and `Broken` where the model has another dimension."""
        return await embedded(
            texts, dimension=self.dimension, most_texts=MAX_TEXTS, most_bytes=MAX_BYTES, ask=partial(self._ask, origin)
        )

    async def aclose(self) -> None:
        await self._records.drain()
        await self._http.aclose()

    async def _ask(self, origin: Origin, texts: list[str]) -> Vectors:
        body: dict[str, object] = {"model": self._model, "input": texts, "encoding_format": "base64"}
        if self._http.is_openai:
            body["dimensions"] = self.dimension
        made = EmbeddingCall(origin=origin, provider=self._http.provider, model=self._model)
        with self._records.around(made) as call:
            raw = await self._http.read(PATH, body, model=self._model)
            try:
                reply = _REPLY.validate_json(raw)
                call.model = reply.model or self._model
                call.usage = Usage(input_tokens=reply.usage.prompt_tokens) if reply.usage else None
                in_order = sorted(reply.data, key=lambda one: one.index)
                return matrix([_row(one.embedding) for one in in_order], len(texts))
            except ValueError:
                raise ProviderError(
                    Fault.GARBLED, provider=call.provider, model=self._model, usage=call.usage
                ) from None


def _row(embedding: str | list[float]) -> Vectors:
    """Little-endian float32 in base64, or what a server sends that does not know of it."""
    if isinstance(embedding, str):
        return np.frombuffer(binascii.a2b_base64(embedding), dtype="<f4")
    return np.asarray(embedding, dtype=np.float32)


# The wire: what is read of a reply.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Embedding:
    index: int
    embedding: str | list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    data: tuple[_Embedding, ...]
    model: Annotated[str, Field(max_length=200)] = ""
    usage: _Usage | None = None


_REPLY = TypeAdapter(_Reply)
