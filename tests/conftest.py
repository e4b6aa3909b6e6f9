"""What tests share: a real Valkey for the run, a store on it, a clock that only a test moves."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from serve_app.valkey import Valkey
from state.backend import Backend, RedisBackend, connect
from state.flags import DEFAULT_ROLLOUTS
from state.lease import Lease
from state.metrics.buffer import Buffer
from state.metrics.erasures import Erasures
from state.outcomes import Caller
from state.session_actor import SessionState
from state.steps import StepWork
from state.store import RecordStore
from state.sweep import Sweep
from tests.fakes import FakeEvaluator, FakeGenerator, FakeRetriever

settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside others")  # these tests share the machine; pytest's own timeout still ends one that hangs

EXAMPLES = Path(__file__).parent.parent / "examples"


@dataclass
class Clock:
    """Unix milliseconds."""

    ms: int = 1_760_000_000_000

    def __call__(self) -> int:
        return self.ms


class SteadyLease(Lease):
    """Ends for the others when a test says so, and never by its owner's own clock: its owner is then a zombie."""

    def __init__(self, backend: Backend, ended: set[str]) -> None:
        super().__init__(
            backend, name="shard", new_nonce=lambda: uuid.uuid4().hex, lease_s=3, clock=lambda: 0.0, standby=None
        )
        self._ended = ended

    def valid(self) -> bool:
        return True

    async def hold(self) -> None:
        return

    async def ended(self, owner: str) -> bool:
        return owner in self._ended


@dataclass
class Shard:
    """A session-state actor over fakes, and a second one that can take its sessions over."""

    backend: Backend
    clock: Clock = field(default_factory=Clock)
    generator: FakeGenerator = field(default_factory=FakeGenerator)
    evaluator: FakeEvaluator = field(default_factory=FakeEvaluator)
    retriever: FakeRetriever = field(default_factory=FakeRetriever)
    deadline_s: float = 20.0
    max_held: int = 100
    ended: set[str] = field(default_factory=set)
    owners: dict[SessionState, str] = field(default_factory=dict)
    recorder: Buffer = field(default_factory=lambda: Buffer("shard"))

    @property
    def store(self) -> RecordStore:
        return RecordStore(self.backend, kind="session")

    def actor(self) -> SessionState:
        """A new incarnation: it knows nothing but what is stored, and the leases of those before it are over."""
        lease = SteadyLease(self.backend, self.ended)
        actor = SessionState(
            store=self.store,
            lease=lease,
            sweep=Sweep(self.backend, now_ms=self.clock, forget=self.retriever.forget),
            work=StepWork(
                generator=self.generator,
                evaluator=self.evaluator,
                retriever=self.retriever,
                deadline_s=self.deadline_s,
                question_deadline_s=5.0,
            ),
            new_epoch=lambda: secrets.randbits(52),
            now_ms=self.clock,
            ttl_s=3600,
            rollouts=DEFAULT_ROLLOUTS,
            max_held=self.max_held,
            erasures=Erasures(self.backend, now_ms=self.clock),
            recorder=self.recorder,
        )
        self.owners[actor] = lease.owner
        self.give_to(actor)
        return actor

    def give_to(self, actor: SessionState) -> None:
        """From here on the leases of all others are over."""
        self.ended.clear()
        self.ended |= {owner for other, owner in self.owners.items() if other is not actor}


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


@pytest.fixture
def store(redis: Redis) -> RecordStore:
    return RecordStore(RedisBackend(redis), kind="session")


@pytest.fixture
def shard(redis: Redis) -> Shard:
    return Shard(backend=RedisBackend(redis))


@pytest.fixture
def clock() -> Clock:
    return Clock()
