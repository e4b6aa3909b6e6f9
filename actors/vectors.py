"""The port to vector stores, its messages, and a brute-force store that lives in memory.

A point is a vector with a payload of strings. Searches compare by cosine and may be narrowed to the
points whose payload holds given values. Every message pickles, because in the embedded setting one
process owns the store and the others reach it over the wire (decision 0003).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from actors.embeddings import EmbeddingModel
from state.errors import Broken, InvalidField, WorkUnavailable

Vector = Sequence[float] | NDArray[np.float32]
Payload = Mapping[str, str]

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Points of one kind, of one dimension, from one embedder.

    `keywords` are the payload fields that get an index; matching on another one works, but scans.
    Raises `InvalidField` for a name that could not be a folder's.
    """

    name: str
    dimension: int
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _SAFE_NAME.fullmatch(self.name):
            raise InvalidField(field="collection.name", fix="letters, digits, '.', '_' and '-' only")

    @classmethod
    def of(cls, kind: str, model: EmbeddingModel, keywords: tuple[str, ...] = ()) -> Collection:
        """`kind--model--dimension`: another model is another collection, so vectors never mix.

        A name that no folder could have is spelt differently, with a digest of it, lest two become one.
        """
        source = re.sub(r"[^A-Za-z0-9._-]", "-", model.name)
        if source != model.name:
            source += f"-{hashlib.sha256(model.name.encode()).hexdigest()[:8]}"
        name = f"{kind}--{source}--{model.dimension}"
        return cls(name=name, dimension=model.dimension, keywords=keywords)

    @property
    def kind(self) -> str:
        return self.name.partition("--")[0]

    def siblings(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that hold points of this kind, whichever embedder they came from."""
        return [name for name in names if name.partition("--")[0] == self.kind]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """`id` is a UUID; a point replaces the one that has its id."""

    id: str
    vector: Vector
    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """The `limit` points nearest to `vector` among those whose payload holds all of `match`."""

    vector: Vector
    limit: int
    match: Payload = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """`score` is the cosine similarity, -1 to 1."""

    id: str
    score: float
    payload: Payload


class VectorStore(Protocol):
    """What a store promises.

    Every method raises `WorkUnavailable` where trying again may help, among that when the collection
    was never ensured, and `Broken` where an operator has to look: a vector or a stored collection of
    another dimension, a corrupt file, a refused key. No message quotes a payload.
    """

    async def ensure(self, collection: Collection) -> None:
        """Create the collection and its indexes where they are missing; twice is once."""
        ...

    async def upsert(self, collection: Collection, points: Sequence[Point]) -> None:
        """On return the points are found by searches, and survive a kill of the store."""
        ...

    async def search(self, collection: Collection, queries: Sequence[Query]) -> list[list[Hit]]:
        """All queries in one call; for each its hits, nearest first."""
        ...

    async def delete(self, collection: Collection, match: Payload) -> None:
        """Delete the points that hold all of `match` from this collection and from its siblings.

        What is to be forgotten must not survive in the collection of a former embedder. Nothing to
        delete is not an error. Raises `InvalidField` for an empty `match`.
        """
        ...

    async def count(self, collection: Collection, match: Payload) -> int:
        """Exactly how many points hold all of `match`."""
        ...

    async def aclose(self) -> None:
        """Give back files and connections."""
        ...


def fitting(collection: Collection, vectors: Iterable[Vector]) -> list[NDArray[np.float32]]:
    """The vectors as arrays. Raises `Broken` for one that is not finite or of another dimension."""
    arrays = [np.asarray(vector, dtype=np.float32) for vector in vectors]
    for array in arrays:
        if array.shape != (collection.dimension,):
            raise wrong_dimension(collection, array.size)
        if not np.isfinite(array).all():
            raise Broken(f"A vector for {collection.name} holds a value that is not a number.")
    return arrays


def wrong_dimension(collection: Collection, found: int) -> Broken:
    return Broken(f"{collection.name} takes vectors of {collection.dimension} dimensions, not {found}.")


def something_to_match(match: Payload) -> None:
    """Raises `InvalidField` for an empty `match`, which would delete everything."""
    if not match:
        raise InvalidField(field="match", fix="at least one payload field and its value")


class MemoryVectorStore:
    """A `VectorStore` of dictionaries for tests and trials; what it holds ends with its process."""

    def __init__(self) -> None:
        self._collections: dict[str, _Held] = {}

    async def ensure(self, collection: Collection) -> None:
        held = self._collections.setdefault(collection.name, _Held(dimension=collection.dimension))
        if held.dimension != collection.dimension:
            raise wrong_dimension(collection, held.dimension)

    async def upsert(self, collection: Collection, points: Sequence[Point]) -> None:
        rows = fitting(collection, (point.vector for point in points))
        held = self._held(collection)
        for point, row in zip(points, rows, strict=True):
            length = float(np.linalg.norm(row))
            held.points[point.id] = (row / length if length else row, dict(point.payload))

    async def search(self, collection: Collection, queries: Sequence[Query]) -> list[list[Hit]]:
        rows = fitting(collection, (query.vector for query in queries))
        held = self._held(collection)
        return [_nearest(held, row, query) for row, query in zip(rows, queries, strict=True)]

    async def delete(self, collection: Collection, match: Payload) -> None:
        something_to_match(match)
        for name in collection.siblings(self._collections):
            points = self._collections[name].points
            for id_ in [id_ for id_, (_, payload) in points.items() if _holds(payload, match)]:
                del points[id_]

    async def count(self, collection: Collection, match: Payload) -> int:
        return sum(_holds(payload, match) for _, payload in self._held(collection).points.values())

    async def aclose(self) -> None:
        self._collections.clear()

    def _held(self, collection: Collection) -> _Held:
        if collection.name not in self._collections:
            raise WorkUnavailable(f"The collection {collection.name} is not there yet.")
        return self._collections[collection.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    dimension: int
    points: dict[str, tuple[NDArray[np.float32], dict[str, str]]] = field(default_factory=dict)


def _holds(payload: Payload, match: Payload) -> bool:
    return all(payload.get(name) == value for name, value in match.items())


def _nearest(held: _Held, row: NDArray[np.float32], query: Query) -> list[Hit]:
    length = float(np.linalg.norm(row)) or 1.0
    hits = [
        Hit(id=id_, score=float(stored @ row) / length, payload=dict(payload))
        for id_, (stored, payload) in held.points.items()
        if _holds(payload, query.match)
    ]
    return sorted(hits, key=lambda hit: -hit.score)[: query.limit]
