from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.providers.port import Fault, ProviderError
from actors.resilience.hedge import Hedged
from state.errors import BudgetSpent
from tests.fake_provider import HANGS, Fails, FakeProvider, Listener, Move, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time


async def practised(*moves: Move, share: float = 0.05) -> tuple[Hedged, FakeProvider]:
    """A policy that has seen 20 replies of 1 s, and saved the tokens for one second call; then come `moves`."""
    inner = FakeProvider(Says(after_s=1))
    policy = Hedged(inner, share=share, min_samples=20, burst=10)
    for _ in range(20):
        await policy.call(a_call())
    inner.calls.clear()
    inner.moves[:] = moves
    return policy, inner


@on_virtual_time
async def test_a_second_call_goes_out_once_the_first_is_slower_than_usual() -> None:
    policy, inner = await practised(HANGS, Says(text="second", after_s=0.5))
    began = now()
    assert (await policy.call(a_call())).text == "second"
    assert now() - began == 1.5
    assert (len(inner.calls), inner.cancelled, inner.running) == (2, 1, 0)
    assert inner.calls[0].digest == inner.calls[1].digest


@on_virtual_time
async def test_the_first_call_wins_if_it_replies_first_after_all() -> None:
    policy, inner = await practised(Says(text="first", after_s=2), HANGS)
    assert (await policy.call(a_call())).text == "first"
    assert (len(inner.calls), inner.cancelled) == (2, 1)


@on_virtual_time
async def test_a_call_as_quick_as_usual_is_made_once() -> None:
    policy, inner = await practised(Says(after_s=0.9))
    await policy.call(a_call())
    assert len(inner.calls) == 1


@on_virtual_time
async def test_there_is_no_second_call_before_enough_replies_were_timed() -> None:
    inner = FakeProvider(Says(after_s=1))
    policy = Hedged(inner, share=1, min_samples=20, burst=10)
    for _ in range(19):
        await policy.call(a_call())
    inner.moves[:] = [Says(after_s=60)]
    await policy.call(a_call())
    assert len(inner.calls) == 20


@on_virtual_time
async def test_what_is_usual_is_known_for_each_operation_and_variant_apart() -> None:
    policy, inner = await practised(Says(after_s=60))
    await policy.call(a_call(operation="find_gaps"))
    await policy.call(a_call(variant="experimental"))
    assert len(inner.calls) == 2


@on_virtual_time
async def test_no_second_call_goes_out_once_the_first_has_been_heard() -> None:
    listener = Listener()
    policy, inner = await practised(Says(text="a long text", first_s=0.5, after_s=30, pieces=3))
    await policy.call(a_call(heard=listener))
    assert len(inner.calls) == 1
    assert (listener.text, None in listener.heard) == ("a long text", False)


@on_virtual_time
async def test_without_a_token_the_slow_call_is_waited_for() -> None:
    policy, inner = await practised(Says(after_s=60))
    inner.moves[:] = [HANGS, Says(), Says(text="slow", after_s=60)]
    await policy.call(a_call())
    inner.calls.clear()
    assert (await policy.call(a_call())).text == "slow"
    assert len(inner.calls) == 1


@on_virtual_time
async def test_an_error_of_one_waits_for_the_other() -> None:
    for moves in (
        (Fails(fault=Fault.FAILING, after_s=2), Says(text="yes", after_s=5)),
        (Says(text="yes", after_s=5), Fails(fault=Fault.FAILING, after_s=2)),
        (Says(text="yes", after_s=5), BudgetSpent()),
    ):
        policy, inner = await practised(*moves)
        assert (await policy.call(a_call())).text == "yes"
        assert (len(inner.calls), inner.running) == (2, 0)


@on_virtual_time
async def test_where_both_fail_the_last_error_is_raised() -> None:
    policy, _ = await practised(Fails(fault=Fault.FAILING, after_s=2), Fails(fault=Fault.GARBLED, after_s=3))
    assert (await fault_of(policy, a_call())).fault is Fault.GARBLED


@on_virtual_time
async def test_a_first_call_that_fails_early_is_not_repeated_here() -> None:
    policy, inner = await practised(Fails(fault=Fault.FAILING, after_s=0.5))
    assert (await fault_of(policy, a_call())).fault is Fault.FAILING
    assert len(inner.calls) == 1


@on_virtual_time
async def test_an_error_that_nobody_foresaw_ends_both() -> None:
    policy, inner = await practised(HANGS, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await policy.call(a_call())
    assert inner.running == 0


@on_virtual_time
async def test_a_cancelled_call_takes_both_down() -> None:
    policy, inner = await practised(HANGS, HANGS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await policy.call(a_call())
    assert (inner.cancelled, inner.running) == (2, 0)


@on_virtual_time
async def test_a_speaker_that_loses_is_taken_back() -> None:
    listener = Listener()
    policy, _ = await practised(
        Says(text="SLOW SPEAKER", first_s=1.5, after_s=60, pieces=6), Says(text="quick", first_s=2, after_s=3)
    )
    assert (await policy.call(a_call(heard=listener))).text == "quick"
    assert listener.text == "quick"


@on_virtual_time
async def test_a_speaker_that_fails_makes_way_for_what_the_other_has_said() -> None:
    listener = Listener()
    policy, _ = await practised(
        Says(text="the other one", first_s=3, after_s=6, pieces=3),
        Fails(fault=Fault.UNREACHABLE, said="half", after_s=3.5),
    )
    await policy.call(a_call(heard=listener))
    assert listener.heard[:3] == ["half", None, "the other "]
    assert listener.text == "the other one"


SPEECH = st.builds(
    lambda letter, first, rest, pieces: Says(text=letter * 12, first_s=first, after_s=first + rest, pieces=pieces),
    letter=st.sampled_from("ABCDEF"),
    first=st.floats(0, 4),
    rest=st.floats(0, 4),
    pieces=st.integers(1, 6),
)
FAILURE = st.builds(
    Fails,
    fault=st.sampled_from([Fault.FAILING, Fault.GARBLED]),
    after_s=st.floats(0, 5),
    said=st.sampled_from(["", "x"]),
)


@settings(deadline=None)
@given(first=SPEECH | FAILURE, second=SPEECH | FAILURE)
@on_virtual_time
async def test_a_listener_ends_with_the_reply_and_never_hears_two_mixed(first: Move, second: Move) -> None:
    listener = Listener()
    policy, inner = await practised(first, second)
    try:
        reply = await policy.call(a_call(heard=listener))
    except ProviderError:
        reply = None
    if reply is not None:
        assert listener.text == reply.text
    said: list[str] = [""]
    for piece in listener.heard:
        if piece is None:
            said.append("")
        else:
            said[-1] += piece
    assert all(len(set(text)) <= 1 for text in said)
    assert inner.running == 0


@settings(deadline=None)
@given(
    share=st.floats(0, 1),
    burst=st.integers(1, 20),
    calls=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3)), max_size=80),
)
@on_virtual_time
async def test_never_more_than_the_share_of_calls_is_doubled(
    share: float, burst: int, calls: list[tuple[float, float]]
) -> None:
    class Slow(FakeProvider):
        async def call(self, call: Any) -> Any:
            self.moves[:] = [Says(after_s=float(call.task))]
            return await super().call(call)

    inner = Slow()
    policy = Hedged(inner, share=share, min_samples=1, burst=burst)
    made = 0

    async def one(after_s: float, took_s: float) -> None:
        nonlocal made
        await asyncio.sleep(after_s)
        made += 1
        await policy.call(a_call(str(took_s)))
        assert (len(inner.calls) - made) * 1_000_000 <= made * round(share * 1_000_000)

    await asyncio.gather(*(one(after_s, took_s) for after_s, took_s in calls))
    assert len(inner.calls) - made <= share * made + 1e-6 * made


@on_virtual_time
async def test_a_long_quiet_time_saves_up_no_more_than_the_burst() -> None:
    policy, inner = await practised(*(Says(after_s=1 - n / 2000) for n in range(1, 1001)))
    for _ in range(1000):
        await policy.call(a_call())
    inner.calls.clear()
    inner.moves[:] = [Says(after_s=100)]
    await asyncio.gather(*(policy.call(a_call()) for _ in range(100)))
    assert len(inner.calls) == 110
