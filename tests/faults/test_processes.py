"""Real processes under faults, for as long as a test may take; `python -m loadtests.chaos` is the long run of it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.chaos.candidates import CV, JOB, TENANT
from loadtests.chaos.drill import Setting, Theatre, drill, theatre
from loadtests.chaos.faults import frames_in, held_by
from loadtests.chaos.figures import broken, figures
from loadtests.chaos.hosts import Host
from loadtests.chaos.notes import awake_s
from loadtests.chaos.zombies import haunt
from serve_app.wiring import awake_s as the_services_clock
from state.errors import RetryLater
from state.events import InputsGiven, SaidYes
from state.model import Question, Step
from state.outcomes import Caller
from state.session_actor import OpenSession, Reply
from tests.conftest import caller

WITHIN_S = 15.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="aw-") as name:
        yield Path(name)


async def test_sessions_under_every_fault_lose_nothing_and_do_nothing_twice(folder: Path) -> None:
    setting = Setting(
        sessions=30,
        faults=("kill", "stop", "valkey", "away"),
        most_faults=4,
        at_once=8,
        lease_s=1.5,
        away_s=3.0,
        seconds=60,
    )
    outcome = await drill(setting, folder)
    found = figures(outcome)
    assert [str(violation) for violation in outcome.violations] == []
    assert broken(found) == []
    assert {fault.kind for fault in outcome.faults} == set(setting.faults)
    assert found["duplicate, concurrent or reordered requests"] > 200
    assert found["takeover, s: count"] > 0


async def test_what_owners_try_after_they_were_replaced_is_refused_though_they_mind_no_lease(folder: Path) -> None:
    setting = Setting(sessions=0, believes=True, journal=False, lease_s=1.0, workers=2, at_once=2)
    haunting = await haunt(setting, folder, attempts=5, parked=12, most_rounds=10)
    assert haunting.refused >= 5
    assert haunting.landed == 0
    found = figures(haunting.outcome)
    assert [found[name] for name in ("acknowledged steps lost", "steps doubled", "stale commits landed")] == [0, 0, 0]


async def test_a_worker_killed_in_an_outage_leaves_a_journal_that_is_settled_before_its_sessions_are_claimed(
    folder: Path,
) -> None:
    setting = Setting(sessions=0, workers=2, lease_s=1.0, latency_s=0.0)
    async with theatre(setting, folder) as stage:
        await _prompted(stage)
        owner = await _owner(stage)
        await stage.server.kill()
        given = await _insist(lambda by: stage.routers[0].reply(_inputs(by)), "inputs")
        assert given.step in {Step.ACCEPTED, Step.NEEDS_REFINEMENT}
        assert frames_in(stage.journal) >= 3
        owner.kill()
        await stage.server.start()
        found = await _insist(lambda _: stage.routers[0].read(TENANT, "s1"), "")
        assert found.require("q1") == given
        assert list(stage.journal.glob("*.wal")) == []
        assert list(stage.journal.glob("conflicts/*")) == []


async def test_without_a_journal_a_reply_is_refused_while_redis_is_away_and_taken_when_it_is_back(
    folder: Path,
) -> None:
    async with theatre(Setting(sessions=0, workers=2, journal=False, latency_s=0.0), folder) as stage:
        prompted = await _prompted(stage)
        await stage.server.kill()
        with pytest.raises(RetryLater):
            await stage.routers[0].reply(_inputs(_caller("inputs")))
        await stage.server.start()
        found = await _insist(lambda _: stage.routers[0].read(TENANT, "s1"), "")
        assert found.require("q1") == prompted
        given = await _insist(lambda by: stage.routers[0].reply(_inputs(by)), "inputs")
        assert given.step in {Step.ACCEPTED, Step.NEEDS_REFINEMENT}


def test_the_workers_clock_is_the_services_clock() -> None:
    assert abs(awake_s() - the_services_clock()) < 1.0


async def _prompted(stage: Theatre) -> Question:
    """Session s1, and its question q1 once it has its prompts."""
    opening = OpenSession(session_id="s1", caller=_caller("open"), user="", cv=CV, job=JOB, gaps=None, max_questions=1)
    await _insist(lambda _: stage.routers[0].create(opening), "open")
    return await _insist(
        lambda by: stage.routers[0].reply(Reply(session_id="s1", question_id="q1", caller=by, event=SaidYes())), "yes"
    )


def _inputs(by: Caller) -> Reply:
    event = InputsGiven(inputs={"context": "Work", "achievement": "Moved services into a cluster."})
    return Reply(session_id="s1", question_id="q1", caller=by, event=event)


async def _owner(stage: Theatre) -> Host:
    for host in stage.hosts:
        if "s1" in await held_by(host):
            return host
    raise AssertionError("nobody holds the session")


async def _insist(ask: Callable[[Caller], Awaitable[Any]], key: str) -> Any:
    """The answer, asked for with the same key for as long as it is to be had later."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await ask(_caller(key))
            except RetryLater:
                await asyncio.sleep(0.05)


def _caller(key: str) -> Caller:
    return caller(key, tenant=TENANT)
