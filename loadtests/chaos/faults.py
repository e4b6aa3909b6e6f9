"""What happens to the processes of a run: one fault at a time, drawn from a seed, each undone before the next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loadtests.chaos.actors import WorkerActor
from loadtests.chaos.hosts import Host, Server
from loadtests.chaos.takeovers import Takeovers
from loadtests.chaos.worker import HELD
from serve_app.routing import Lost
from state import journal
from state.outage import SUFFIX

Kind = Literal["kill", "stop", "valkey", "hang", "away"]
"""A worker killed; one stopped past its lease; Valkey killed and started again; stopped; away for long."""
KINDS: tuple[Kind, ...] = ("kill", "stop", "valkey", "hang", "away")
SETTLED_WITHIN_S = 60.0


@dataclass(slots=True, kw_only=True)
class Fault:
    """From when it struck until it was undone; `settled_s` is when no journal was left after Redis had come back,
    `frames` what the journals held when it came."""

    kind: Kind
    struck_s: float
    undone_s: float = 0.0
    settled_s: float = 0.0
    frames: int = 0
    worker: str = ""


class Faults:
    """`away_s` is how long Redis stays away; in about every second of these outages a worker is killed as well."""

    def __init__(
        self,
        hosts: Sequence[Host],
        server: Server,
        takeovers: Takeovers,
        rng: random.Random,
        clock: Callable[[], float],
        *,
        lease_s: float,
        journal_folder: Path,
        away_s: float,
    ) -> None:
        self._hosts = hosts
        self._server = server
        self._takeovers = takeovers
        self._rng = rng
        self._clock = clock
        self._lease_s = lease_s
        self._journal_folder = journal_folder
        self._away_s = away_s
        self.happened: list[Fault] = []

    async def run(self, kinds: Sequence[Kind], over: asyncio.Event, *, most: int | None = None) -> None:
        """Every kind in turn, in an order of its own each time, until it is over or there were enough."""
        while kinds and not over.is_set() and not self._enough(most):
            for kind in self._rng.sample(kinds, len(kinds)):
                await _pause(over, self._rng.uniform(1.0, 2.5))
                if over.is_set() or self._enough(most):
                    return
                await self.strike(kind)

    def _enough(self, most: int | None) -> bool:
        return most is not None and len(self.happened) >= most

    async def strike(self, kind: Kind, *, alone: bool = False) -> Fault:
        """`alone`: no worker is killed while Redis is away."""
        fault = Fault(kind=kind, struck_s=self._clock())
        match kind:
            case "kill":
                await self._kill(fault)
            case "stop":
                await self._stop(fault)
            case "valkey":
                await self._redis_gone(fault, self._rng.uniform(0.0, 0.5))
            case "hang":
                await self._redis_hangs(fault)
            case "away":
                await self._redis_gone(fault, self._away_s, kill=not alone and self._rng.random() < 0.5)
        self.happened.append(fault)
        return fault

    async def _kill(self, fault: Fault) -> None:
        host = self._rng.choice(self._hosts)
        held = await held_by(host)
        fault.worker, fault.struck_s = host.name, self._clock()
        self._takeovers.struck(host, held)
        host.kill()
        await asyncio.sleep(self._rng.uniform(0.0, 1.0))
        host.start()
        fault.undone_s = self._clock()

    async def _stop(self, fault: Fault) -> None:
        """Past its lease, so that others have what it held when it goes on."""
        host = self._rng.choice(self._hosts)
        held = await held_by(host)
        fault.worker, fault.struck_s = host.name, self._clock()
        self._takeovers.struck(host, held)
        host.stop()
        await asyncio.sleep(self._lease_s + self._rng.uniform(0.5, 2.0))
        self._takeovers.back(host)
        host.go_on()
        fault.undone_s = self._clock()

    async def _redis_gone(self, fault: Fault, seconds: float, *, kill: bool = False) -> None:
        await self._server.kill()
        if kill:
            await asyncio.sleep(seconds / 2)
            host = self._rng.choice(self._hosts)
            host.kill()
            host.start()
            await asyncio.sleep(seconds / 2)
        else:
            await asyncio.sleep(seconds)
        fault.frames = frames_in(self._journal_folder)
        await self._server.start()
        await self._redis_back(fault)

    async def _redis_hangs(self, fault: Fault) -> None:
        self._server.stop()
        await asyncio.sleep(self._rng.uniform(1.0, self._lease_s + 1.0))
        fault.frames = frames_in(self._journal_folder)
        self._server.go_on()
        await self._redis_back(fault)

    async def _redis_back(self, fault: Fault) -> None:
        fault.undone_s = self._clock()
        deadline_s = fault.undone_s + SETTLED_WITHIN_S
        while any(self._journal_folder.glob(f"*{SUFFIX}")) and self._clock() < deadline_s:  # noqa: ASYNC110 - files
            await asyncio.sleep(0.01)
        fault.settled_s = self._clock()


async def held_by(host: Host) -> list[str]:
    """The sessions of which a worker has a copy; none where it does not answer."""
    actor = WorkerActor(host, stray=True)
    try:
        async with asyncio.timeout(2.0):
            return [session_id for _, session_id in await actor.once(HELD)]
    except (TimeoutError, Lost):
        return []
    finally:
        await actor.aclose()


def frames_in(folder: Path) -> int:
    return sum(len(journal.read(path).payloads) for path in folder.glob(f"*{SUFFIX}"))


async def _pause(over: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        return
