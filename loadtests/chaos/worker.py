"""One session-state actor as a process of its own, which can be killed, stopped and started again.

It answers over a Unix socket, many calls at a time, each in a task that goes on when its caller goes away:
what Ray does with an actor's methods. Frames are a length and a pickle, and both ends are this package.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import pickle
import random
import secrets
import signal
import struct
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.paid import PaidOnce
from loadtests.chaos.notes import CLAIMED, COMMITTED, STOPPED, Notebook, awake_s, now_ms
from loadtests.chaos.pools import MeteredLLM, NotedResults, PlainRetriever
from state.backend import Argument, Backend, RedisBackend, connect
from state.errors import AskwellError, Broken
from state.flags import DEFAULT_ROLLOUTS
from state.lease import Lease
from state.outage import Outage
from state.paid import StoredPaidResults
from state.session_actor import SessionState
from state.steps import StepWork
from state.store import RecordStore
from state.sweep import Sweep

METHODS = frozenset({"create", "read", "reply", "watch", "erase", "take_over", "here", "ready"})
HELD = "held"
"""Beside the actor's own methods: the (tenant, session id) pairs of which it has a copy."""
LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All that a worker is told. `journal` is the folder shared by the workers of a single-server setting;
    `believes` has its owner take no notice of its lease, so that fencing alone has to hold."""

    name: str
    redis_url: str
    socket: Path
    notes: Path
    log: Path
    lease_s: float = 3.0
    journal: Path | None = None
    believes: bool = False
    latency_s: float = 0.03
    failing_share: float = 0.02
    inventing_share: float = 0.1
    ttl_s: float = 86_400.0


class NotedBackend:
    """Implements `Backend` over another, and notes what becomes of commits."""

    def __init__(self, inner: Backend, notebook: Notebook) -> None:
        self._inner = inner
        self._notebook = notebook

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        answer = await self._inner.write(script, keys, args)
        if script == "commit.lua":
            self._notebook.note(COMMITTED, _session_of(keys), str(args[0]), str(args[2]), answer.decode())
        elif script == "claim.lua" and answer is not None and answer[0] == b"ok":
            self._notebook.note(CLAIMED, _session_of(keys), answer[1].decode())
        return answer

    async def read(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        return await self._inner.read(script, keys, args)

    async def ping(self) -> None:
        await self._inner.ping()

    async def aclose(self) -> None:
        await self._inner.aclose()


class NotedLease(Lease):
    """Notes every call that the lease of a former life has stopped."""

    notebook: Notebook

    async def hold(self) -> None:
        owner, stood = self.owner, self.valid()
        await super().hold()
        if not stood and owner != self.owner:
            self.notebook.note(STOPPED, owner)


class BelievedLease(NotedLease):
    """A lease that its owner believes to stand for ever, whatever its clock and Redis say."""

    def valid(self) -> bool:
        return self._began

    async def _renew(self) -> None:
        await self._asked_to_renew(anew=not self._began)
        self._began = True


def run(orders: Orders) -> None:
    """The process, until it is killed. It ends with the process that it was forked from."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = os.open(orders.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(os.fdopen(os.dup(log), "w", buffering=1)),
    )
    asyncio.run(_serve(orders))


def session_state(orders: Orders, notebook: Notebook, redis: Redis) -> SessionState:
    """As `serve_app.deployments.SessionStateActor`, over pools in this process."""
    backend = NotedBackend(RedisBackend(redis), notebook)
    store = RecordStore(backend, kind="session")
    outage = None if orders.journal is None else Outage(store, orders.journal)
    retriever = PlainRetriever()
    rng = random.Random()  # noqa: S311 - spreads delays
    model = MeteredLLM(
        notebook,
        rng,
        latency_s=orders.latency_s,
        failing_share=orders.failing_share,
        inventing_share=orders.inventing_share,
    )
    plain = MeteredLLM(None, rng)
    paid = PaidOnce(model, paid=NotedResults(StoredPaidResults(backend), notebook), patience_s=0.25)
    lease = (BelievedLease if orders.believes else NotedLease)(
        backend,
        name=orders.name,
        new_nonce=lambda: f"{os.getpid()}-{uuid.uuid4().hex}",
        lease_s=orders.lease_s,
        clock=awake_s,
        standby=outage,
    )
    lease.notebook = notebook
    return SessionState(
        store=store,
        lease=lease,
        outage=outage,
        sweep=Sweep(backend, now_ms=now_ms, forget=retriever.forget),
        work=StepWork(
            generator=Generator(llm=paid, plain=plain),
            evaluator=Evaluator(llm=paid),
            retriever=retriever,
            deadline_s=60.0,
            question_deadline_s=30.0,
        ),
        new_epoch=lambda: secrets.randbits(52),
        now_ms=now_ms,
        ttl_s=orders.ttl_s,
        rollouts=DEFAULT_ROLLOUTS,
    )


def frame(message: object) -> bytes:
    packed = pickle.dumps(message)
    return LENGTH.pack(len(packed)) + packed


async def read_frame(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises `asyncio.IncompleteReadError` or `OSError` at the connection's end."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from this package, on a socket of its own


async def _serve(orders: Orders) -> None:
    notebook = Notebook(orders.notes, awake_s)
    state = session_state(orders, notebook, connect(orders.redis_url))
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                number, method, args, kwargs = await read_frame(reader)
                task = asyncio.create_task(_answer(state, writer, number, method, args, kwargs))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    orders.socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(connected, orders.socket)
    async with server:
        await server.serve_forever()


async def _answer(  # noqa: PLR0917 - a frame's fields
    state: SessionState,
    writer: asyncio.StreamWriter,
    number: int,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    try:
        answer = frame((number, True, await _called(state, method)(*args, **kwargs)))
    except AskwellError as error:
        answer = frame((number, False, error))
    except Exception as error:  # noqa: BLE001 - a caller in another process is told of any
        structlog.get_logger().exception("method_failed", method=method)
        answer = frame((number, False, Broken(f"{method} failed: {type(error).__name__}")))
    if not writer.is_closing():
        writer.write(answer)


def _called(state: SessionState, method: str) -> Callable[..., Any]:
    if method == HELD:
        return lambda: _held(state)
    if method not in METHODS:
        raise Broken(f"No method {method}.")
    called: Callable[..., Any] = getattr(state, method)
    return called


async def _held(state: SessionState) -> list[tuple[str, str]]:
    held = state._sessions._held.values()
    return [(one.session.tenant, one.session.id) for one in held]


def _session_of(keys: Sequence[str]) -> str:
    return keys[0].partition("{session:")[2].partition("}")[0]
