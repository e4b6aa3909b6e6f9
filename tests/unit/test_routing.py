"""Where a session's calls go when actors die, hang, come back or hold what is another's; no Ray, virtual time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from serve_app.routing import ANSWER_S, ASK_AFTER_S, PATIENCE_S, Lost, RoutedSessions, shard_of
from state.errors import Degraded, Fenced, NotFound, OwnedElsewhere, StoreUnavailable, WorkUnavailable
from tests.virtual_time import on_virtual_time

Answer = Callable[[], Any]


@dataclass
class FakeActor:
    """Answers `read` as the test says; `hangs` keeps every call waiting, `dead` loses it at once."""

    name: str
    answer: Answer = lambda: "session"
    hangs: bool = False
    dead: bool = False
    called: list[str] = field(default_factory=list)

    async def once(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self.called.append(method)
        if self.hangs:
            await asyncio.Event().wait()
        if self.dead:
            raise Lost(self.name)
        if method in ("read", "ready", "pool_ready"):
            answer = self.answer()
            return await answer if inspect.isawaitable(answer) else answer
        return self.name


def raising(error: Exception) -> Answer:
    def answer() -> Any:
        raise error

    return answer


def one_after_another(*answers: Answer) -> Answer:
    left = list(answers)

    def answer() -> Any:
        return left.pop(0)()

    return answer


def homed(count: int = 2) -> tuple[RoutedSessions, FakeActor, list[FakeActor]]:
    """Actors, the one that is home to session 's' first."""
    actors = [FakeActor(f"session-state-{n}") for n in range(count)]
    home = shard_of("s", count)
    return RoutedSessions(actors), actors[home], [*actors[home + 1 :], *actors[:home]]


def test_a_session_s_home_is_the_same_in_every_process_and_all_are_home_to_some() -> None:
    assert [shard_of(f"session-{n}", 3) for n in range(6)] == [0, 1, 2, 1, 1, 0]
    assert {shard_of(str(n), 4) for n in range(100)} == {0, 1, 2, 3}


@on_virtual_time
async def test_the_home_answers() -> None:
    sessions, home, (other,) = homed()
    assert await sessions.read("acme", "s") == "session"
    assert (home.called, other.called) == (["read"], [])


@on_virtual_time
async def test_a_dead_actor_s_call_goes_to_the_next_at_once_and_home_again_when_it_is_back() -> None:
    sessions, home, (other,) = homed()
    home.dead = True
    began = asyncio.get_running_loop().time()
    assert await sessions.read("acme", "s") == "session"
    assert asyncio.get_running_loop().time() - began < 0.5
    assert other.called == ["read"]
    home.dead = False
    await asyncio.sleep(1)
    assert await sessions.read("acme", "other-session-of-the-same-home") == "session"


@on_virtual_time
async def test_an_actor_that_hangs_is_left_after_a_question_goes_unanswered() -> None:
    sessions, home, _ = homed()
    home.hangs = True
    began = asyncio.get_running_loop().time()
    assert await sessions.read("acme", "s") == "session"
    assert asyncio.get_running_loop().time() - began <= ASK_AFTER_S + ANSWER_S + 0.1
    assert await sessions.read("acme", "s") == "session"
    assert asyncio.get_running_loop().time() - began <= ASK_AFTER_S + ANSWER_S + 0.2, "known to hang by now"
    home.hangs = False
    await asyncio.sleep(ANSWER_S + 1)


@on_virtual_time
async def test_a_long_call_is_not_given_up_while_its_actor_answers() -> None:
    sessions, home, (other,) = homed()

    async def slow() -> str:
        await asyncio.sleep(30)
        return "late"

    home.answer = slow
    assert await sessions.read("acme", "s") == "late"
    assert other.called == []


@on_virtual_time
async def test_a_hundred_waiting_calls_ask_their_actor_one_question_a_second() -> None:
    sessions, home, _ = homed()
    done = asyncio.Event()

    async def once(method: str, *_: Any, **__: Any) -> Any:
        home.called.append(method)
        if method == "read":
            await done.wait()
        return "session"

    home.once = once  # type: ignore[method-assign]
    calls = [asyncio.create_task(sessions.read("acme", "s")) for _ in range(100)]
    await asyncio.sleep(10.5)
    assert home.called.count("here") <= 11
    done.set()
    await asyncio.gather(*calls)


@on_virtual_time
async def test_whoever_holds_the_session_is_asked_and_remembered() -> None:
    sessions, home, (other,) = homed()
    home.answer = raising(OwnedElsewhere(owner=f"{other.name}/1"))
    for _ in range(3):
        assert await sessions.read("acme", "s") == "session"
    assert (home.called, other.called) == (["read"], ["read"] * 3)


@on_virtual_time
async def test_a_session_whose_owner_is_lost_is_taken_over() -> None:
    sessions, home, (other,) = homed()
    home.dead = True
    other.answer = one_after_another(raising(OwnedElsewhere(owner=f"{home.name}/1")), lambda: "session")
    assert await sessions.read("acme", "s") == "session"
    assert other.called == ["read", "take_over", "read"]
    home.dead = False
    await asyncio.sleep(1)


@on_virtual_time
async def test_a_session_that_an_earlier_incarnation_holds_is_taken_over_by_the_new_one() -> None:
    sessions, home, (other,) = homed()
    home.answer = one_after_another(raising(OwnedElsewhere(owner=f"{home.name}/earlier")), lambda: "session")
    assert await sessions.read("acme", "s") == "session"
    assert (home.called, other.called) == (["read", "take_over", "read"], [])


@on_virtual_time
async def test_a_fenced_call_is_delivered_once_more_and_no_more() -> None:
    sessions, home, _ = homed()
    home.answer = raising(Fenced())
    with pytest.raises(Fenced):
        await sessions.read("acme", "s")
    assert home.called == ["read", "read"]


@on_virtual_time
async def test_what_an_actor_refuses_is_not_asked_of_another() -> None:
    sessions, home, (other,) = homed()
    for error in (NotFound(), StoreUnavailable()):
        home.answer = raising(error)
        with pytest.raises(type(error)):
            await sessions.read("acme", "s")
    assert other.called == []


@on_virtual_time
async def test_where_no_actor_is_there_the_caller_is_told_after_a_while_when_to_come_back() -> None:
    sessions, home, (other,) = homed()
    home.dead = other.dead = True
    began = asyncio.get_running_loop().time()
    with pytest.raises(WorkUnavailable) as refused:
        await sessions.read("acme", "s")
    assert PATIENCE_S <= asyncio.get_running_loop().time() - began < PATIENCE_S + 1
    assert refused.value.retry_after_s == 2.0
    home.dead = other.dead = False
    await asyncio.sleep(1)


@on_virtual_time
async def test_readiness_is_degraded_while_another_stands_in_and_gone_with_the_last_one() -> None:
    sessions, home, (other,) = homed()
    await sessions.ready()
    home.dead = True
    with pytest.raises(Degraded):
        await sessions.ready()
    other.dead = True
    with pytest.raises(WorkUnavailable):
        await sessions.ready()
    home.dead = other.dead = False
    home.answer = raising(Degraded())
    other.answer = raising(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await sessions.ready()
    await asyncio.sleep(1)


@on_virtual_time
async def test_of_a_pool_the_first_actor_that_is_there_is_asked() -> None:
    first, second = FakeActor("session-state-0"), FakeActor("session-state-1")
    sessions = RoutedSessions([first, second])
    await sessions.pool_ready("generator")
    first.answer = raising(WorkUnavailable(pool="generator"))
    with pytest.raises(WorkUnavailable):
        await sessions.pool_ready("generator")
    assert second.called == []
    first.dead = True
    await sessions.pool_ready("generator")
    second.dead = True
    with pytest.raises(WorkUnavailable, match="No session-state actor") as refused:
        await sessions.pool_ready("retriever")
    assert refused.value.data["pool"] == "retriever", "what is behind the pool is not to blame"
    first.dead = second.dead = False
    await asyncio.sleep(1)
