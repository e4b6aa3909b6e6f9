"""The retriever's searches in the embedded store, at once and one after another, in this process.

What is searched for is new text every time, embedded here; what is found is one candidate's experiences, all points
of the collection among them, so that no search has fewer to compare. The points are drawn at random: what a search
costs does not depend on where they lie.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from itertools import count
from pathlib import Path

import numpy as np

from actors.catalogue import load as load_catalogue
from actors.embeddings import LocalEmbedder, WordLlamaEmbedder, at_unit_length
from actors.retriever import OWNERSHIP, Retriever
from actors.vectors import Collection, Point
from actors.vectors_edge import EdgeVectorStore
from serve_app.bench.candidates import TITLES, cv
from serve_app.bench.plan import Plan
from serve_app.bench.report import Figure, figures
from state.messages import FindSimilar, Owner
from state.model import Document

SIZES = (1_000, 10_000, 100_000)
"""Vectors in the collection, of 256 dimensions."""
SEARCHES = (1, 5, 10)
SAMPLES = 15
WARM_UP = 3
POINTS_AT_ONCE = 1_000
CURRICULUM = Document(text=cv())
OWNER = Owner(tenant="bench", user="ada", session_id="s1")


def measure(plan: Plan) -> tuple[Figure, ...]:
    return asyncio.run(_measured(plan))


async def _measured(plan: Plan) -> tuple[Figure, ...]:
    found: list[Figure] = []
    embedder = LocalEmbedder(WordLlamaEmbedder())
    with tempfile.TemporaryDirectory(prefix="askwell-bench-") as folder:
        store = EdgeVectorStore(Path(folder))
        retriever = Retriever(store=store, embedder=embedder, catalogue=load_catalogue())
        collection = Collection.of("experiences", embedder, OWNERSHIP)
        await retriever.ready()
        held, numbers = 0, count()
        try:
            for size in SIZES:
                plan.tell(f"retrieval: {size:,} vectors")
                await _fill(store, collection, held, size)
                held = size
                rounds = [await _round(retriever, numbers) for _ in range(plan.repeats)]
                found += figures("retrieval", f"{size:,} vectors", rounds)
        finally:
            await store.aclose()
            await retriever.aclose()
    return tuple(found)


async def _round(retriever: Retriever, numbers: count[int]) -> dict[str, float]:
    measured: dict[str, float] = {}
    for searches in SEARCHES:
        at_once, in_a_row = await _both_ways(retriever, searches, numbers)
        what = f"{searches} search{'es' * (searches > 1)}"
        measured |= {f"{what} at once, ms": at_once, f"{what} in a row, ms": in_a_row}
        measured[f"{what}, in a row / at once"] = in_a_row / at_once
    return measured


async def _both_ways(retriever: Retriever, searches: int, numbers: count[int]) -> tuple[float, float]:
    """Median milliseconds at once and in a row, taking turns: whatever else the machine does meets both."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for sample in range(WARM_UP + SAMPLES):
        for concurrently, samples in taken.items():
            took_ms = await _search_ms(retriever, searches, numbers, concurrently=concurrently)
            if sample >= WARM_UP:
                samples.append(took_ms)
    return statistics.median(taken[True]), statistics.median(taken[False])


async def _search_ms(retriever: Retriever, searches: int, numbers: count[int], *, concurrently: bool) -> float:
    texts = tuple(f"{TITLES[place % len(TITLES)]} in production, {next(numbers)} services" for place in range(searches))
    asked = FindSimilar(texts=texts, cv=CURRICULUM, owner=OWNER, concurrently=concurrently)
    began = time.perf_counter()
    await retriever.find_similar(asked)
    return (time.perf_counter() - began) * 1000


async def _fill(store: EdgeVectorStore, collection: Collection, held: int, size: int) -> None:
    """Points from number `held` to `size`, each drawn from its number."""
    for start in range(held, size, POINTS_AT_ONCE):
        drawn = np.random.default_rng(start).standard_normal((POINTS_AT_ONCE, collection.dimension))
        rows = at_unit_length(drawn.astype(np.float32))
        await store.upsert(collection, [_point(start + place, row) for place, row in enumerate(rows)])


def _point(number: int, row: np.ndarray) -> Point:
    payload = {
        "tenant": OWNER.tenant,
        "user": OWNER.user,
        "session_id": f"s{number // 10}",
        "question_id": f"q{number % 10}",
        "text": f"Ran {number} services in production for a year and wrote their charts.",
    }
    return Point(id=str(uuid.UUID(int=number)), vector=row, payload=payload)
