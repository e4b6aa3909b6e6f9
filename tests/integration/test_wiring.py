"""What the settings make, held against the stub of the providers and a real Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import Served, serving
from serve_app import wiring
from serve_app.settings import Settings
from serve_app.targets import targets
from serve_app.valkey import Valkey
from state.errors import BudgetSpent
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
    totals = await ledger.day("acme", today())
    while not totals.rows:
        totals = await ledger.day("acme", today())
    (row,) = totals.rows
    assert (row.operation, row.tally.calls, row.tally.unpriced) == ("embed", 1, 0)
    assert row.tally.usage.input_tokens > 0
    assert row.tally.cost_usd > 0
    await embedder.aclose()
