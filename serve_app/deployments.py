"""The one place where Ray wraps Askwell's classes: the ingress, the pools, the session actors.

    Ingress (HTTP) ──> session-state-N (deployment actors, one a shard)
        │                   └──> Generator, Evaluator, Retriever (pools)
        └──> Generator, Retriever

    all of them ── what they have recorded, once a second ──> Redis <── monitor (a deployment actor)
    session-state-N <── are you there, and do the pools work? ── monitor

Serve manages all of them: a dead one is replaced, a redeploy replaces every one, a shutdown ends them.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from functools import partial
from threading import Thread
from typing import Any, ClassVar

import ray
from fastapi import FastAPI
from opentelemetry.trace import SpanKind
from ray import serve
from ray.serve.config import DeploymentActorConfig
from ray.serve.handle import DeploymentHandle

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.monitoring.flushing import Recording
from actors.monitoring.health import Check
from actors.resilience.limit import Queues
from actors.retriever import Retriever
from actors.telling import Told, streamed
from serve_app import measuring, wire, wiring
from serve_app.http.app import create_app
from serve_app.http.service import Checked, EvaluatorPool, GeneratorPool, RetrieverPool, Service
from serve_app.pools import APPLICATION, EVALUATOR, GENERATOR, RETRIEVER, ingress_options, pools
from serve_app.processes import begin, step_back
from serve_app.remote import (
    MONITOR,
    RemoteEvaluator,
    RemoteGenerator,
    RemoteRetriever,
    named_actor,
    remote_sessions,
    session_actor_name,
)
from serve_app.scaling import WAITING
from serve_app.settings import Settings, load
from state.alerts.rules import Rules, rules_from
from state.backend import RedisBackend
from state.calls import Calls
from state.messages import Heard
from state.metrics.labels import Component
from state.plans import PlanBook
from state.session_actor import SessionState
from state.steps import StepWork
from state.store import RecordStore
from state.sweep import Sweep
from state.tracing import continued, span

POOLS = (Component.GENERATOR, Component.EVALUATOR, Component.RETRIEVER)
SPREAD_BYTES = 1024 * 1024
"""Of Ray's own account of memory, which limits nothing."""


class Wired:
    """How other processes call a port's methods: by name, with what `serve_app.wire` reads and writes."""

    PORT: ClassVar[type]

    recording: Recording

    async def wired(self, method: str, sent: bytes, traceparent: str = "") -> bytes:
        """The method's result. `traceparent` tells which trace it belongs to. Raises what the method raises."""
        self.recording.start()
        with continued(traceparent), span(f"{self.PORT.__name__}.{method}", SpanKind.SERVER):
            return wire.encode(await getattr(self, method)(*wire.arguments(self.PORT, method).decode(sent)))

    async def streamed(self, method: str, sent: bytes, traceparent: str = "") -> AsyncIterator[Told | bytes]:
        """The same, and before it what is heard of the result as it is written."""
        self.recording.start()
        work = partial(getattr(self, method), *wire.arguments(self.PORT, method).decode(sent))

        async def traced(heard: Heard) -> Any:
            with continued(traceparent), span(f"{self.PORT.__name__}.{method}", SpanKind.SERVER):
                return await work(heard)

        async for told in streamed(traced):
            yield told if isinstance(told, Told) else wire.encode(told)


class GeneratorReplica(Generator, Wired):
    PORT = GeneratorPool

    def __init__(self, settings: Settings) -> None:
        self._queues = Queues()
        self.recording = _begun(settings, "generator")
        super().__init__(llm=wiring.llm(settings, self._queues, self.recording.recorder), plain=wiring.offline_llm())

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `serve_app.scaling` has to know beside the requests in hand."""
        return {WAITING: float(self._queues.waiting)}

    async def __del__(self) -> None:
        """Awaited by Serve when the replica is shut down: records under way are written first."""
        await self.aclose()
        await self.recording.aclose()


class EvaluatorReplica(Evaluator, Wired):
    PORT = EvaluatorPool

    def __init__(self, settings: Settings) -> None:
        self._queues = Queues()
        self.recording = _begun(settings, "evaluator")
        super().__init__(llm=wiring.llm(settings, self._queues, self.recording.recorder))

    def record_autoscaling_stats(self) -> dict[str, float]:
        """As `GeneratorReplica.record_autoscaling_stats`."""
        return {WAITING: float(self._queues.waiting)}

    async def __del__(self) -> None:
        """As `GeneratorReplica.__del__`."""
        await self.aclose()
        await self.recording.aclose()


class RetrieverReplica(Retriever, Wired):
    PORT = RetrieverPool

    def __init__(self, settings: Settings) -> None:
        self.recording = _begun(settings, "retriever")
        recorder = self.recording.recorder
        self._vectors = wiring.vector_store(settings)
        super().__init__(
            store=self._vectors,
            embedder=wiring.embedder(settings, wiring.embedding_ledger(settings), recorder),
            catalogue=wiring.catalogue(),
            shared=wiring.shared_vectors(settings),
            recorder=recorder,
        )

    async def __del__(self) -> None:
        """As `GeneratorReplica.__del__`; and an embedded store is free for the replica that follows."""
        await self.aclose()
        await self._vectors.aclose()
        await self.recording.aclose()


class SessionStateActor(SessionState):
    """Home of one shard of the sessions, and stand-in for the others."""

    CONCURRENCY: ClassVar = 10_000
    """Far above what a shard has in hand: event streams wait inside the actor."""

    def __init__(self, settings: Settings, app: str, shard: int) -> None:
        self._recording = _begun(settings, "session-state")
        backend = wiring.backend(settings, wiring.redis(settings))
        store = RecordStore(backend, kind="session")
        outage = wiring.outage(settings, store)
        generator, evaluator, retriever = RemoteGenerator(app), RemoteEvaluator(app), RemoteRetriever(app)
        self._pools: Mapping[Component, Checked] = dict(zip(POOLS, (generator, evaluator, retriever), strict=True))
        super().__init__(
            store=store,
            lease=wiring.lease(settings, backend, session_actor_name(shard), outage),
            outage=outage,
            sweep=Sweep(backend, now_ms=wiring.now_ms, forget=retriever.forget),
            work=StepWork(
                generator=generator,
                evaluator=evaluator,
                retriever=retriever,
                deadline_s=settings.step_deadline_s,
                question_deadline_s=settings.question_deadline_s,
            ),
            new_epoch=lambda: secrets.randbits(52),
            now_ms=wiring.now_ms,
            ttl_s=settings.session_ttl_s,
            rollouts=settings.flag_rollouts,
            erasures=measuring.erasures(backend),
            recorder=self._recording.recorder,
        )

    async def wired(self, traceparent: str, method: str, *args: Any) -> bytes:
        """A method's result as `serve_app.wire` writes it; `traceparent` as for the pools. Raises what it raises."""
        self._recording.start()
        with continued(traceparent), span(f"Sessions.{method}", SpanKind.SERVER):
            return wire.encode(await getattr(self, method)(*args))

    async def pool_ready(self, pool: Component) -> None:
        """For the monitor: whoever has a pool's handle reports to Serve for as long as it lives, and this actor has
        them all anyway. Raises what the pool does."""
        await self._pools[pool].ready()


class MonitorActor:
    """Collects what every process has recorded, and tells of alerts; see `actors.monitoring`. Nobody has to call it."""

    CONCURRENCY: ClassVar = 1

    def __init__(self, settings: Settings, app: str, rules: Rules) -> None:
        begin(settings, "monitor")
        step_back()
        redis = wiring.redis(settings)
        sessions = remote_sessions(settings.session_actors, partial(named_actor, app))
        checks: Mapping[Component, Check] = {
            Component.REDIS: RedisBackend(redis).ping,
            Component.SESSIONS: sessions.ready,
            **{pool: partial(sessions.pool_ready, pool) for pool in POOLS},
        }
        monitor = measuring.monitor(settings, redis, checks, rules)
        Thread(target=asyncio.run, args=(monitor.run(),), daemon=True).start()


def _begun(settings: Settings, part: str) -> Recording:
    """How a worker's process begins: what it writes to its log, how it shares the processor, what it records."""
    begin(settings, part)
    step_back()
    return measuring.recording(settings, wiring.redis(settings))


class Ingress:
    """Holds the pools' handles, so that Serve knows them as parts of this application."""

    def __init__(self, generator: DeploymentHandle, evaluator: DeploymentHandle, retriever: DeploymentHandle) -> None:
        self._pools = (generator, evaluator, retriever)


def build(settings: Settings, *, app: str = APPLICATION) -> serve.Application:
    """The whole application, the same for a laptop and a cluster."""
    options = {pool.name: pool.options() for pool in pools(settings, shared=settings.qdrant_url is not None)}
    replicas = {GENERATOR: GeneratorReplica, EVALUATOR: EvaluatorReplica, RETRIEVER: RetrieverReplica}
    bound = {
        name: serve.deployment(replica).options(**options[name]).bind(settings) for name, replica in replicas.items()
    }

    rules = rules_from(settings.alerts)  # here, because no other machine needs to have the file

    def http() -> FastAPI:
        begin(settings, "ingress")
        return create_app(_service(settings, app, rules))

    ingress = serve.deployment(serve.ingress(http)(Ingress)).options(
        **ingress_options(settings), deployment_actors=deployment_actors(settings, app, rules)
    )
    return ingress.bind(bound[GENERATOR], bound[EVALUATOR], bound[RETRIEVER])


def application(args: Mapping[str, Any]) -> serve.Application:
    """What a Serve config file imports: `args` are settings by field name, over the environment."""
    return build(load(**args))


def _service(settings: Settings, app: str, rules: Rules) -> Service:
    redis = wiring.redis(settings)
    backend = wiring.backend(settings, redis)
    calls, plans = (RecordStore(backend, kind=kind) for kind in ("call", "plan"))
    return Service(
        settings=settings,
        sessions=remote_sessions(settings.session_actors),
        generator=RemoteGenerator(app),
        evaluator=RemoteEvaluator(app),
        retriever=RemoteRetriever(app),
        calls=Calls(store=calls, now_ms=wiring.now_ms, ttl_s=settings.key_ttl_s, deadline_s=settings.step_deadline_s),
        plans=PlanBook(store=plans, backend=backend, now_ms=wiring.now_ms, ttl_s=settings.plan_ttl_s),
        now_ms=wiring.now_ms,
        new_id=lambda: uuid.uuid4().hex,
        windows=measuring.windows(backend),
        rules=rules,
        book=measuring.book(backend),
        recording=measuring.recording(settings, redis),
    )


def deployment_actors(settings: Settings, app: str, rules: Rules) -> list[DeploymentActorConfig]:
    """The session actors over the nodes, so that none takes all of them along when it is lost, and the monitor. Ray
    spreads in turn only what one node asks it for, and has a random node ask for an actor that wants nothing: so these
    want a little.

    The arguments are bound into the class: Serve's own would be shown in the dashboard as JSON.
    """

    def actor(name: str, wrapped: Any, *args: Any) -> DeploymentActorConfig:
        class Bound(wrapped):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(settings, app, *args)

        Bound.__name__ = wrapped.__name__
        Bound.__qualname__ = wrapped.__qualname__  # Ray titles a busy process by it
        return DeploymentActorConfig(
            name=name,
            actor_class=ray.remote(Bound),
            actor_options={
                "num_cpus": 0,
                "max_concurrency": wrapped.CONCURRENCY,
                "scheduling_strategy": "SPREAD",
                "memory": SPREAD_BYTES,
            },
        )

    sessions = [actor(session_actor_name(shard), SessionStateActor, shard) for shard in range(settings.session_actors)]
    return sessions if settings.recording == "off" else [*sessions, actor(MONITOR, MonitorActor, rules)]
