"""Owners that were stopped, replaced, and go on as if nothing had happened: what they still try, and what comes of it.

These owners take no notice of their leases, and their callers' side of the network is cut, so that routers have
given them up; strays still reach them and go by what they tell. Fencing alone stands between them and the record.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.chaos.actors import WorkerActor
from loadtests.chaos.candidates import TENANT, Candidate, Habits, new_key, sayable
from loadtests.chaos.drill import Outcome, Setting, Theatre, theatre
from loadtests.chaos.faults import held_by
from loadtests.chaos.hosts import Host
from loadtests.chaos.notes import COMMITTED, awake_s, of_kind, read_notes
from serve_app.routing import Lost
from state.errors import AskwellError, RetryLater
from state.model import Session
from state.outcomes import Caller
from state.session_actor import Reply

PARKED = Habits(parked=True, copies=0.0, watched=0.0)
AT_ONCE = 20
REFUSALS = frozenset({"fenced", "stale", "gone"})


@dataclass(slots=True, kw_only=True)
class Haunting:
    """`refused` counts commits that Redis refused to zombies, `landed` what got into a record nevertheless: commits
    of replaced owners, and keys of strays that were told that nothing came of them."""

    outcome: Outcome
    zombies: int
    refused: int
    landed: int


@dataclass(slots=True)
class _Seance:
    """What strays were told: the keys that were refused, by session."""

    stage: Theatre
    refused: list[tuple[str, str]] = field(default_factory=list)
    risen: list[tuple[str, float]] = field(default_factory=list)


async def haunt(setting: Setting, folder: Path, *, attempts: int, parked: int, most_rounds: int) -> Haunting:
    """One zombie after another, until they have tried often enough. `parked` sessions wait with open questions."""
    async with theatre(setting, folder) as stage:
        began_s, over = awake_s(), asyncio.Event()
        waiting = [stage.candidate(number, PARKED) for number in range(parked)]
        await _some_at_once(waiting)
        busy: list[Candidate] = []

        async def slot() -> None:
            while not over.is_set():
                candidate = stage.candidate(parked + len(busy))
                busy.append(candidate)
                await candidate.interview()

        slots = [asyncio.create_task(slot()) for _ in range(setting.at_once)]
        seance = _Seance(stage)
        for _ in range(most_rounds):
            await _one_zombie(seance)
            if _refused(seance) >= attempts:
                break
        over.set()
        await asyncio.gather(*slots)
        outcome = await stage.reckoned([*waiting, *busy], began_s)
        landed = sum(life.stale for lives in outcome.history.lives.values() for life in lives)
        for session_id, key in seance.refused:
            landed += any(key in life.outcomes for life in outcome.history.lives.get(session_id, []))
        return Haunting(outcome=outcome, zombies=len(seance.risen), refused=_refused(seance), landed=landed)


async def _one_zombie(seance: _Seance) -> None:
    stage = seance.stage
    host = stage.rng.choice(stage.hosts)
    held = await held_by(host)
    stage.takeovers.struck(host, held)
    host.stop()
    await asyncio.sleep(stage.setting.lease_s + 0.2)
    await _taken_over(stage, held)
    host.cut = True
    seance.risen.append((f"{host.name}.{host.life}", awake_s()))
    host.go_on()
    await _strays(seance, host)
    host.kill()
    host.cut = False
    host.start()


async def _taken_over(stage: Theatre, session_ids: Sequence[str]) -> None:
    """Somebody asks for each of them, so that each has another owner."""
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(session_id: str) -> None:
        async with places:
            while True:
                try:
                    await stage.routers[0].read(TENANT, session_id)
                except RetryLater:
                    await asyncio.sleep(0.05)
                except AskwellError:
                    return  # erased
                else:
                    return

    await asyncio.gather(*map(ask, session_ids))


async def _strays(seance: _Seance, host: Host) -> None:
    """They ask the zombie for every session that it has a copy of, and reply to the first question that is open."""
    actor = WorkerActor(host, stray=True)
    places = asyncio.Semaphore(AT_ONCE)

    async def stray(session_id: str) -> None:
        async with places:
            try:
                session: Session = await actor.once("read", TENANT, session_id)
                await _reply(seance, actor, session)
            except (AskwellError, Lost):
                return

    await asyncio.gather(*map(stray, await held_by(host)))
    await actor.aclose()


async def _reply(seance: _Seance, actor: WorkerActor, session: Session) -> None:
    stage = seance.stage
    for question in session.questions:
        event = sayable(question, stage.rng)
        if event is None:
            continue
        caller = Caller(tenant=TENANT, key=new_key(stage.rng), fingerprint="stray", request_id=uuid.uuid4().hex)
        operation = stage.recording.begin(
            session.id, "reply", client="stray", key=caller.key, question_id=question.id, event=type(event).__name__
        )
        try:
            answer = await actor.once(
                "reply", Reply(session_id=session.id, question_id=question.id, caller=caller, event=event)
            )
        except RetryLater:
            seance.refused.append((session.id, caller.key))
        else:
            stage.recording.answered(operation, answer)
        return


async def _some_at_once(candidates: Sequence[Candidate]) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(candidate: Candidate) -> None:
        async with places:
            await candidate.interview()

    await asyncio.gather(*map(one, candidates))


def _refused(seance: _Seance) -> int:
    """Commits that Redis refused to zombies after they had risen."""
    risen = dict(seance.risen)
    notes = of_kind(read_notes(seance.stage.folder), COMMITTED)
    return sum(note.told[-1] in REFUSALS and note.at_s >= risen[note.worker] for note in notes if note.worker in risen)
