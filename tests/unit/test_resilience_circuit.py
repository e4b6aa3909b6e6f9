from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.providers.port import HANDLING, Fault
from actors.resilience.circuit import Circuit, Closed, End, HalfOpen, Open, State, Tripping, after
from actors.resilience.target import NeverSent
from state.errors import BudgetSpent
from tests.fake_provider import HANGS, TARGET, Fails, FakeProvider, Move, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time

TRIPPING = Tripping(failures=3, of=6, window_s=30, pause_s=10, longest_pause_s=60)
FAILING = Fails(fault=Fault.FAILING)
TRIPS = [fault for fault, handling in HANDLING.items() if handling.trips]
HARMLESS = [fault for fault, handling in HANDLING.items() if not handling.trips]


def circuit(*moves: Move) -> tuple[Circuit, FakeProvider]:
    inner = FakeProvider(*moves)
    return Circuit(inner, target=TARGET, tripping=TRIPPING), inner


@pytest.mark.parametrize("fault", TRIPS)
@on_virtual_time
async def test_three_failures_open_the_circuit_and_the_provider_is_left_alone(fault: Fault) -> None:
    policy, inner = circuit(Fails(fault=fault))
    assert [(await fault_of(policy, a_call())).fault for _ in range(4)] == [fault] * 3 + [Fault.OPEN_CIRCUIT]
    assert len(inner.calls) == 3


@pytest.mark.parametrize("fault", HARMLESS)
@on_virtual_time
async def test_a_fault_that_says_nothing_against_the_provider_opens_nothing(fault: Fault) -> None:
    policy, inner = circuit(Fails(fault=fault))
    for _ in range(10):
        assert (await fault_of(policy, a_call())).fault is fault
    assert len(inner.calls) == 10


@on_virtual_time
async def test_an_open_circuit_says_how_long_it_stays_open() -> None:
    policy, _ = circuit(FAILING)
    for _ in range(3):
        await fault_of(policy, a_call())
    await asyncio.sleep(4)
    error = await fault_of(policy, a_call())
    assert (error.fault, error.retry_after_s) == (Fault.OPEN_CIRCUIT, 6)


@on_virtual_time
async def test_a_provider_that_wishes_for_a_longer_pause_gets_it_within_bounds() -> None:
    for wish, pause in ((25, 25), (3600, 60), (2, 10)):
        policy, _ = circuit(Fails(fault=Fault.QUOTA_SPENT, retry_after_s=wish))
        for _ in range(3):
            await fault_of(policy, a_call())
        assert (await fault_of(policy, a_call())).retry_after_s == pause


@on_virtual_time
async def test_failures_further_apart_than_the_window_open_nothing() -> None:
    policy, inner = circuit(FAILING)
    for _ in range(8):
        assert (await fault_of(policy, a_call())).fault is Fault.FAILING
        await asyncio.sleep(15)
    assert len(inner.calls) == 8


@on_virtual_time
async def test_a_rare_failure_among_replies_opens_nothing() -> None:
    policy, inner = circuit(*[move for _ in range(20) for move in (FAILING, Says(), Says())])
    for _ in range(20):
        await fault_of(policy, a_call())
        await policy.call(a_call())
        await policy.call(a_call())
    assert len(inner.calls) == 60


@on_virtual_time
async def test_one_probe_goes_through_after_the_pause_and_its_reply_closes_the_circuit() -> None:
    policy, inner = circuit(FAILING, FAILING, FAILING, Says(after_s=2))
    for _ in range(3):
        await fault_of(policy, a_call())
    await asyncio.sleep(10)
    probe = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(1)
    waiting = await fault_of(policy, a_call())
    assert (waiting.fault, waiting.retry_after_s) == (Fault.OPEN_CIRCUIT, 10)
    await probe
    await policy.call(a_call())
    assert len(inner.calls) == 5


@on_virtual_time
async def test_a_probe_that_fails_opens_the_circuit_for_another_pause() -> None:
    policy, inner = circuit(FAILING)
    for _ in range(3):
        await fault_of(policy, a_call())
    await asyncio.sleep(10)
    assert (await fault_of(policy, a_call())).fault is Fault.FAILING
    assert (await fault_of(policy, a_call())).retry_after_s == 10
    assert len(inner.calls) == 4


@on_virtual_time
async def test_a_probe_that_is_given_up_leaves_its_place_to_the_next_call() -> None:
    policy, inner = circuit(FAILING, FAILING, FAILING, HANGS, Says())
    for _ in range(3):
        await fault_of(policy, a_call())
    await asyncio.sleep(10)
    probe = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(1)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    await policy.call(a_call())
    assert len(inner.calls) == 5


@on_virtual_time
async def test_calls_given_up_at_their_deadline_count_as_failures_and_others_do_not() -> None:
    for deadline_s, opened in ((5.0, True), (100.0, False)):
        policy, _ = circuit(HANGS)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await policy.call(a_call(deadline=now() + deadline_s))
        with pytest.raises(TimeoutError) if not opened else pytest.raises(Exception, match="open_circuit"):
            async with asyncio.timeout(5):
                await policy.call(a_call(deadline=now() + 50))


@on_virtual_time
async def test_a_spent_budget_says_nothing_about_the_provider() -> None:
    policy, inner = circuit(BudgetSpent())
    for _ in range(10):
        with pytest.raises(BudgetSpent):
            await policy.call(a_call())
    assert len(inner.calls) == 10


@pytest.mark.parametrize("fault", [Fault.LATE, Fault.THROTTLED])
@on_virtual_time
async def test_a_call_that_never_went_out_says_nothing_about_the_provider(fault: Fault) -> None:
    unsent = TARGET.error(a_call(), fault, kind=NeverSent)
    policy, inner = circuit(*[FAILING] * 3, unsent, FAILING)
    for _ in range(3):
        await fault_of(policy, a_call())
    await asyncio.sleep(10)
    assert [(await fault_of(policy, a_call())).fault for _ in range(2)] == [fault, Fault.FAILING]
    inner.moves[:] = [unsent]
    await asyncio.sleep(10)
    for _ in range(10):
        assert (await fault_of(policy, a_call())).fault is fault


@on_virtual_time
async def test_each_model_variant_has_a_breaker_of_its_own() -> None:
    policy, _ = circuit(FAILING, FAILING, FAILING, Says())
    for _ in range(3):
        await fault_of(policy, a_call(variant="experimental"))
    assert (await fault_of(policy, a_call(variant="experimental"))).fault is Fault.OPEN_CIRCUIT
    await policy.call(a_call(variant="usual"))


ENDS = st.lists(st.tuples(st.sampled_from(End), st.booleans(), st.floats(0, 40)))


@settings(deadline=None)
@given(ends=ENDS)
def test_the_breaker_is_open_exactly_after_enough_recent_failures(ends: list[tuple[End, bool, float]]) -> None:
    state: State = Closed()
    outcomes: list[tuple[float, bool]] = []
    time = 0.0
    for end, _, passed in ends:
        time += passed
        if end is not End.GIVEN_UP:
            outcomes = [*(o for o in outcomes if o[0] > time - 30), (time, end is End.FAILED)][-6:]
        state = after(state, end, probe=False, now=time, pause_s=10, tripping=TRIPPING)
        if sum(failed for _, failed in outcomes) >= 3:
            assert state == Open(until=time + 10)
            return
        assert isinstance(state, Closed)


@settings(deadline=None)
@given(ends=ENDS)
def test_only_the_probe_moves_a_half_open_breaker(ends: list[tuple[End, bool, float]]) -> None:
    state: State = HalfOpen()
    for end, probe, time in ends:
        state = after(state, end, probe=probe, now=time, pause_s=10, tripping=TRIPPING)
        if probe:
            until = {End.FAILED: time + 10, End.GIVEN_UP: time}
            assert state == (Closed() if end is End.ANSWERED else Open(until=until[end]))
            return
        assert state == HalfOpen()


@settings(deadline=None)
@given(end=st.sampled_from(End), time=st.floats(0, 100))
def test_calls_from_before_it_opened_do_not_move_an_open_breaker(end: End, time: float) -> None:
    assert after(Open(until=50), end, probe=False, now=time, pause_s=10, tripping=TRIPPING) == Open(until=50)
