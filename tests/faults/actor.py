"""A session-state actor in a simulated process: the real engine over ports that fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from serve_app.routing import Lost
from state import journal
from state.errors import AskwellError
from state.lease import Lease
from state.outage import Outage
from state.paid import StoredPaidResults
from state.session_actor import SessionState
from state.steps import StepWork
from state.store import RecordStore, part_key
from state.sweep import Sweep
from tests.faults.history import Recorder
from tests.faults.loop import Process, SimLoop
from tests.faults.lua import Scripts
from tests.faults.network import Link, Weather
from tests.faults.pools import RecordingPaid, SimModel, SimPools, Vectors
from tests.faults.sim_redis import SimRedis

LEASE_S = 3.0
ROLLOUTS = {
    "use_batch_generation": 100.0,
    "dynamic_quality_thresholds": 100.0,
    "parallel_rag_searches": 100.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the engine under test; a planted fault is another part in the place of one."""

    scripts: Scripts = field(default_factory=Scripts)
    link: type[Link] = Link
    store: type[RecordStore] = RecordStore
    lease: type[Lease] = Lease
    outage: type[Outage] = Outage
    state: type[SessionState] = SessionState
    paid: Callable[[Link], Any] = StoredPaidResults


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What all processes of one world share. `journal` is the folder of the machine's journals, if it has any."""

    engine: Engine
    loop: SimLoop
    rng: Random
    weather: Weather
    redis: SimRedis
    recorder: Recorder
    vectors: Vectors
    journal: Path | None
    epochs: int = 0
    raised: list[str] = field(default_factory=list)

    def new_epoch(self) -> int:
        self.epochs += 1
        return self.epochs * 1000


class Incarnation:
    """One life of an actor. Its clocks run at a speed and to a time of their own."""

    def __init__(self, around: Surroundings, name: str, number: int) -> None:
        loop, rng, engine = around.loop, around.rng, around.engine
        self._around = around
        self.name = name
        self.process = process = Process(f"{name}#{number}", loop)
        self.cut_for: set[int] = set()
        self.waiting: list[asyncio.Future[Any]] = []
        self.at_heal: list[Callable[[], None]] = []
        self.raised = around.raised
        speed, ahead_ms = rng.uniform(0.97, 1.03), rng.randrange(-50, 50)
        self.link = engine.link(around.redis, loop, rng, around.weather, process)
        store = engine.store(self.link, kind="session")
        self.outage = None if around.journal is None else engine.outage(store, around.journal)

        def now_ms() -> int:
            return 1_760_000_000_000 + ahead_ms + int(loop.now * 1000)

        self.lease = engine.lease(
            self.link,
            name=name,
            new_nonce=lambda: f"{number}-{around.recorder.tick()}",
            lease_s=LEASE_S,
            clock=lambda: loop.now * speed,
            standby=self.outage,
        )
        model = SimModel(around.recorder, rng, around.weather, is_owner=self._is_owner, life=around.redis.life)
        kept = engine.paid(Link(around.redis, loop, rng, around.weather))
        paid = RecordingPaid(kept, around.recorder, around.redis.life)
        pools = SimPools(model, paid, around.vectors, loop=loop, rng=rng, weather=around.weather, process=process)
        self.state = engine.state(
            store=store,
            lease=self.lease,
            sweep=Sweep(self.link, now_ms=now_ms, forget=pools.forget),
            work=StepWork(generator=pools, evaluator=pools, retriever=pools, deadline_s=4.0, question_deadline_s=2.0),
            new_epoch=around.new_epoch,
            now_ms=now_ms,
            ttl_s=36_000,
            rollouts=ROLLOUTS,
            outage=self.outage,
            max_held=2,
        )
        process.start(self._ready())

    async def _ready(self) -> None:
        with suppress(AskwellError):
            await self.state.ready()

    def _is_owner(self, session_id: str) -> bool:
        """Whether Redis says that the session is this one's."""
        database = self._around.redis.node.database
        owner = database.hget(part_key("session", session_id, "record").encode(), b"owner")
        return self.process.alive and owner == self.lease.owner.encode()

    def answers_for(self, session_id: str) -> bool:
        """Whether a request that came now would be answered from a copy."""
        return self.lease.valid() and session_id in self.state._sessions._held

    def answered(self) -> None:
        """Whatever it holds at this moment is nobody else's."""
        database = self._around.redis.node.database
        for session_id in self.state._sessions._held if self.lease.valid() else ():
            owner = database.hget(part_key("session", session_id, "record").encode(), b"owner")
            if owner not in {None, b"", self.lease.owner.encode()}:
                self.raised.append(f"two owners: {session_id}: {self.lease.owner} answers for it, {owner!r} owns it")

    def freeze(self) -> None:
        if self.process.alive:
            self.process.freeze()

    def thaw(self) -> None:
        if self.process.frozen:
            self.process.thaw()
            if not self.cut_for:
                self._heal()

    def cut(self, ingresses: Iterable[int]) -> None:
        """Off from those who ask it."""
        self.cut_for.update(ingresses)

    def mend(self) -> None:
        self.cut_for.clear()
        if not self.process.frozen:
            self._heal()

    def die(self, rng: Random) -> None:
        """As under SIGKILL. A write to the journal that was under way may have got to the disk in part."""
        if not self.process.alive:
            return
        file = None if self.outage is None else self.outage._file
        if file is not None:
            if (writing := self.process.writing) is not None and writing.args[0] == file.append:
                frames = b"".join(map(journal.frame, writing.args[1]))
                os.write(file._descriptor, frames[: rng.randrange(len(frames) + 1)])
            file.close()
        self.process.kill()
        self._heal()
        self.given_up()

    def given_up(self) -> None:
        """Those who wait for it are told that it is gone, alive or not."""
        for reply in self.waiting:
            self._around.loop.after(0.05 + self._around.rng.random() * 0.5, _lose, reply)
        self.waiting.clear()

    def _heal(self) -> None:
        waiting, self.at_heal[:] = list(self.at_heal), []
        for action in waiting:
            action()


def _lose(reply: asyncio.Future[Any]) -> None:
    if not reply.done():
        reply.set_exception(Lost("The actor is gone."))
