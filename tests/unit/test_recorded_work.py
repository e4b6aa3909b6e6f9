"""What the pools do is recorded where it happens, under the labels by which it is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from actors.embedding_cache import CachedEmbedder
from actors.prompted import PromptedLLM
from actors.providers.port import Fault, ProviderError
from actors.resilience.recording import Recorded
from actors.resilience.single_flight import SingleFlight
from state.errors import WorkUnavailable
from state.messages import FindResources, FindSimilar, Origin, Owner, WrittenQuestion
from state.metrics.buffer import Buffer
from state.metrics.cells import NO_CELLS, CacheLabels, Cells, Lookups
from state.metrics.labels import CacheLevel, Labels, Operation, Variant
from state.model import Document, Priority
from state.spending import Usage
from tests.fake_provider import TARGET, Fails, FakeFlights, FakeLedger, FakeProvider, Move, Says, a_call, at, priced
from tests.unit.test_embedding_cache import MINE, Counting, Shared
from tests.unit.test_prompted import ASK, QUESTION
from tests.unit.test_retriever import CATALOGUE, CountingEmbedder, Retriever, WatchedStore
from tests.virtual_time import on_virtual_time

ADVANCED = Origin(tenant="acme", session_id="s1", flags={"advanced_quality_evaluation": True})
WRITE = Labels(Operation.WRITE_ANSWER, Priority.HIGH, "fake", "fake-1", "write_answer/1", Variant.ADVANCED)


def observed(buffer: Buffer) -> Cells:
    flush = buffer.take(0)
    return flush.cells if flush else NO_CELLS


def lookups(buffer: Buffer, operation: Operation) -> Mapping[CacheLevel, Lookups]:
    return {labels.level: found for labels, found in observed(buffer).caches.items() if labels.operation is operation}


def recorded(buffer: Buffer, *moves: Move, ledger: FakeLedger | None = None) -> Recorded:
    return Recorded(
        FakeProvider(*moves),
        ledger=ledger or FakeLedger(),
        price=priced,
        now_ms=at(0),
        target=TARGET,
        patience_s=0.25,
        recorder=buffer,
    )


@on_virtual_time
async def test_a_call_is_counted_by_priority_variant_model_and_prompt_with_its_time_and_cost() -> None:
    buffer = Buffer("p1")
    await recorded(buffer, Says(after_s=1.5)).call(a_call(priority=Priority.HIGH, origin=ADVANCED))
    cells = observed(buffer)
    assert cells.performance[WRITE].latencies.sum_ns == 1_500_000_000
    assert (cells.costs[WRITE].spend.calls, cells.costs[WRITE].spend.pico_usd) == (1, 120_000_000_000)
    assert set(cells.tenants.by_name) == {"acme"}
    assert set(cells.sessions.by_name) == {"s1"}


@on_virtual_time
async def test_a_call_is_counted_also_where_the_ledger_does_not_take_it() -> None:
    buffer = Buffer("p1")
    await recorded(buffer, Says(), ledger=FakeLedger(away=True)).call(a_call(priority=Priority.HIGH, origin=ADVANCED))
    assert observed(buffer).performance[WRITE].latencies.count == 1


@on_virtual_time
async def test_a_call_that_failed_is_counted_by_its_fault_and_looks_nothing_up() -> None:
    buffer = Buffer("p1")
    with pytest.raises(ProviderError):
        await recorded(buffer, Fails(fault=Fault.THROTTLED)).call(a_call(priority=Priority.HIGH, origin=ADVANCED))
    cells = observed(buffer)
    assert cells.performance[WRITE].errors == {"throttled": 1}
    assert cells.caches == {}


@on_virtual_time
async def test_the_provider_s_prefix_cache_hit_where_it_charged_less() -> None:
    buffer = Buffer("p1")
    policy = recorded(buffer, Says(usage=Usage(input_tokens=2000, cached_tokens=1024)), Says(), Says(usage=Usage()))
    for _ in range(3):
        await policy.call(a_call())
    assert lookups(buffer, Operation.WRITE_ANSWER) == {CacheLevel.PROMPT: Lookups(hits=1, misses=1)}


@on_virtual_time
async def test_a_call_that_joined_another_one_is_a_hit_in_this_process_and_between_replicas() -> None:
    buffer, flights = Buffer("p1"), FakeFlights()
    inner = FakeProvider(Says(after_s=2))
    policies = [
        SingleFlight(
            inner,
            flights=flights,
            owner=owner,
            operations=None,
            lease_s=5.0,
            keep_s=5.0,
            patience_s=0.25,
            recorder=buffer,
        )
        for owner in ("a", "b")
    ]
    await asyncio.gather(*(policy.call(a_call()) for policy in policies for _ in range(3)))
    assert len(inner.calls) == 1
    found = lookups(buffer, Operation.WRITE_ANSWER)[CacheLevel.SINGLE_FLIGHT]
    assert (found.hits, found.misses) == (5, 1)


@on_virtual_time
async def test_a_call_knows_the_priority_of_the_gap_that_it_is_about() -> None:
    provider = FakeProvider(Says(text=QUESTION))
    await PromptedLLM(provider, deadline_s=28.0).complete(ASK, WrittenQuestion)
    assert provider.calls[0].priority is ASK.gap.priority
    assert "priority" not in json.dumps(provider.calls[0].schema)


async def test_texts_are_looked_for_in_the_process_and_what_is_missing_in_redis() -> None:
    buffer, shared = Buffer("p1"), Shared()
    await CachedEmbedder(Counting(), shared=shared).embed(["known elsewhere"], MINE)
    cached = CachedEmbedder(Counting(), shared=shared, recorder=buffer)
    await cached.embed(["known elsewhere", "new", "newer"], MINE)
    await cached.embed(["new", "own"], MINE, private=True)
    assert lookups(buffer, Operation.EMBED) == {
        CacheLevel.L1: Lookups(hits=1, misses=4),
        CacheLevel.L2: Lookups(hits=1, misses=2),
    }


async def test_without_redis_only_the_process_is_asked() -> None:
    buffer = Buffer("p1")
    await CachedEmbedder(Counting(), recorder=buffer).embed(["one"], MINE)
    assert observed(buffer).caches == {CacheLabels(CacheLevel.L1, Operation.EMBED): Lookups(hits=0, misses=1)}


async def test_indexing_the_catalogue_says_nothing_of_what_the_cache_is_worth() -> None:
    buffer, shared = Buffer("p1"), Shared()
    embedder = CountingEmbedder()
    finder = Retriever(store=WatchedStore(), embedder=embedder, catalogue=CATALOGUE, shared=shared, recorder=buffer)
    await finder.ready()
    assert embedder.calls
    assert lookups(buffer, Operation.EMBED) == {}


async def test_searches_are_timed_and_their_failures_counted() -> None:
    buffer, store = Buffer("p1"), WatchedStore()
    ticks = iter(range(0, 10**12, 7_000_000))
    finder = Retriever(
        store=store,
        embedder=CountingEmbedder(),
        catalogue=CATALOGUE,
        recorder=buffer,
        clock_ns=ticks.__next__,
    )
    await finder.find_resources(FindResources(need="Kubernetes", origin=ADVANCED))
    owner = Owner(tenant="acme", user="ada", session_id="s1")
    await finder.find_similar(FindSimilar(texts=("Kubernetes",), cv=Document(text="Ada"), owner=owner))
    store.down = True
    with pytest.raises(WorkUnavailable):
        await finder.find_resources(FindResources(need="Django", origin=ADVANCED))
    performance = observed(buffer).performance
    resources = performance[Labels(Operation.FIND_RESOURCES, variant=Variant.ADVANCED)]
    assert (resources.latencies.count, resources.latencies.min_ns) == (2, 7_000_000)
    assert resources.errors == {"WorkUnavailable": 1}
    assert performance[Labels(Operation.FIND_SIMILAR)].latencies.count == 1
