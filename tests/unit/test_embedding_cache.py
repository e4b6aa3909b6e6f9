"""A vector that was computed is not computed again; what a candidate wrote stays in this process, for minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from actors.embedding_cache import CachedEmbedder
from actors.embeddings import Vectors
from state.errors import StoreUnavailable, WorkUnavailable
from state.messages import NOBODY, Origin

MINE = Origin(tenant="acme", session_id="s1")
THEIRS = Origin(tenant="acme", session_id="s2")


class Counting:
    """Embeds a text as its length; counts the calls, and waits until it is let where it is told to."""

    name = "counting"
    dimension = 2
    floor = 0.0

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.let = asyncio.Event()
        self.let.set()
        self.broken = False

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        self.calls.append((origin.session_id, list(texts)))
        await self.let.wait()
        if self.broken:
            raise WorkUnavailable("no provider")
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    async def aclose(self) -> None:
        self.calls.append(("closed", []))


class Shared:
    """What processes share, in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.away = False

    async def found(self, digests: Sequence[bytes]) -> list[bytes | None]:
        if self.away:
            raise StoreUnavailable
        return [self.kept.get(digest) for digest in digests]

    async def keep(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        if self.away:
            raise StoreUnavailable
        self.kept.update(vectors)


@pytest.fixture
def inner() -> Counting:
    return Counting()


async def test_rows_come_in_the_order_of_the_texts_whatever_is_held(inner: Counting) -> None:
    cached = CachedEmbedder(inner)
    await cached.embed(["bb"], MINE)
    rows = await cached.embed(["a", "bb", "ccc", "a"], MINE)
    assert rows[:, 0].tolist() == [1, 2, 3, 1]
    assert inner.calls == [("s1", ["bb"]), ("s1", ["a", "ccc"])]
    assert (cached.figures.here, cached.figures.computed) == (1, 3)


async def test_no_texts_are_no_rows_and_no_call(inner: Counting) -> None:
    assert (await CachedEmbedder(inner).embed([], MINE)).shape == (0, 2)
    assert not inner.calls


async def test_the_same_text_at_once_is_one_call(inner: Counting) -> None:
    inner.let.clear()
    cached = CachedEmbedder(inner)
    both = [asyncio.create_task(cached.embed(["same"], origin)) for origin in (MINE, THEIRS)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    inner.let.set()
    assert [rows[0, 0] for rows in await asyncio.gather(*both)] == [4, 4]
    assert len(inner.calls) == 1
    assert cached.figures.joined == 1


async def test_whoever_began_may_go_away_and_the_others_get_theirs(inner: Counting) -> None:
    inner.let.clear()
    cached = CachedEmbedder(inner)
    began, waits = (asyncio.create_task(cached.embed(["same"], MINE)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    began.cancel()
    inner.let.set()
    assert (await waits)[0, 0] == 4


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(inner: Counting) -> None:
    inner.let.clear()
    inner.broken = True
    cached = CachedEmbedder(inner)
    both = [asyncio.create_task(cached.embed(["same"], MINE)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    inner.let.set()
    assert [type(one) for one in await asyncio.gather(*both, return_exceptions=True)] == [WorkUnavailable] * 2
    inner.broken = False
    assert (await cached.embed(["same"], MINE))[0, 0] == 4


async def test_no_more_are_held_than_may_be_and_the_least_used_goes_first(inner: Counting) -> None:
    cached = CachedEmbedder(inner, most=2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        await cached.embed([text], MINE)
    assert [texts for _, texts in inner.calls] == [["a"], ["bb"], ["ccc"], ["bb"]]


async def test_what_nobody_used_for_the_time_set_is_let_go(inner: Counting) -> None:
    now = 0.0
    cached = CachedEmbedder(inner, keep_s=60, clock=lambda: now)
    await cached.embed(["a"], MINE)
    now = 59.0
    await cached.embed(["a"], MINE)
    now = 118.0
    await cached.embed(["a"], MINE)
    assert len(inner.calls) == 1
    now = 179.0
    await cached.embed(["a"], MINE)
    assert len(inner.calls) == 2


async def test_what_nobody_asks_for_any_more_goes_by_itself(inner: Counting) -> None:
    cached = CachedEmbedder(inner, keep_s=0.05)
    await cached.embed(["a line of the CV"], MINE, private=True)
    assert cached.held == 1
    async with asyncio.timeout(5):
        while cached.held:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_processes_share_what_is_not_private(inner: Counting) -> None:
    shared = Shared()
    await CachedEmbedder(inner, shared=shared).embed(["a gap"], MINE)
    await CachedEmbedder(inner, shared=shared).embed(["a line of the CV"], MINE, private=True)
    assert len(shared.kept) == 1
    other = CachedEmbedder(inner, shared=shared)
    assert (await other.embed(["a gap"], THEIRS))[0, 0] == 5
    assert other.figures.shared == 1
    assert len(inner.calls) == 2


async def test_another_model_s_vectors_are_never_taken(inner: Counting) -> None:
    shared = Shared()
    await CachedEmbedder(inner, shared=shared).embed(["a gap"], MINE)
    other = Counting()
    other.name = "another"
    await CachedEmbedder(other, shared=shared).embed(["a gap"], MINE)
    assert len(other.calls) == 1


async def test_without_what_is_shared_it_still_works(inner: Counting) -> None:
    shared = Shared()
    shared.away = True
    assert (await CachedEmbedder(inner, shared=shared).embed(["a gap"], MINE))[0, 0] == 5


async def test_calls_of_one_session_are_joined_and_those_of_two_are_not(inner: Counting) -> None:
    """A call is recorded for one session, which pays for it."""
    inner.let.clear()
    cached = CachedEmbedder(inner)
    asking = [
        asyncio.create_task(cached.embed([text], origin))
        for text, origin in (("a", MINE), ("bb", MINE), ("ccc", MINE), ("dddd", MINE), ("eeeee", THEIRS))
    ]
    for _ in range(5):
        await asyncio.sleep(0)
    inner.let.set()
    await asyncio.gather(*asking)
    assert ("s2", ["eeeee"]) in inner.calls
    assert sum(session == "s1" for session, _ in inner.calls) < 4


async def test_closing_closes_the_inner_one(inner: Counting) -> None:
    await CachedEmbedder(inner).aclose()
    assert inner.calls == [("closed", [])]
