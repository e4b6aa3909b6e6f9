"""Embeddings: the ports, and the offline model that comes in a wheel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from state.messages import NOBODY, Origin

Vectors = NDArray[np.float32]
"""Shape (texts, dimension). A row has length 1, so that a dot product is the cosine similarity; that of a
text without a token is all zeros, near to nothing."""

LARGE = 4_000
"""Characters that the offline model embeds in about a millisecond; a thread is worth its while from there."""


class EmbeddingModel(Protocol):
    """What tells one model's vectors from another's."""

    @property
    def name(self) -> str:
        """Identifies the model and whoever runs it; vectors of different names are never compared or stored
        together."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def floor(self) -> float:
        """The cosine below which two texts have nothing to do with each other; every model has its own."""
        ...


class TextEmbedder(EmbeddingModel, Protocol):
    """Turns texts into vectors at once, in the caller's thread."""

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class Embedder(EmbeddingModel, Protocol):
    """Turns texts into vectors, wherever that is done."""

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        """A row for each text, in their order, on behalf of `origin`. Raises `WorkUnavailable`."""
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...


class LocalEmbedder:
    """An `Embedder` over one that computes here: a few texts at once, many in a thread, and the first ones too,
    because they may load the model."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder
        self._loaded = False
        self.name = embedder.name
        self.dimension = embedder.dimension
        self.floor = embedder.floor

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        if self._loaded and sum(map(len, texts)) < LARGE:
            return self._embedder.embed(texts)
        vectors = await asyncio.to_thread(self._embedder.embed, texts)
        self._loaded = True
        return vectors

    async def aclose(self) -> None:
        """Nothing is held."""


class WordLlamaEmbedder:
    """256 dimensions, about 10,000 short texts a second on one core, loaded from its wheel alone.

    The model is loaded at the first use (about 0.3 s), not in the constructor.
    """

    name = "wordllama-l2-256"
    dimension = 256
    floor = 0.31
    """Of 33 needs the nearest resource lay between 0.26 and 0.88, of 20 that the catalogue knows little or
    nothing of between 0.12 and 0.54: this keeps 31 of the first and drops 11 of the second."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """An empty sequence gives an array of shape (0, 256)."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return at_unit_length(self._model.embed(list(texts), norm=False))

    @cached_property
    def _model(self) -> Any:
        import wordllama  # noqa: PLC0415 - a third of a second, for those alone who embed with it

        home = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(cache_dir=home, disable_download=True)


def at_unit_length(rows: Vectors) -> Vectors:
    """Each row divided by its length; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    vectors: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return vectors
