"""A run: workers, a server and candidates, faults meanwhile, and the reckoning when all is quiet again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from redis.asyncio import Redis

from loadtests.chaos.actors import WorkerActor
from loadtests.chaos.candidates import Candidate, Habits, Traffic
from loadtests.chaos.faults import Fault, Faults, Kind
from loadtests.chaos.hosts import Host, Server
from loadtests.chaos.notes import Note, awake_s, read_notes
from loadtests.chaos.recording import Recording
from loadtests.chaos.takeovers import Takeovers
from loadtests.chaos.worker import Orders
from serve_app.routing import RoutedSessions
from state.backend import connect
from tests.faults.checker import Violation, check
from tests.faults.history import History

CHECKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`journal` is the single-server setting: all workers share one journal folder. `believes` has owners take no
    notice of their leases. No session begins after `seconds`; before that, candidates come until all sessions are
    begun, and as many faults have struck as there are to be."""

    sessions: int
    seed: int = 1
    seconds: float = 330.0
    faults: tuple[Kind, ...] = ()
    most_faults: int | None = None
    at_once: int = 40
    workers: int = 3
    routers: int = 2
    lease_s: float = 3.0
    latency_s: float = 0.03
    away_s: float = 6.0
    journal: bool = True
    believes: bool = False
    habits: Habits = field(default_factory=Habits)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a run left: `sessions` that were opened, `took_s` and `disturbed_s` the takeovers
    (`Takeovers.took_s`), `conflicts` and `torn` the journal's."""

    setting: Setting
    seconds: float = 0.0
    sessions: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    disturbed_s: list[float] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    history: History = field(default_factory=History)
    conflicts: int = 0
    torn: int = 0


class Theatre:
    """The processes of a run, and the ways to them."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.setting = setting
        self.folder = folder
        self.journal = folder / "journal"
        self.takeovers = Takeovers(awake_s)
        self.rng = random.Random(setting.seed)  # noqa: S311 - repeats a run, guards nothing
        self.traffic = Traffic()
        self.hosts: list[Host] = []
        self.routers: list[RoutedSessions] = []
        self.server: Server
        self.redis: Redis
        self.recording: Recording
        self.faults: Faults

    def candidate(self, number: int, habits: Habits | None = None) -> Candidate:
        rng = random.Random(f"{self.setting.seed}/{number}")  # noqa: S311 - as above
        habits = habits or self.setting.habits
        return Candidate(self.routers, self.recording, self.traffic, rng, habits, number=number)

    async def reckoned(self, candidates: Sequence[Candidate], began_s: float) -> Outcome:
        """To be called when nothing is under way."""
        ended_s = awake_s()
        notes = read_notes(self.folder)
        history = await self.recording.history([one.session_id for one in candidates], notes)
        violations = await _judged(history)
        took_s, disturbed_s = self.takeovers.took_s(
            self.traffic.asked_at, [fault.struck_s for fault in self.faults.happened]
        )
        return Outcome(
            setting=self.setting,
            seconds=ended_s - began_s,
            sessions=len(history.lives),
            traffic=self.traffic,
            faults=self.faults.happened,
            notes=notes,
            took_s=took_s,
            disturbed_s=disturbed_s,
            violations=violations,
            history=history,
            conflicts=len(list(self.journal.glob("conflicts/*"))),
            torn=len(list(self.journal.glob("torn/*"))),
        )


async def drill(setting: Setting, folder: Path) -> Outcome:
    """Candidates come until there are enough or the time is up; faults strike until the last one has gone."""
    async with theatre(setting, folder) as stage:
        began_s, over = awake_s(), asyncio.Event()
        striking = asyncio.create_task(stage.faults.run(setting.faults, over, most=setting.most_faults))
        candidates: list[Candidate] = []

        def due() -> bool:
            return setting.most_faults is not None and not striking.done()

        async def slot() -> None:
            while awake_s() < began_s + setting.seconds and (len(candidates) < setting.sessions or due()):
                candidate = stage.candidate(len(candidates))
                candidates.append(candidate)
                await candidate.interview()

        await asyncio.gather(*(slot() for _ in range(setting.at_once)))
        over.set()
        await striking
        return await stage.reckoned(candidates, began_s)


async def drill_away(setting: Setting, folder: Path) -> Outcome:
    """All candidates at once; when every session is open Redis goes away, once, and sessions go on without it."""
    async with theatre(setting, folder) as stage:
        began_s = awake_s()
        candidates = [stage.candidate(number) for number in range(setting.sessions)]
        interviews = [asyncio.create_task(candidate.interview()) for candidate in candidates]
        while stage.traffic.counts["opened"] < setting.sessions:  # noqa: ASYNC110 - they are no events
            await asyncio.sleep(0.1)
        await stage.faults.strike("away", alone=True)
        await asyncio.gather(*interviews)
        return await stage.reckoned(candidates, began_s)


@asynccontextmanager
async def theatre(setting: Setting, folder: Path) -> AsyncIterator[Theatre]:
    """Everything started; ended again afterwards, whatever state it is in."""
    stage = Theatre(setting, folder)
    async with AsyncExitStack() as opened:
        stage.server = Server(folder / "valkey")
        opened.push_async_callback(stage.server.aclose)
        await stage.server.start()
        stage.redis = connect(stage.server.url)
        opened.push_async_callback(stage.redis.aclose)
        stage.recording = Recording(stage.redis, awake_s)
        for number in range(setting.workers):
            orders = Orders(
                name=f"session-state-{number}",
                redis_url=stage.server.url,
                socket=folder / f"{number}.sock",
                notes=folder,
                log=folder,
                lease_s=setting.lease_s,
                journal=stage.journal if setting.journal else None,
                believes=setting.believes,
                latency_s=setting.latency_s,
            )
            host = Host(orders, folder)
            opened.callback(host.kill)
            host.start()
            stage.hosts.append(host)
        for _ in range(setting.routers):
            actors = [WorkerActor(host, stage.takeovers.answered) for host in stage.hosts]
            for actor in actors:
                opened.push_async_callback(actor.aclose)
            stage.routers.append(RoutedSessions(actors))
        stage.faults = Faults(
            stage.hosts,
            stage.server,
            stage.takeovers,
            stage.rng,
            awake_s,
            lease_s=setting.lease_s,
            journal_folder=stage.journal,
            away_s=setting.away_s,
        )
        yield stage


async def _judged(history: History) -> list[Violation]:
    """The checker's verdict; it judges sessions alone, so that they can be dealt out to several processes."""
    parts = [History(kept=history.kept) for _ in range(CHECKERS)]
    of: dict[str, History] = {}

    def part(session_id: str) -> History:
        return of.setdefault(session_id, parts[len(of) % CHECKERS])

    for operation in history.operations:
        part(operation.session_id).operations.append(operation)
    for session_id, lives in history.lives.items():
        part(session_id).lives[session_id] = lives
    for call in history.model_calls:
        part(call.session_id).model_calls.append(call)
    for session_id, left in history.leftovers.items():
        part(session_id).leftovers[session_id] = left
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(CHECKERS, mp_context=get_context("forkserver")) as pool:
        found = await asyncio.gather(*(loop.run_in_executor(pool, check, one) for one in parts))
    return [violation for violations in found for violation in violations]
