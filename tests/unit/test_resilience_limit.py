from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.providers.port import Fault, ProviderError, Reply
from actors.resilience.limit import Limited
from tests.fake_provider import HANGS, TARGET, Fails, FakeProvider, Move, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time

Cancel = Callable[[asyncio.AbstractEventLoop, asyncio.Task[Reply]], None]
THROTTLED = Fails(fault=Fault.THROTTLED, after_s=1)


def limited(*moves: Move, initial: int = 4, **changes: Any) -> tuple[Limited, FakeProvider]:
    inner = FakeProvider(*moves)
    usual: dict[str, Any] = {"minimum": 1, "maximum": 64, "max_waiting": 100}
    return Limited(inner, target=TARGET, initial=initial, **{**usual, **changes}), inner


async def ends(*calls: Coroutine[Any, Any, Reply]) -> list[Reply | BaseException]:
    return await asyncio.gather(*calls, return_exceptions=True)


@on_virtual_time
async def test_no_more_than_the_limit_run_at_once() -> None:
    policy, inner = limited(Says(after_s=1), initial=4, maximum=4)
    await ends(*(policy.call(a_call()) for _ in range(20)))
    assert (len(inner.calls), inner.most_running) == (20, 4)


@on_virtual_time
async def test_waiting_calls_run_in_the_order_they_came() -> None:
    policy, inner = limited(Says(after_s=1), initial=1, maximum=1)
    await ends(*(policy.call(a_call(str(n))) for n in range(6)))
    assert [call.task for call in inner.calls] == list("012345")


@on_virtual_time
async def test_a_429_halves_the_limit() -> None:
    policy, _ = limited(THROTTLED, initial=16)
    await fault_of(policy, a_call())
    assert policy.limit == 8


@on_virtual_time
async def test_429s_of_calls_under_way_together_halve_it_once() -> None:
    policy, _ = limited(THROTTLED, initial=16)
    await ends(*(policy.call(a_call()) for _ in range(16)))
    assert policy.limit == 8
    await fault_of(policy, a_call())
    assert policy.limit == 4


@on_virtual_time
async def test_the_limit_stays_within_its_bounds() -> None:
    policy, _ = limited(THROTTLED, initial=8, minimum=2)
    for _ in range(5):
        await fault_of(policy, a_call())
    assert policy.limit == 2
    policy, _ = limited(Says(after_s=1), initial=3, maximum=4)
    for _ in range(10):
        await ends(*(policy.call(a_call()) for _ in range(4)))
    assert policy.limit == 4


@on_virtual_time
async def test_until_it_is_throttled_a_round_of_replies_doubles_the_limit() -> None:
    policy, _ = limited(Says(after_s=1), initial=10)
    await ends(*(policy.call(a_call()) for _ in range(10)))
    assert 15 <= policy.limit <= 20


@on_virtual_time
async def test_once_throttled_a_round_of_replies_raises_the_limit_by_about_one() -> None:
    policy, _ = limited(THROTTLED, Says(after_s=1), initial=20)
    await fault_of(policy, a_call())
    await ends(*(policy.call(a_call()) for _ in range(10)))
    assert 10.5 <= policy.limit <= 11


@on_virtual_time
async def test_a_limit_that_nobody_reaches_is_not_raised() -> None:
    policy, _ = limited(Says(after_s=1), initial=10)
    for _ in range(50):
        await policy.call(a_call())
    assert policy.limit == 10


@on_virtual_time
async def test_a_fault_that_is_no_throttling_leaves_the_limit() -> None:
    policy, _ = limited(Fails(fault=Fault.FAILING), initial=10)
    await fault_of(policy, a_call())
    assert policy.limit == 10


@on_virtual_time
async def test_calls_beyond_the_queue_are_turned_away_at_once_with_a_time_to_come_back() -> None:
    policy, inner = limited(HANGS, initial=2, max_waiting=3)
    calling = [asyncio.create_task(policy.call(a_call())) for _ in range(5)]
    await asyncio.sleep(0)
    began = now()
    error = await fault_of(policy, a_call())
    assert (error.fault, now(), len(inner.calls)) == (Fault.THROTTLED, began, 2)
    assert error.retry_after_s is not None
    assert error.retry_after_s > 0
    for task in calling:
        task.cancel()
    await asyncio.wait(calling)


@on_virtual_time
async def test_a_call_that_waits_until_just_before_its_deadline_is_late_and_leaves_the_queue() -> None:
    policy, inner = limited(Says(after_s=10), initial=1, maximum=1)
    first = asyncio.create_task(policy.call(a_call("first")))
    await asyncio.sleep(0)
    began = now()
    error = await fault_of(policy, a_call("late", deadline=now() + 3))
    assert error.fault is Fault.LATE
    assert now() - began == pytest.approx(2.9)
    await first
    await policy.call(a_call("third"))
    assert [call.task for call in inner.calls] == ["first", "third"]


def cancel_before_its_turn(_: asyncio.AbstractEventLoop, task: asyncio.Task[Reply]) -> None:
    task.cancel()


def cancel_after_its_turn(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Reply]) -> None:
    """Once the first call has left, and before the second has noticed."""
    loop.call_soon(task.cancel)


@pytest.mark.parametrize("cancel", [cancel_before_its_turn, cancel_after_its_turn])
@on_virtual_time
async def test_a_call_cancelled_just_as_its_turn_comes_passes_the_turn_on(cancel: Cancel) -> None:
    policy, inner = limited(Says(after_s=1), initial=1, maximum=1)
    first = asyncio.create_task(policy.call(a_call("first")))
    second = asyncio.create_task(policy.call(a_call("second")))
    third = asyncio.create_task(policy.call(a_call("third")))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    loop.call_later(1, cancel, loop, second)
    await asyncio.wait({first, second, third})
    assert second.cancelled()
    assert [call.task for call in inner.calls] == ["first", "third"]


Move_ = st.sampled_from([Says(after_s=1), Says(after_s=0.25), THROTTLED, Fails(fault=Fault.FAILING, after_s=0.5)])
Plan = st.lists(st.tuples(Move_, st.floats(0, 3), st.sampled_from([None, 0.5, 1.0, 2.0])), max_size=40)


@settings(deadline=None)
@given(plan=Plan)
@on_virtual_time
async def test_whatever_ends_how_every_slot_comes_back(plan: list[tuple[Move, float, float | None]]) -> None:
    policy, inner = limited(*(move for move, _, _ in plan), initial=2, maximum=4, max_waiting=5)

    async def one(after_s: float, patience_s: float | None) -> None:
        await asyncio.sleep(after_s)
        try:
            async with asyncio.timeout(patience_s):
                await policy.call(a_call())
        except (TimeoutError, ProviderError):
            pass

    await asyncio.gather(*(one(after_s, patience_s) for _, after_s, patience_s in plan))
    assert inner.running == 0
    assert inner.most_running <= 4
    inner.moves[:] = [Says(after_s=1)]
    began = now()
    await asyncio.gather(*(policy.call(a_call()) for _ in range(int(policy.limit))))
    assert now() - began == pytest.approx(1)
