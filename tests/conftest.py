"""What tests share: a real Valkey for the run, a store on it, a clock that only a test moves."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from serve_app.valkey import Valkey
from state.flags import DEFAULT_ROLLOUTS
from state.outcomes import Caller
from state.session_actor import SessionState
from state.steps import StepWork
from state.store import RecordStore, connect
from tests.fakes import FakeEvaluator, FakeGenerator, FakeRetriever

EXAMPLES = Path(__file__).parent.parent / "examples"


@dataclass
class Clock:
    """Unix milliseconds."""

    ms: int = 1_760_000_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class Shard:
    """A session-state actor over fakes, and a second one that can take its sessions over."""

    store: RecordStore
    clock: Clock = field(default_factory=Clock)
    generator: FakeGenerator = field(default_factory=FakeGenerator)
    evaluator: FakeEvaluator = field(default_factory=FakeEvaluator)
    retriever: FakeRetriever = field(default_factory=FakeRetriever)
    deadline_s: float = 20.0
    max_held: int = 100

    def actor(self) -> SessionState:
        """A new incarnation: it knows nothing but what is stored."""
        return SessionState(
            store=self.store,
            work=StepWork(
                generator=self.generator,
                evaluator=self.evaluator,
                retriever=self.retriever,
                deadline_s=self.deadline_s,
                question_deadline_s=5.0,
            ),
            owner=uuid.uuid4().hex,
            new_epoch=lambda: secrets.randbits(52),
            now_ms=self.clock,
            ttl_s=3600,
            rollouts=DEFAULT_ROLLOUTS,
            max_held=self.max_held,
        )


def caller(key: str, *, body: str = "same", request_id: str = "", tenant: str = "acme") -> Caller:
    """A request with this key; by default the same body and a request of its own."""
    return Caller(tenant=tenant, key=key, fingerprint=body, request_id=request_id or uuid.uuid4().hex)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    yield client
    await client.flushall()
    await client.aclose()
    await client.connection_pool.disconnect()


@pytest.fixture
def store(redis: Redis) -> RecordStore:
    return RecordStore(redis, kind="session")


@pytest.fixture
def shard(store: RecordStore) -> Shard:
    return Shard(store=store)


@pytest.fixture
def clock() -> Clock:
    return Clock()
