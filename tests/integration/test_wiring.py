"""What the settings make, held against the stub of the providers and a real Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from rich.console import Console

from actors.retriever import Retriever
from actors.vectors import MemoryVectorStore
from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import Served, serving
from serve_app import costs, wiring
from serve_app.ports import free_port
from serve_app.settings import Settings
from serve_app.targets import targets
from serve_app.valkey import Valkey
from state.errors import Broken, BudgetSpent, WorkUnavailable
from state.ledger import RedisLedger
from state.messages import FindGaps, FoundGaps, Origin
from state.model import Document

KEY = SecretStr("a-key-of-the-stub")


def today() -> date:
    return datetime.now(UTC).date()


CV, JOB = Document(text="Ada\nDjango"), Document(text="You will run Kubernetes in production.")


@pytest.fixture
async def stub() -> AsyncIterator[Served]:
    async with serving(Stub(StubConfig())) as served:
        yield served


def settings(stub: Served, valkey: Valkey, **changes: object) -> Settings:
    given = {
        "redis_url": SecretStr(valkey.url),
        "openai_base_url": stub.openai_url,
        "openai_dialect": "openai",
        "gemini_base_url": stub.url,
    }
    return Settings(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, []),
        ({"openai_api_key": KEY}, ["openai"]),
        ({"gemini_api_key": KEY}, ["google"]),
        ({"openai_api_key": KEY, "gemini_api_key": KEY}, ["openai", "google"]),
        ({"openai_api_key": KEY, "gemini_api_key": KEY, "first_provider": "gemini"}, ["google", "openai"]),
        (
            {"openai_api_key": KEY, "openai_dialect": None, "openai_base_url": "http://vllm:8000/v1"},
            ["openai-compatible"],
        ),
    ],
)
def test_the_keys_decide_who_is_asked_and_in_which_order(
    stub: Served, valkey: Valkey, changes: dict[str, object], order: list[str]
) -> None:
    assert [target.provider for target in targets(settings(stub, valkey, **changes))] == order


@pytest.mark.parametrize(
    ("provider", "by"), [("openai", "openai:gpt-5-mini"), ("gemini", "google:gemini-2.5-flash-lite")]
)
async def test_a_session_with_the_flag_gets_the_experimental_model(
    stub: Served, valkey: Valkey, redis: Redis, provider: str, by: str
) -> None:
    given = {f"{provider}_api_key": KEY, f"{provider}_experimental_model": f"{by.partition(':')[2]}-next"}
    made = settings(stub, valkey, **given)
    llm = wiring.prompted_llm(made, redis, wiring.resilience(made))
    for flags, expected in (({}, by), ({"experimental_llm_model": True}, f"{by}-next")):
        request = FindGaps(cv=CV, job=JOB, limit=1, origin=Origin(tenant="acme", flags=flags))
        assert (await llm.complete(request, FoundGaps)).by == expected
    await llm.aclose()


@pytest.mark.parametrize(("most", "shared"), [(1, 0), (2, 1)])
async def test_only_a_generator_that_can_have_others_beside_it_shares_calls_with_them(
    stub: Served, valkey: Valkey, redis: Redis, most: int, shared: int
) -> None:
    made = settings(stub, valkey, openai_api_key=KEY, generator_max=most)
    llm = wiring.prompted_llm(made, redis, wiring.resilience(made))
    await llm.complete(FindGaps(cv=CV, job=JOB, limit=1, origin=Origin(tenant="acme")), FoundGaps)
    assert len(await redis.keys("askwell:flight:*")) == shared
    await llm.aclose()


async def test_a_tenant_whose_budget_is_spent_is_told_when_the_next_day_begins(
    stub: Served, valkey: Valkey, redis: Redis
) -> None:
    made = settings(stub, valkey, openai_api_key=KEY, tenant_daily_tokens=100)
    llm = wiring.prompted_llm(made, redis, wiring.resilience(made))
    request = FindGaps(cv=CV, job=JOB, limit=1, origin=Origin(tenant="acme"))
    with pytest.raises(BudgetSpent) as refused:
        await llm.complete(request, FoundGaps)
    assert 0 < refused.value.retry_after_s <= 86_400
    await llm.aclose()


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_embeddings_are_recorded_with_their_tenant_and_their_price(
    stub: Served, valkey: Valkey, redis: Redis, provider: str
) -> None:
    made = settings(stub, valkey, embeddings=provider, **{f"{provider}_api_key": KEY})
    ledger = RedisLedger(redis)
    embedder = wiring.embedder(made, ledger)
    vectors = await embedder.embed(["Kubernetes in production"], Origin(tenant="acme"))
    assert vectors.shape == (1, embedder.dimension)
    await embedder.aclose()
    (row,) = (await ledger.day("acme", today())).rows
    assert (row.operation, row.tally.calls, row.tally.unpriced) == ("embed", 1, 0)
    assert row.tally.usage.input_tokens > 0
    assert row.tally.cost_usd > 0


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_a_failed_call_for_embeddings_is_recorded(
    stub: Served, valkey: Valkey, redis: Redis, provider: str
) -> None:
    unheard = f"http://127.0.0.1:{free_port()}"
    given = {f"{provider}_api_key": KEY, f"{provider}_base_url": unheard}
    ledger = RedisLedger(redis)
    embedder = wiring.embedder(settings(stub, valkey, embeddings=provider, **given), ledger)
    with pytest.raises(WorkUnavailable):
        await embedder.embed(["Kubernetes"], Origin(tenant="acme"))
    await embedder.aclose()
    (row,) = (await ledger.day("acme", today())).rows
    assert (row.operation, row.tally.calls, row.tally.failed, row.tally.unmeasured) == ("embed", 1, 1, 1)


async def test_a_server_of_ones_own_is_asked_for_its_own_model(stub: Served, valkey: Valkey) -> None:
    """The stub, spoken to as another server, is sent no dimension and gives every vector 1,536 of them."""
    given = {"openai_api_key": KEY, "openai_dialect": "compatible", "embeddings": "openai"}
    usual = wiring.embedder(settings(stub, valkey, **given))
    with pytest.raises(Broken, match="set ASKWELL_EMBEDDING_DIMENSION=1536"):
        await usual.embed(["Kubernetes"])
    own = wiring.embedder(settings(stub, valkey, embedding_model="bge-m3", embedding_dimension=1536, **given))
    assert own.name == "openai-compatible-bge-m3-1536"
    assert (await own.embed(["Kubernetes"])).shape == (1, 1536)
    for embedder in (usual, own):
        await embedder.aclose()


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "openai-text-embedding-3-small-512"), ("gemini", "google-gemini-embedding-001-768")],
)
async def test_without_a_word_on_them_model_and_dimension_are_the_usual_ones(
    stub: Served, valkey: Valkey, provider: str, name: str
) -> None:
    embedder = wiring.embedder(settings(stub, valkey, embeddings=provider, **{f"{provider}_api_key": KEY}))
    assert embedder.name == name
    await embedder.aclose()


def costs_of_today(made: Settings, **asked: Any) -> str:
    """What `askwell costs --day` prints."""
    console = Console(record=True, width=200, force_terminal=False)
    wanted = {"session_id": None, "day": f"{today()}", "tenant": None, "as_json": False, **asked}
    costs.run(console, made, **wanted)
    return console.export_text()


async def test_indexing_the_catalogue_is_on_the_service_s_own_account_and_shown(
    stub: Served, valkey: Valkey, redis: Redis
) -> None:
    made = settings(stub, valkey, embeddings="openai", openai_api_key=KEY)
    assert "(service)" not in await asyncio.to_thread(costs_of_today, made)
    embedder = wiring.embedder(made, RedisLedger(redis))
    await Retriever(store=MemoryVectorStore(), embedder=embedder, catalogue=wiring.catalogue()).ready()
    await embedder.aclose()
    shown = await asyncio.to_thread(costs_of_today, made)
    assert f"(service), {today()} (UTC)" in shown
    assert "embed" in shown
    tenants = json.loads(await asyncio.to_thread(costs_of_today, made, as_json=True))["tenants"]
    assert tenants["(service)"]["total"]["calls"] > 0
    assert "(service)" not in await asyncio.to_thread(costs_of_today, made, tenant="acme")


async def test_a_day_shows_the_tokens_counted_against_the_budget(stub: Served, valkey: Valkey, redis: Redis) -> None:
    made = settings(stub, valkey, tenant_daily_tokens=100_000)
    assert "budget" not in await asyncio.to_thread(costs_of_today, made)
    ledger = RedisLedger(redis)
    assert await ledger.reserve(tenant="local", now_ms=wiring.now_ms(), tokens=12_345, limit=100_000)
    assert "Tokens counted against the budget: 12,345 of 100,000." in await asyncio.to_thread(costs_of_today, made)
    tenants = json.loads(await asyncio.to_thread(costs_of_today, made, as_json=True))["tenants"]
    assert tenants["local"]["reserved_tokens"] == 12_345
