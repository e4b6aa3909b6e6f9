"""Embeddings: the port, and the offline model that comes in a wheel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape (texts, dimension). A row has length 1, so that a dot product is the cosine similarity; that of a
text without a token is all zeros, near to nothing."""


class TextEmbedder(Protocol):
    """Turns texts into vectors at once, in the caller's thread."""

    @property
    def name(self) -> str:
        """Identifies the model; vectors of different names are never compared or stored together."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def floor(self) -> float:
        """The cosine below which two texts have nothing to do with each other; every model has its own."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors: ...


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
        pooled: Vectors = self._model.embed(list(texts), norm=False)
        lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
        vectors: Vectors = np.divide(pooled, lengths, out=np.zeros_like(pooled), where=lengths > 0)
        return vectors

    @cached_property
    def _model(self) -> Any:
        import wordllama  # noqa: PLC0415 - a third of a second, for those alone who embed with it

        home = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(cache_dir=home, disable_download=True)
