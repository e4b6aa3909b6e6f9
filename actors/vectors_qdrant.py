"""The vector store as a Qdrant server, the way for more than one node."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from actors.vectors import (
    Collection,
    Hit,
    Payload,
    Point,
    Query,
    fitting,
    something_to_match,
    wrong_dimension,
)
from state.errors import Broken, WorkUnavailable

DEADLINE_S = 5.0
TRY_AGAIN = frozenset({404, 408, 409, 425, 429})
"""404: the collection is gone and will be ensured again. 409: another replica is creating it."""

T = TypeVar("T")


def connect(url: str, api_key: str | None = None, *, deadline_s: float = DEADLINE_S) -> QdrantVectorStore:
    """A store over the server at `url`; connections open at the first call."""
    client = AsyncQdrantClient(url=url, api_key=api_key, timeout=math.ceil(deadline_s), check_compatibility=False)
    return QdrantVectorStore(client, deadline_s=deadline_s)


class QdrantVectorStore:
    """Implements `actors.vectors.VectorStore` over a client, which it closes.

    A request that is not answered within `deadline_s`, connecting included, is `WorkUnavailable`; a
    refusal that will not change, a wrong key or an invalid request, is `Broken` with its status.
    """

    def __init__(self, client: AsyncQdrantClient, *, deadline_s: float = DEADLINE_S) -> None:
        self._client = client
        self._deadline_s = deadline_s

    async def ensure(self, collection: Collection) -> None:
        if not await self._call(self._client.collection_exists(collection.name)):
            await self._create(collection)
        info = await self._call(self._client.get_collection(collection.name))
        vectors = info.config.params.vectors
        found = vectors.size if isinstance(vectors, models.VectorParams) else 0
        if found != collection.dimension:
            raise wrong_dimension(collection, found)
        for name in sorted(set(collection.keywords) - set(info.payload_schema)):
            keyword = models.PayloadSchemaType.KEYWORD
            await self._call(self._client.create_payload_index(collection.name, name, keyword))

    async def upsert(self, collection: Collection, points: Sequence[Point]) -> None:
        if not points:
            return
        rows = fitting(collection, (point.vector for point in points))
        stored = [
            models.PointStruct(id=point.id, vector=row.tolist(), payload=dict(point.payload))
            for point, row in zip(points, rows, strict=True)
        ]
        await self._call(self._client.upsert(collection.name, stored, wait=True))

    async def search(self, collection: Collection, queries: Sequence[Query]) -> list[list[Hit]]:
        if not queries:
            return []
        rows = fitting(collection, (query.vector for query in queries))
        requests = [
            models.QueryRequest(query=row.tolist(), limit=query.limit, filter=_filter(query.match), with_payload=True)
            for query, row in zip(queries, rows, strict=True)
        ]
        responses = await self._call(self._client.query_batch_points(collection.name, requests))
        return [[_hit(point) for point in response.points] for response in responses]

    async def delete(self, collection: Collection, match: Payload) -> None:
        something_to_match(match)
        stored = (await self._call(self._client.get_collections())).collections
        selector = models.FilterSelector(filter=_filter(match))
        for name in collection.siblings(entry.name for entry in stored):
            await self._call(self._client.delete(name, selector, wait=True))

    async def count(self, collection: Collection, match: Payload) -> int:
        counted = await self._call(self._client.count(collection.name, _filter(match), exact=True))
        return counted.count

    async def aclose(self) -> None:
        await self._client.close()

    async def _create(self, collection: Collection) -> None:
        """Another replica may create it between the question and the order; that is as good."""
        size = models.VectorParams(size=collection.dimension, distance=models.Distance.COSINE)
        try:
            await self._call(self._client.create_collection(collection.name, size))
        except WorkUnavailable as error:
            if error.data.get("status") != 409:
                raise

    async def _call(self, request: Awaitable[T]) -> T:
        """`from None` throughout: the client's own errors may quote what was sent."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await request
        except TimeoutError:
            raise WorkUnavailable(f"Qdrant did not answer within {self._deadline_s:g} s.") from None
        except ResourceExhaustedResponse as error:
            raise WorkUnavailable("Qdrant is at its limit.", retry_after_s=error.retry_after_s) from None
        except UnexpectedResponse as error:
            raise _refused(error.status_code or 500) from None
        except (ApiException, QdrantException) as error:
            cause = type(getattr(error, "source", error)).__name__
            raise WorkUnavailable(f"Qdrant cannot be reached: {cause}.") from None


def _refused(status: int) -> WorkUnavailable | Broken:
    message = f"Qdrant refused a request with status {status}."
    if status >= 500 or status in TRY_AGAIN:
        return WorkUnavailable(message, status=status)
    return Broken(message, status=status)


def _filter(match: Payload) -> models.Filter:
    return models.Filter(
        must=[models.FieldCondition(key=name, match=models.MatchValue(value=value)) for name, value in match.items()]
    )


def _hit(point: models.ScoredPoint) -> Hit:
    return Hit(id=str(point.id), score=point.score, payload=point.payload or {})
