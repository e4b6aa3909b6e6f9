"""What a drill plays on: a Valkey of its own, a stub of the providers, the service between them."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import structlog
from pydantic import SecretStr

import actors.providers.gemini
import actors.providers.openai  # noqa: F401
from actors.resilience.stack import Resilience
from loadtests.drills.service import serving
from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import serving as serving_stub
from serve_app import wiring
from serve_app.settings import Settings
from serve_app.valkey import Valkey
from state.backend import connect
from state.ledger import RedisLedger
from state.spending import CallRecord

PROVIDERS = {"openai": ("openai",), "gemini": ("gemini",), "both": ("openai", "gemini")}
"""Which providers a service has, the first one preferred; by the name a drill's table gives them."""

QUICK: Mapping[str, Any] = {
    "attempt_s": 0.4,
    "deadline_s": 2.5,
    "backoff_s": 0.01,
    "longest_backoff_s": 0.05,
    "patience_s": 0.5,
    "trip_pause_s": 0.2,
    "trip_longest_pause_s": 0.2,
}
"""The policies' times at a thirtieth of the usual: the numbers of attempts stay as they are.

The SDKs are imported above, because an import of seconds in the one loop of a drill would be late for all.
"""


READ_AGAIN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`client` speaks to the service; `ledger` is what the service records its calls in."""

    stub: Stub
    client: httpx.AsyncClient
    ledger: RedisLedger
    settings: Settings
    resilience: Resilience

    async def read(self, path: str) -> dict[str, Any]:
        """What is there; whoever has to come back does, as a client of a busy service."""
        reply = await self.client.get(path)
        for _ in range(READ_AGAIN):
            if reply.status_code != 503:
                break
            await asyncio.sleep(float(reply.headers["Retry-After"]))
            reply = await self.client.get(path)
        found: dict[str, Any] = reply.raise_for_status().json()
        return found

    async def records(self, session_id: str) -> tuple[CallRecord, ...]:
        return await self.ledger.calls("local", session_id)


def quiet() -> None:
    """No line for each refusal: a drill provokes thousands, and counts them."""
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@contextmanager
def valkey() -> Iterator[str]:
    """A server for this drill alone; its address."""
    with tempfile.TemporaryDirectory(prefix="askwell-drill-") as directory:
        server = Valkey(Path(directory))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@asynccontextmanager
async def staged(
    redis_url: str, providers: tuple[str, ...], config: StubConfig, *, quick: bool = True, **changes: Any
) -> AsyncIterator[Stage]:
    """`changes` are settings that differ from the defaults."""
    async with AsyncExitStack() as opened:
        stub = Stub(config)
        served = await opened.enter_async_context(serving_stub(stub))
        keys: dict[str, Any] = {f"{provider}_api_key": SecretStr("a-key-of-the-stub") for provider in providers}
        addresses = {"openai_base_url": served.openai_url, "gemini_base_url": served.url}
        settings = Settings(
            redis_url=SecretStr(redis_url),
            openai_dialect="openai",
            first_provider="openai" if providers[0] == "openai" else "gemini",
            **{**keys, **addresses, **changes},
        )
        resilience = wiring.resilience(settings)
        if quick:
            resilience = replace(resilience, **QUICK)
        redis = connect(redis_url)
        opened.push_async_callback(redis.aclose)
        llm = wiring.prompted_llm(settings, redis, resilience)
        opened.push_async_callback(llm.aclose)
        url = await opened.enter_async_context(serving(settings, redis, llm))
        limits = httpx.Limits(max_connections=None)
        client = await opened.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60, limits=limits))
        yield Stage(stub=stub, client=client, ledger=RedisLedger(redis), settings=settings, resilience=resilience)
