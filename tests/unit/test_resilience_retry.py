from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.providers.port import HANDLING, Fault
from actors.resilience.retry import Retried
from state.errors import BudgetSpent
from tests.fake_provider import Fails, FakeProvider, Listener, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time

AGAIN = [fault for fault, handling in HANDLING.items() if handling.again]
NEVER = [fault for fault, handling in HANDLING.items() if not handling.again]


def retried(inner: Any, *, seed: int = 1, **changes: Any) -> Retried:
    usual: dict[str, Any] = {"attempts": 3, "backoff_s": 0.5, "longest_backoff_s": 8.0, "patience_s": 10.0}
    return Retried(inner, rng=Random(seed), **{**usual, **changes})


@pytest.mark.parametrize("fault", AGAIN)
@on_virtual_time
async def test_a_fault_that_may_pass_is_tried_again(fault: Fault) -> None:
    inner = FakeProvider(Fails(fault=fault), Fails(fault=fault), Says(text="yes"))
    assert (await retried(inner).call(a_call())).text == "yes"
    assert len(inner.calls) == 3


@pytest.mark.parametrize("fault", NEVER)
@on_virtual_time
async def test_a_fault_that_stays_is_raised_at_once(fault: Fault) -> None:
    inner, began = FakeProvider(Fails(fault=fault)), now()
    assert (await fault_of(retried(inner), a_call())).fault is fault
    assert (len(inner.calls), now()) == (1, began)


@on_virtual_time
async def test_attempts_are_counted_with_the_first_one() -> None:
    inner = FakeProvider(Fails(fault=Fault.FAILING))
    assert (await fault_of(retried(inner, attempts=3), a_call())).fault is Fault.FAILING
    assert len(inner.calls) == 3


@on_virtual_time
async def test_a_single_attempt_is_no_retry() -> None:
    inner = FakeProvider(Fails(fault=Fault.FAILING))
    await fault_of(retried(inner, attempts=1), a_call())
    assert len(inner.calls) == 1


class Clocked(FakeProvider):
    """Notes the time of each call."""

    def __init__(self, *moves: Any) -> None:
        super().__init__(*moves)
        self.at: list[float] = []

    async def call(self, call: Any) -> Any:
        self.at.append(now())
        return await super().call(call)

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.at, self.at[1:], strict=False)]


@settings(deadline=None)
@given(seed=st.integers(0, 1000))
@on_virtual_time
async def test_pauses_are_drawn_from_a_ceiling_that_doubles_up_to_the_longest(seed: int) -> None:
    inner = Clocked(Fails(fault=Fault.FAILING))
    await fault_of(retried(inner, seed=seed, attempts=7), a_call())
    ceilings = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert all(-1e-6 <= pause <= most + 1e-6 for pause, most in zip(inner.pauses, ceilings, strict=True))


@on_virtual_time
async def test_the_same_seed_gives_the_same_pauses_and_another_one_others() -> None:
    schedules = []
    for seed in (1, 1, 2):
        inner = Clocked(Fails(fault=Fault.FAILING))
        await fault_of(retried(inner, seed=seed), a_call())
        schedules.append(pytest.approx(inner.pauses))
    assert schedules[0] == schedules[1].expected
    assert schedules[0] != schedules[2].expected


@on_virtual_time
async def test_the_provider_is_not_asked_before_it_wishes_to_be() -> None:
    inner = Clocked(Fails(fault=Fault.THROTTLED, retry_after_s=4), Says())
    await retried(inner).call(a_call())
    assert 4 <= inner.pauses[0] <= 4.5


@on_virtual_time
async def test_a_wish_beyond_patience_is_left_to_another_provider() -> None:
    inner, began = FakeProvider(Fails(fault=Fault.THROTTLED, retry_after_s=10.5)), now()
    error = await fault_of(retried(inner, patience_s=10), a_call())
    assert (error.retry_after_s, now(), len(inner.calls)) == (10.5, began, 1)


@on_virtual_time
async def test_a_pause_that_passes_the_deadline_is_not_begun() -> None:
    inner, began = FakeProvider(Fails(fault=Fault.THROTTLED, retry_after_s=6)), now()
    await fault_of(retried(inner), a_call(deadline=now() + 6))
    assert (now(), len(inner.calls)) == (began, 1)


@on_virtual_time
async def test_what_was_heard_is_taken_back_before_the_text_begins_anew() -> None:
    listener = Listener()
    inner = FakeProvider(Fails(fault=Fault.GARBLED, said="half"), Fails(fault=Fault.FAILING), Says(text="whole"))
    await retried(inner).call(a_call(heard=listener))
    assert listener.heard == ["half", None, "whole"]


@on_virtual_time
async def test_an_error_that_is_no_fault_passes_through() -> None:
    inner = FakeProvider(BudgetSpent(retry_after_s=60))
    with pytest.raises(BudgetSpent):
        await retried(inner).call(a_call())
    assert len(inner.calls) == 1


@on_virtual_time
async def test_a_call_cancelled_in_its_pause_makes_no_other_attempt() -> None:
    inner = FakeProvider(Fails(fault=Fault.THROTTLED, retry_after_s=4), Says())
    calling = asyncio.create_task(retried(inner).call(a_call()))
    await asyncio.sleep(1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert len(inner.calls) == 1
