"""`GeminiEmbedder`: Gemini's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import TypeAdapter

from actors.embedding_calls import MAX_TEXT_BYTES, embedded, matrix
from actors.embeddings import Vectors
from actors.embeddings_recorded import EmbeddingCall, Records, Unrecorded
from actors.providers.gemini_http import WIRE, GeminiConnection, resource
from actors.providers.port import Fault, ProviderError
from state.messages import NOBODY, Origin
from state.spending import Usage

MODEL = "gemini-embedding-001"
DIMENSION = 768
MAX_TEXTS = 100
TASK = "SEMANTIC_SIMILARITY"
"""Needs, CV lines and answers are compared with each other: none is always the query."""

FLOOR = 0.6
"""Not measured: a guess for gemini-embedding-001, whose cosines are said to lie high and close together, 0.5 and
more even for texts that have nothing to do with each other."""


class GeminiEmbedder:
    """Implements `actors.embeddings.Embedder`.

    The model's own 3,072 dimensions are cut to `dimension`, and what Gemini cuts it does not bring back to
    length 1: this does. `model` and `dimension` are `MODEL` and `DIMENSION` where they are None. `floor` as in
    the port; its default is chosen without a measurement.
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
        records: Records | None = None,
    ) -> None:
        self._http = GeminiConnection(api_key=api_key, base_url=base_url, timeout_s=timeout_s)
        self._model = model or MODEL
        self._records = records or Unrecorded()
        self.dimension = dimension or DIMENSION
        self.name = f"{self._http.provider}-{self._model}-{self.dimension}"
        self.floor = floor

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        """Raises `WorkUnavailable`, and `Broken` where the model has another dimension."""
        return await embedded(
            texts,
            dimension=self.dimension,
            most_texts=MAX_TEXTS,
            most_bytes=MAX_TEXTS * MAX_TEXT_BYTES,
            ask=partial(self._ask, origin),
        )

    async def aclose(self) -> None:
        await self._records.drain()
        await self._http.aclose()

    async def _ask(self, origin: Origin, texts: list[str]) -> Vectors:
        named = resource(self._model)
        shared = {"model": named, "taskType": TASK, "outputDimensionality": self.dimension}
        requests = [{**shared, "content": {"parts": [{"text": text}]}} for text in texts]
        made = EmbeddingCall(origin=origin, provider=self._http.provider, model=self._model)
        with self._records.around(made) as call:
            raw = await self._http.read(f"{named}:batchEmbedContents", {"requests": requests}, model=self._model)
            try:
                reply = _REPLY.validate_json(raw)
                met = reply.usage_metadata
                call.usage = Usage(input_tokens=met.prompt_token_count) if met else None
                return matrix([one.values for one in reply.embeddings], len(texts))
            except ValueError:
                raise ProviderError(
                    Fault.GARBLED, provider=call.provider, model=self._model, usage=call.usage
                ) from None


# The wire: what is read of a reply.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Embedding:
    values: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    __pydantic_config__ = WIRE
    prompt_token_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    __pydantic_config__ = WIRE
    embeddings: tuple[_Embedding, ...]
    usage_metadata: _Usage | None = None


_REPLY = TypeAdapter(_Reply)
