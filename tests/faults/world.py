"""A seeded world: actors, Redis, a network, clients, and what befalls them; its history is checked at the end."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from serve_app.routing import RoutedSessions
from state.errors import AskwellError, StoreUnavailable
from state.messages import Owner
from state.store import PARTS, part_key
from state.sweep import SECOND_LOOK_MS, Sweep
from tests.faults.actor import LEASE_S, Engine, Incarnation, Surroundings
from tests.faults.clients import Candidate, Client, Eraser, Front, Reader, Watcher
from tests.faults.history import FinalLife, History, Recorder
from tests.faults.loop import SimLoop
from tests.faults.network import Line, Link, Weather
from tests.faults.plan import Plan
from tests.faults.pools import Vectors
from tests.faults.sim_redis import SimRedis
from tests.faults.troubles import Befallen

CLIENTS_S = 7.0
FINALE_S = 120.0


class World(Befallen):
    """One schedule. `troubles` are what the checker does not see: errors that nobody meant, and what got stuck."""

    def __init__(self, plan: Plan, engine: Engine, loop: SimLoop, journals: Path) -> None:
        self.plan = plan
        self.loop = loop
        self.rng = rng = Random(plan.seed)
        self.counts: Counter[str] = Counter()
        self.mended = False
        self.lost_from: int | None = None
        self.troubles: list[str] = []
        self.trace: list[str] = []
        self.recorder = Recorder()
        self._folder = journals if plan.journal else None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
        self.redis = SimRedis(
            scripts=engine.scripts,
            clock=loop.time,
            later=loop.after,
            tick=self.recorder.tick,
            rng=rng,
            durable=plan.durable,
            lag_s=plan.lag_s,
        )
        self.around = Surroundings(
            engine=engine,
            loop=loop,
            rng=rng,
            weather=plan.weather,
            redis=self.redis,
            recorder=self.recorder,
            vectors=Vectors(),
            journal=self._folder,
        )
        self.redis.claimed = self._claimed
        loop.disk_s = lambda: 0.0005 + 0.01 * rng.random() ** 4
        self.numbers: Counter[str] = Counter()
        self.names = [f"session-state-{n}" for n in range(plan.actors)]
        self.actors: dict[str, Incarnation | None] = {}
        self.everyone: list[Incarnation] = []
        for name in self.names:
            self.replace(name)
        self.front = Front(
            ingresses=[
                RoutedSessions(
                    [Line(name, self.actors.get, loop, rng, plan.weather, ingress=number) for name in self.names]
                )
                for number in range(plan.ingresses)
            ],
            recorder=self.recorder,
            rng=rng,
            until=loop.time() + CLIENTS_S,
        )
        self.clients = [client for number in range(plan.sessions) for client in self._clients(f"s{number}")]

    def _clients(self, session_id: str) -> list[Client]:
        about: dict[str, Any] = {"questions": self.plan.questions, "gaps_given": self.plan.gaps_given}
        clients: list[Client] = [
            Candidate(self.front, f"{session_id}-c{n}", session_id, shares=self.plan.shares, **about)
            for n in range(self.plan.candidates)
        ]
        clients.append(Reader(self.front, f"{session_id}-reader", session_id, **about))
        clients.append(Watcher(self.front, f"{session_id}-watcher", session_id, **about))
        if self.plan.erases:
            clients.append(Eraser(self.front, f"{session_id}-eraser", session_id, **about))
        return clients

    async def run(self) -> History:
        for at_s, fault in self.plan.faults:
            self.loop.after(at_s, self.befall, fault)
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(client.run())  # type: ignore[attr-defined]
        await self._heal()
        await self._finale()
        await self._sweep()
        history = self._history()
        self._end()
        return history

    def _claimed(self, session_id: str, owner: str) -> None:
        """Nobody else may still answer for the session: not by its own clock, not from its journal."""
        for actor in self.everyone:
            if actor.process.alive and actor.lease.owner != owner and actor.answers_for(session_id):
                self.around.raised.append(f"two owners: {session_id}: {owner} claims it from {actor.lease.owner}")

    # the end

    async def _heal(self) -> None:
        self.note("everything is mended")
        self.mended = True
        self.redis.node.away = ""
        for actor in self.everyone:
            actor.link.up, actor.link.behind = True, None
            actor.thaw()
            actor.mend()
            if self.actors.get(actor.name) is not actor:
                self.loop.after(LEASE_S, actor.die, self.rng)  # the supervisor has found the zombie
        for name in self.names:
            self.back(name)
        await asyncio.sleep(LEASE_S / 2)

    async def _finale(self) -> None:
        """Everything that is still open gets a definite answer whatever the weather, and the journals are settled once
        it clears up: as long as a tenth of what is sent to Redis gets lost, one actor or another has one."""
        self.front.until = self.loop.time() + FINALE_S
        try:
            async with asyncio.timeout(FINALE_S):
                for client in self.clients:
                    for again in list(client.open_keys.values()):
                        await again()
                for session_id in dict.fromkeys(client.session_id for client in self.clients):
                    last = next(client for client in self.clients if client.session_id == session_id)
                    await last.read(tries=1000)
                    await last.watch(0, 0)
                self.plan.weather.clear_up()
                while self._folder is not None and list(self._folder.glob("*.wal")):
                    with suppress(AskwellError):  # the probes of those who run the service
                        await self.front.ingresses[0].ready()
                    await asyncio.sleep(0.2)
        except TimeoutError:
            left = sorted(key for client in self.clients for key in client.open_keys)
            files = [] if self._folder is None else [path.name for path in self._folder.glob("*.wal")]
            self.troubles.append(f"stuck: keys {left}, journals {files}")

    def _history(self) -> History:
        node = self.redis.node
        database = node.database
        database.now_ms = self.redis.now_ms()
        lives: dict[str, list[FinalLife]] = {}
        leftovers: dict[str, tuple[str, ...]] = {}
        for session_id in sorted({client.session_id for client in self.clients}):
            log = part_key("session", session_id, "log").encode()
            lives[session_id] = [
                FinalLife(
                    entries=tuple(written.entry for written in life.written),
                    outcomes=dict(life.outcomes),
                    state=life.written[-1].state if life.written else b"",
                    erased=life.erased,
                    stale=sum(not written.rightful for written in life.written),
                )
                for life in node.lives.get(session_id, [])
            ]
            if lives[session_id] and not lives[session_id][-1].erased:
                stored = tuple(row[1][1] for row in database.xrange(log, b"-", b"+"))
                if stored != lives[session_id][-1].entries:
                    self.troubles.append(f"{session_id}: the stored log is not what was committed")
            elif left := [part for part in PARTS if database.exists(part_key("session", session_id, part).encode())]:
                leftovers[session_id] = tuple(left)
        if self._folder is not None:
            self.around.raised += [f"conflict: {path.name}" for path in sorted(self._folder.glob("conflicts/*"))]
        if self.lost_from is None:  # else leases may have been lost too, and what the journal's commits were based on
            self.troubles += self.around.raised
        self.troubles += self.loop.unseen
        self.counts["refused"] += node.refused
        return History(
            operations=self.recorder.operations,
            lives=lives,
            model_calls=self.recorder.model_calls,
            kept=self.recorder.kept_at,
            vectors={name: tuple(sorted(found)) for name, found in sorted(self.around.vectors.kept.items())},
            leftovers=leftovers,
        )

    async def _sweep(self) -> None:
        """The second look at what was erased, once it is due."""
        link = Link(self.redis, self.loop, self.rng, Weather())
        due_ms = 1_760_000_000_000 + int(self.loop.now * 1000) + SECOND_LOOK_MS + 1000

        async def forget(owner: Owner) -> None:
            self.around.vectors.kept.pop(owner.session_id, None)

        sweep = Sweep(link, now_ms=lambda: due_ms, forget=forget)
        while True:
            with suppress(StoreUnavailable):  # its follower was slow
                await sweep.sweep()
                return

    def _end(self) -> None:
        for actor in self.everyone:
            actor.die(self.rng)
