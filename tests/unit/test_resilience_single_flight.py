from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from actors.providers.port import Fault, Provider, ProviderError, Reply
from actors.resilience.deadline import Deadline
from actors.resilience.single_flight import SingleFlight
from state.errors import StoreUnavailable
from state.messages import Origin
from state.spending import NO_USAGE
from tests.fake_provider import (
    HANGS,
    USED,
    Fails,
    FakeFlights,
    FakeProvider,
    Listener,
    Move,
    Says,
    a_call,
    fault_of,
    now,
)
from tests.virtual_time import on_virtual_time

SLOW = Says(text="yes", after_s=2)


def sharing(inner: Provider, *, flights: FakeFlights | None = None, owner: str = "a", **changes: Any) -> SingleFlight:
    usual: dict[str, Any] = {"operations": None, "lease_s": 5.0, "keep_s": 5.0, "patience_s": 0.25}
    return SingleFlight(inner, flights=flights, owner=owner, **{**usual, **changes})


async def together(*calls: tuple[SingleFlight, Any]) -> list[Reply]:
    return await asyncio.gather(*(policy.call(call) for policy, call in calls))


@on_virtual_time
async def test_identical_calls_at_once_are_made_once_and_counted_once() -> None:
    inner = FakeProvider(SLOW)
    policy = sharing(inner)
    replies = await together(*[(policy, a_call())] * 5)
    assert len(inner.calls) == 1
    assert [reply.text for reply in replies] == ["yes"] * 5
    assert [reply.usage for reply in replies] == [USED] + [NO_USAGE] * 4


@on_virtual_time
async def test_calls_of_other_tenants_models_and_tasks_are_their_own() -> None:
    inner = FakeProvider(SLOW)
    policy = sharing(inner)
    others = [a_call(), a_call("Else."), a_call(variant="experimental"), a_call(origin=Origin(tenant="other"))]
    await together(*((policy, call) for call in others))
    assert len(inner.calls) == 4


@on_virtual_time
async def test_calls_one_after_another_are_each_made() -> None:
    inner = FakeProvider(SLOW)
    policy = sharing(inner)
    for _ in range(3):
        assert (await policy.call(a_call())).usage == USED
    assert len(inner.calls) == 3


@on_virtual_time
async def test_a_leader_that_is_cancelled_does_not_take_its_followers_down() -> None:
    inner = FakeProvider(SLOW)
    policy = sharing(inner)
    leader = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(0.5)
    follower = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(0.5)
    leader.cancel()
    assert (await follower).text == "yes"
    assert (len(inner.calls), inner.cancelled) == (1, 0)


@on_virtual_time
async def test_a_call_that_nobody_waits_for_any_more_is_given_up() -> None:
    inner = FakeProvider(HANGS)
    policy = sharing(inner)
    calling = [asyncio.create_task(policy.call(a_call())) for _ in range(3)]
    await asyncio.sleep(1)
    for task in calling[:2]:
        task.cancel()
    await asyncio.wait(calling[:2])
    assert inner.running == 1
    calling[2].cancel()
    await asyncio.wait(calling)
    assert inner.running == 0


@on_virtual_time
async def test_each_caller_keeps_its_own_deadline() -> None:
    inner = FakeProvider(Says(text="yes", after_s=4))
    policy = sharing(inner)
    hasty = asyncio.create_task(fault_of(policy, a_call(deadline=now() + 1)))
    patient = asyncio.create_task(policy.call(a_call(deadline=now() + 10)))
    assert (await hasty).fault is Fault.LATE
    assert (await patient).text == "yes"
    assert len(inner.calls) == 1


@on_virtual_time
async def test_an_error_goes_to_the_leader_and_the_others_try_themselves_as_one() -> None:
    inner = FakeProvider(Fails(fault=Fault.FAILING, after_s=1), SLOW)
    policy = sharing(inner)
    ends = await asyncio.gather(*(policy.call(a_call()) for _ in range(4)), return_exceptions=True)
    assert isinstance(ends[0], ProviderError)
    assert [end.text for end in ends[1:] if isinstance(end, Reply)] == ["yes"] * 3
    assert len(inner.calls) == 2


@on_virtual_time
async def test_a_call_that_fails_just_as_its_last_caller_leaves_is_reported_nowhere() -> None:
    within_the_clocks_resolution_s = 5e-10
    policy = sharing(Deadline(FakeProvider(HANGS), seconds=1 - within_the_clocks_resolution_s))
    assert (await fault_of(policy, a_call(deadline=now() + 1))).fault is Fault.LATE
    await asyncio.sleep(1)
    gc.collect()


@on_virtual_time
async def test_the_leader_hears_every_piece_and_a_follower_the_whole_once() -> None:
    policy = sharing(FakeProvider(Says(text="abcdef", after_s=3, pieces=3)))
    leader, follower = Listener(), Listener()
    await together((policy, a_call(heard=leader)), (policy, a_call(heard=follower)))
    assert (leader.heard, follower.heard) == (["ab", "cd", "ef"], ["abcdef"])


@on_virtual_time
async def test_a_leader_that_has_gone_hears_nothing_more() -> None:
    policy, gone = sharing(FakeProvider(Says(text="abcdef", after_s=3, pieces=3))), Listener()
    leader = asyncio.create_task(policy.call(a_call(heard=gone)))
    follower = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(0.5)
    leader.cancel()
    await follower
    assert gone.heard == ["ab"]


@on_virtual_time
async def test_replicas_share_a_call() -> None:
    flights, inners, listener = FakeFlights(), [FakeProvider(SLOW), FakeProvider(SLOW)], Listener()
    first, second = (sharing(inner, flights=flights, owner=o) for inner, o in zip(inners, "ab", strict=True))
    replies = await together((first, a_call()), (second, a_call(heard=listener)))
    assert [len(inner.calls) for inner in inners] == [1, 0]
    assert [reply.text for reply in replies] == ["yes", "yes"]
    assert [reply.usage for reply in replies] == [USED, NO_USAGE]
    assert listener.heard == ["yes"]


@on_virtual_time
async def test_who_asks_after_a_reply_has_come_gets_a_reply_of_their_own() -> None:
    flights, inners = FakeFlights(), [FakeProvider(SLOW), FakeProvider(SLOW)]
    first, second = (sharing(inner, flights=flights, owner=o) for inner, o in zip(inners, "ab", strict=True))
    await first.call(a_call())
    await second.call(a_call())
    assert [len(inner.calls) for inner in inners] == [1, 1]


@on_virtual_time
async def test_a_claim_is_renewed_as_long_as_the_call_takes() -> None:
    flights, inners = FakeFlights(), [FakeProvider(Says(after_s=60)), FakeProvider()]
    first, second = (sharing(inner, flights=flights, owner=o) for inner, o in zip(inners, "ab", strict=True))
    await together((first, a_call()), (second, a_call()))
    assert inners[1].calls == []


@on_virtual_time
async def test_a_dead_leaders_claim_ends_and_a_follower_takes_over() -> None:
    flights, inner, began = FakeFlights(), FakeProvider(SLOW), now()
    assert await flights.claim(a_call().digest, "dead:0", 5, anew=True)
    assert (await sharing(inner, flights=flights).call(a_call())).usage == USED
    assert 7 <= now() - began <= 7.2


@on_virtual_time
async def test_a_failed_or_cancelled_leader_gives_its_claim_up_at_once() -> None:
    for ending in (Fails(fault=Fault.FAILING, after_s=1), HANGS):
        flights, inners, began = FakeFlights(), [FakeProvider(ending), FakeProvider()], now()
        first, second = (sharing(inner, flights=flights, owner=o) for inner, o in zip(inners, "ab", strict=True))
        leading = asyncio.create_task(fault_of(first, a_call(deadline=now() + 1)))
        await asyncio.sleep(0.5)
        await second.call(a_call())
        await leading
        assert now() - began <= 1.2
        assert len(inners[1].calls) == 1


@on_virtual_time
async def test_a_leader_that_lost_its_claim_replies_all_the_same_and_publishes_nothing() -> None:
    flights, inner = FakeFlights(), FakeProvider(Says(text="mine", after_s=3))
    calling = asyncio.create_task(sharing(inner, flights=flights).call(a_call()))
    await asyncio.sleep(1)
    flights.held[a_call().digest] = (b"cthief", now() + 60)
    assert (await calling).text == "mine"
    assert flights.held[a_call().digest][0] == b"cthief"


@pytest.mark.parametrize("changes", [{"away": True}, {"slow_s": 60.0}])
@on_virtual_time
async def test_flights_that_are_away_or_slow_share_nothing_and_cost_little(changes: dict[str, Any]) -> None:
    flights, inner, began = FakeFlights(**changes), FakeProvider(SLOW), now()
    policy = sharing(inner, flights=flights)
    with capture_logs() as logs:
        assert (await policy.call(a_call())).text == "yes"
    assert now() - began <= 2.25
    await policy.aclose()
    told = [(log["event"], log["error"]) for log in logs]
    assert told.count(("flights_unavailable", "StoreUnavailable")) == 1
    assert set(told) <= {("flights_unavailable", "StoreUnavailable"), ("flight_not_ended", "StoreUnavailable")}


@on_virtual_time
async def test_a_claim_that_is_answered_too_late_is_given_up_again() -> None:
    flights, inner = FakeFlights(slow_s=0.3), FakeProvider(SLOW)
    policy = sharing(inner, flights=flights, lease_s=60)
    assert (await policy.call(a_call())).text == "yes"
    await policy.aclose()
    assert flights.claims == 1
    assert flights.held == {}


@on_virtual_time
async def test_a_claim_whose_answer_was_lost_is_given_up_again() -> None:
    class Deaf(FakeFlights):
        async def claim(self, digest: str, owner: str, lease_s: float, *, anew: bool) -> bool:
            await super().claim(digest, owner, lease_s, anew=anew)
            raise StoreUnavailable

    flights = Deaf()
    policy = sharing(FakeProvider(SLOW), flights=flights, lease_s=60)
    assert (await policy.call(a_call())).text == "yes"
    await policy.aclose()
    assert (flights.claims, flights.held) == (1, {})


@on_virtual_time
async def test_a_claim_of_a_caller_who_leaves_before_it_is_answered_is_given_up_again() -> None:
    flights, inner = FakeFlights(slow_s=0.2), FakeProvider(SLOW)
    policy = sharing(inner, flights=flights, lease_s=60)
    calling = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(0.1)
    calling.cancel()
    await asyncio.wait({calling})
    assert flights.claims == 0
    await policy.aclose()
    assert (flights.claims, flights.held, inner.calls) == (1, {}, [])


@on_virtual_time
async def test_a_client_that_swallows_the_end_of_a_renewal_holds_no_reply_up() -> None:
    class Swallowing(FakeFlights):
        async def renew(self, digest: str, owner: str, lease_s: float) -> bool:
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                swallowed.append(now())
            return True

    swallowed: list[float] = []
    began = now()
    policy = sharing(FakeProvider(Says(after_s=1.75)), flights=Swallowing())  # ends in the middle of a renewal
    await policy.call(a_call())
    assert swallowed
    assert now() - began <= 1.8


@on_virtual_time
async def test_flights_that_go_away_meanwhile_lose_no_reply() -> None:
    flights, inner = FakeFlights(), FakeProvider(Says(text="yes", after_s=10))
    policy = sharing(inner, flights=flights)
    calling = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(1)
    flights.away = True
    assert (await calling).text == "yes"
    await policy.aclose()


@on_virtual_time
async def test_only_the_named_operations_cost_round_trips() -> None:
    flights = FakeFlights()
    policy = sharing(FakeProvider(), flights=flights, operations=("find_gaps",))
    await policy.call(a_call(operation="write_answer"))
    assert flights.asked == 0
    await policy.call(a_call(operation="find_gaps"))
    assert flights.asked == 2


@on_virtual_time
async def test_followers_ask_less_and_less_often() -> None:
    flights, inner = FakeFlights(), FakeProvider(Says(after_s=10))
    policy = sharing(inner, flights=flights)
    leading = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(0.001)
    asked = flights.asked
    await sharing(FakeProvider(), flights=flights, owner="b").call(a_call())
    await leading
    assert flights.asked - asked <= 2 * 10 / 0.2 + 25


LIFE = st.tuples(st.integers(0, 2), st.sampled_from(["same", "other"]), st.floats(0, 6), st.none() | st.floats(0.01, 6))
MOVE = st.sampled_from([SLOW, Says(text="quick"), Fails(fault=Fault.FAILING, after_s=1), Says(text="slow", after_s=9)])


@settings(deadline=None)
@given(lives=st.lists(LIFE, max_size=12), moves=st.lists(MOVE, max_size=10), away_s=st.none() | st.floats(0, 6))
@on_virtual_time
async def test_whoever_comes_and_goes_every_caller_has_an_end_and_nothing_is_left(
    lives: list[tuple[int, str, float, float | None]], moves: list[Move], away_s: float | None
) -> None:
    flights, inner = FakeFlights(), FakeProvider(*moves)
    replicas = [sharing(inner, flights=flights, owner=str(n)) for n in range(3)]

    async def live(replica: int, task: str, after_s: float, patience_s: float | None) -> None:
        await asyncio.sleep(after_s)
        try:
            async with asyncio.timeout(patience_s):
                assert (await replicas[replica].call(a_call(task))).text
        except (TimeoutError, ProviderError):
            pass

    async def go_away(after_s: float) -> None:
        await asyncio.sleep(after_s)
        flights.away = True

    outage = () if away_s is None else (go_away(away_s),)
    await asyncio.gather(*(live(*life) for life in lives), *outage)
    await asyncio.gather(*(replica.aclose() for replica in replicas))
    assert inner.running == 0
    assert len(inner.calls) <= len(lives)
