"""The retriever: finds learning resources, and what the same candidate has done before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

import numpy as np

from actors.batching import Batching
from actors.catalogue import Catalogue
from actors.catalogue import text as resource_text
from actors.embedding_cache import CachedEmbedder, SharedVectors
from actors.embeddings import Embedder
from actors.ranking import Match, choose
from actors.vectors import Collection, Hit, Payload, Point, Query, VectorStore
from state.errors import WorkUnavailable
from state.messages import FindResources, FindSimilar, Origin, Owner
from state.metrics.labels import Labels, Operation, variant_of
from state.metrics.recorder import SILENT, Recorder, Timed
from state.model import Document, Experience, Gap, Question, RankedResource

NAMESPACE = UUID("5b0f6d0e-8a55-4c0b-9d0c-6f1f0a5c7e21")
"""Of the ids of points: the same resource, the same answer is the same point in every process."""
OWNERSHIP = ("tenant", "user", "session_id")
MOST_TOGETHER = 64
"""Queries, or points, in one call to the store."""
INDEXING = Origin(tenant="(service)")
"""On whose behalf the catalogue is embedded: the service's own, under a name that no tenant may have."""
EXPERIENCE_WORDS = 4
"""A CV line of fewer words is a heading, a name or a date, and tells of no experience."""


class Retriever:
    """Implements `state.messages.Retriever` over a vector store.

    The store is prepared at the first use: the collections are ensured and the catalogue is indexed
    unless it is there. The ids of its points are derived from the resources', so that replicas that
    do it at once write the same points. After a failure it is prepared again, because the store may
    have come back empty. What arrives together is searched for in one query, and stored in one write.
    `recorder` is told of searches and of the embedding cache's lookups; `clock_ns` times them.
    """

    def __init__(
        self,
        *,
        store: VectorStore,
        embedder: Embedder,
        catalogue: Catalogue,
        shared: SharedVectors | None = None,
        recorder: Recorder = SILENT,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._store = store
        self._embedder = CachedEmbedder(embedder, shared=shared, recorder=recorder)
        self._recorder = recorder
        self._clock_ns = clock_ns
        self._searches: Batching[Collection, Query, list[Hit]] = Batching(self._search, most=MOST_TOGETHER)
        self._writes: Batching[Collection, Point, None] = Batching(self._write, most=MOST_TOGETHER)
        self._catalogue = catalogue
        self._resources = Collection.of(f"resources-{catalogue.digest}", embedder)
        self._experiences = Collection.of("experiences", embedder, OWNERSHIP)
        self._preparing = asyncio.Lock()
        self._prepared = False

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        """At most `request.limit` resources near the need, best first; see `actors.ranking`."""
        need = ", ".join((request.need, *request.skills))
        with self._timed(Operation.FIND_RESOURCES, request.origin):
            vector = (await self._embedder.embed([need], request.origin))[0]
            everything = Query(vector=vector, limit=len(self._catalogue.resources))
            async with self._ready_store():
                [hits] = await self._searches.results(self._resources, [everything])
        by_id = self._catalogue.by_id
        matches = [Match(resource=by_id[hit.payload["id"]], match=hit.score) for hit in hits]
        return choose(matches, request, floor=self._embedder.floor)

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]:
        """For each text at most `request.limit` experiences of its owner, nearest first.

        With `concurrently` all texts are embedded in one call and searched for in another; without,
        they are taken one after another. CV lines are compared here and stored nowhere.
        """
        batches = [request.texts] if request.concurrently else [(text,) for text in request.texts]
        found: list[tuple[Experience, ...]] = []
        with self._timed(Operation.FIND_SIMILAR, request.owner.origin):
            for texts in batches:
                found += await self._similar(texts, request)
        return tuple(found)

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None:
        """Store the question's answer as an experience of `owner`; twice is once.

        That it was accepted is the caller's word, which it may give before the question has moved:
        the draft counts before the former answer. Without either there is nothing to remember.
        """
        answer = question.draft or question.answer
        if answer is None:
            return
        told = await self._embedder.embed([f"{gap.title}. {answer.text}"], owner.origin, private=True)
        names = (owner.tenant, owner.session_id, question.id)
        payload = {
            "tenant": owner.tenant,
            "user": owner.user,
            "session_id": owner.session_id,
            "question_id": question.id,
            "text": answer.text,
        }
        point = Point(id=_point_id("answer", *names), vector=told[0], payload=payload)
        async with self._ready_store():
            await self._writes.results(self._experiences, [point])

    async def forget(self, owner: Owner) -> None:
        """Delete what was remembered of the session, under whichever embedder it was."""
        match = {"tenant": owner.tenant, "session_id": owner.session_id}
        await self._store.delete(self._experiences, match)

    async def aclose(self) -> None:
        """Give the embedder's connections back, once what it has to record is recorded. The store is its owner's."""
        await self._embedder.aclose()

    async def ready(self) -> None:
        """Returns once the catalogue is indexed and the store answers; raises `RetryLater` otherwise."""
        async with self._ready_store() as store:
            await store.count(self._resources, {})

    def _timed(self, operation: Operation, origin: Origin) -> Timed:
        """A search, with the embedding of what it is for."""
        return Timed(self._recorder, Labels(operation, variant=variant_of(origin.flags)), self._clock_ns)

    async def _similar(self, texts: Sequence[str], request: FindSimilar) -> list[tuple[Experience, ...]]:
        lines = _experience_lines(request.cv)
        told_in_cv = [line for _, line in lines]
        vectors = await self._embedder.embed([*texts, *told_in_cv], request.owner.origin, private=True)
        needs, told = vectors[: len(texts)], vectors[len(texts) :]
        match = _owned_by(request.owner)
        queries = [Query(vector=need, limit=request.limit, match=match) for need in needs]
        async with self._ready_store():
            searches = await self._searches.results(self._experiences, queries)
        return [
            _nearest([*_from_cv(lines, told @ need), *map(_from_answer, hits)], request.limit)
            for need, hits in zip(needs, searches, strict=True)
        ]

    async def _search(self, collection: Collection, queries: list[Query]) -> list[list[Hit]]:
        return await self._store.search(collection, queries)

    async def _write(self, collection: Collection, points: list[Point]) -> list[None]:
        await self._store.upsert(collection, points)
        return [None] * len(points)

    @asynccontextmanager
    async def _ready_store(self) -> AsyncIterator[VectorStore]:
        await self._prepare()
        try:
            yield self._store
        except WorkUnavailable:
            self._prepared = False
            raise

    async def _prepare(self) -> None:
        async with self._preparing:
            if self._prepared:
                return
            await self._store.ensure(self._experiences)
            await self._store.ensure(self._resources)
            resources = self._catalogue.resources
            if await self._store.count(self._resources, {}) < len(resources):
                texts = [resource_text(resource) for resource in resources]
                vectors = await self._embedder.embed(texts, INDEXING, counted=False)
                points = [
                    Point(id=_point_id("resource", resource.id), vector=vector, payload={"id": resource.id})
                    for resource, vector in zip(resources, vectors, strict=True)
                ]
                await self._store.upsert(self._resources, points)
            self._prepared = True


def _point_id(*names: str) -> str:
    return str(uuid5(NAMESPACE, "\0".join(names)))


def _owned_by(owner: Owner) -> Payload:
    """A user's experiences from all sessions; without a user those of the session alone."""
    if owner.user:
        return {"tenant": owner.tenant, "user": owner.user}
    return {"tenant": owner.tenant, "session_id": owner.session_id}


def _experience_lines(cv: Document) -> list[tuple[int, str]]:
    return [(number, line) for number, line in cv.lines() if len(line.split()) >= EXPERIENCE_WORDS]


def _from_cv(lines: Sequence[tuple[int, str]], similarities: np.ndarray) -> list[Experience]:
    return [
        Experience(source=f"cv:{number}", text=line, similarity=float(similarity))
        for (number, line), similarity in zip(lines, similarities, strict=True)
    ]


def _from_answer(hit: Hit) -> Experience:
    source = f"session:{hit.payload['session_id']}/{hit.payload['question_id']}"
    return Experience(source=source, text=hit.payload["text"], similarity=hit.score)


def _nearest(experiences: Sequence[Experience], limit: int) -> tuple[Experience, ...]:
    return tuple(sorted(experiences, key=lambda experience: -experience.similarity)[:limit])
