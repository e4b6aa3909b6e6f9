"""What embedders that ask a provider have in common: batches, texts it would refuse, and what comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import numpy as np

from actors.embeddings import Vectors, at_unit_length
from actors.providers.port import ProviderError
from state.errors import Broken, WorkUnavailable

MAX_TEXT_BYTES = 8_000
"""Of a longer text the beginning is embedded. A token has at least a byte, so this is within OpenAI's 8,192
tokens for certain; Gemini cuts texts at 2,048 tokens by itself, which is where most of these bytes end."""
DIMENSION_VARIABLE = "ASKWELL_EMBEDDING_DIMENSION"


async def embedded(
    texts: Sequence[str],
    *,
    dimension: int,
    most_texts: int,
    most_bytes: int,
    ask: Callable[[list[str]], Awaitable[Vectors]],
) -> Vectors:
    """A row of length 1 for each text, from as few calls of `ask` as its bounds allow, one after another.

    Providers refuse texts without a letter, and the whole call with them: those get zeros, unasked.
    Raises `WorkUnavailable` for whatever fault `ask` meets, and `Broken` for vectors of another dimension.
    """
    rows = np.zeros((len(texts), dimension), dtype=np.float32)
    asked = [place for place, text in enumerate(texts) if text.strip()]
    cut = [_cut(texts[place]) for place in asked]
    done = 0
    for batch in _batches(cut, most_texts, most_bytes):
        try:
            vectors = await ask(batch)
        except ProviderError as error:
            raise _unavailable(error) from None
        if vectors.shape[1] != dimension:
            raise _of_another_dimension(vectors.shape[1], dimension)
        rows[asked[done : done + len(batch)]] = vectors
        done += len(batch)
    return at_unit_length(rows)


def matrix(vectors: Sequence[object], texts: int) -> Vectors:
    """A provider's vectors as rows. Raises `ValueError` unless there is one for each text, all alike and finite."""
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or len(rows) != texts or not np.isfinite(rows).all():
        raise ValueError
    return rows


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore")


def _batches(texts: Sequence[str], most_texts: int, most_bytes: int) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if batch and (len(batch) == most_texts or size + length > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def _of_another_dimension(found: int, wanted: int) -> Broken:
    return Broken(f"The provider's vectors have {found} dimensions, not {wanted}: set {DIMENSION_VARIABLE}={found}.")


def _unavailable(error: ProviderError) -> WorkUnavailable:
    if error.retry_after_s is None:
        return WorkUnavailable(f"{error}")
    return WorkUnavailable(f"{error}", retry_after_s=error.retry_after_s)
