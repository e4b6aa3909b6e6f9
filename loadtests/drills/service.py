"""The whole service in one process: real HTTP, real Redis, real SDKs, the pools called directly.

What a cluster adds (replicas, their deaths, scaling) is not here; everything that decides what a
candidate sees is.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from redis.asyncio import Redis

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.llm import LLM
from actors.retriever import Retriever
from actors.vectors import MemoryVectorStore
from loadtests.provider_stub.server import KEPT_ALIVE_S
from serve_app import measuring, wiring
from serve_app.http.app import create_app
from serve_app.http.service import Service
from serve_app.settings import Settings
from state.alerts.rules import rules_from
from state.backend import RedisBackend
from state.calls import Calls
from state.lease import Lease
from state.plans import PlanBook
from state.session_actor import SessionState
from state.steps import StepWork
from state.store import RecordStore
from state.sweep import Sweep


@asynccontextmanager
async def serving(settings: Settings, redis: Redis, llm: LLM) -> AsyncIterator[str]:
    """Serve on a free port of loopback; the address. `llm` is the caller's, and stays open."""
    generator = Generator(llm=llm, plain=wiring.offline_llm())
    evaluator = Evaluator(llm=llm)
    retriever = Retriever(store=MemoryVectorStore(), embedder=wiring.embedder(settings), catalogue=wiring.catalogue())
    work = StepWork(
        generator=generator,
        evaluator=evaluator,
        retriever=retriever,
        deadline_s=settings.step_deadline_s,
        question_deadline_s=settings.question_deadline_s,
    )
    backend = RedisBackend(redis)
    sessions = SessionState(
        store=RecordStore(backend, kind="session"),
        work=work,
        lease=Lease(
            backend, name="session-state-0", new_nonce=lambda: uuid.uuid4().hex, lease_s=60, clock=time.monotonic
        ),
        sweep=Sweep(backend, now_ms=wiring.now_ms, forget=retriever.forget),
        new_epoch=lambda: secrets.randbits(52),
        now_ms=wiring.now_ms,
        ttl_s=settings.session_ttl_s,
        rollouts=settings.flag_rollouts,
    )
    calls, plans = (RecordStore(backend, kind=kind) for kind in ("call", "plan"))
    service = Service(
        settings=settings,
        sessions=sessions,
        generator=generator,
        evaluator=evaluator,
        retriever=retriever,
        calls=Calls(store=calls, now_ms=wiring.now_ms, ttl_s=settings.key_ttl_s, deadline_s=settings.step_deadline_s),
        plans=PlanBook(store=plans, backend=backend, now_ms=wiring.now_ms, ttl_s=settings.plan_ttl_s),
        windows=measuring.windows(backend),
        rules=rules_from(settings.alerts),
        book=measuring.book(backend),
        now_ms=wiring.now_ms,
        new_id=lambda: uuid.uuid4().hex,
    )
    config = uvicorn.Config(
        create_app(service),
        port=0,
        log_level="error",
        lifespan="off",
        access_log=False,
        timeout_keep_alive=KEPT_ALIVE_S,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        await sessions.aclose()
