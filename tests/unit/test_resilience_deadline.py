from __future__ import annotations

import asyncio

import pytest

from actors.providers.port import Fault
from actors.resilience.deadline import Deadline
from tests.fake_provider import HANGS, FakeProvider, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_a_call_ends_late_at_its_deadline() -> None:
    inner, began = FakeProvider(HANGS), now()
    error = await fault_of(Deadline(inner, seconds=28), a_call())
    assert error.fault is Fault.LATE
    assert now() - began == 28
    assert inner.cancelled == 1


@on_virtual_time
async def test_everyone_below_is_told_the_deadline() -> None:
    inner = FakeProvider()
    await Deadline(inner, seconds=28).call(a_call())
    assert inner.calls[0].deadline == now() + 28


@on_virtual_time
async def test_an_earlier_deadline_stays_and_a_later_one_does_not() -> None:
    inner = FakeProvider()
    await Deadline(inner, seconds=28).call(a_call(deadline=now() + 5))
    await Deadline(inner, seconds=28).call(a_call(deadline=now() + 100))
    assert [call.deadline - now() for call in inner.calls] == [5, 28]


@on_virtual_time
async def test_a_call_whose_deadline_has_passed_is_not_made() -> None:
    inner = FakeProvider()
    error = await fault_of(Deadline(inner, seconds=28), a_call(deadline=now()))
    assert error.fault is Fault.LATE
    assert inner.calls == []


@on_virtual_time
async def test_a_reply_in_time_is_given_at_once() -> None:
    began = now()
    assert (await Deadline(FakeProvider(Says(text="yes", after_s=3)), seconds=28).call(a_call())).text == "yes"
    assert now() - began == 3


@on_virtual_time
async def test_a_timeout_of_someone_else_is_not_taken_for_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        await Deadline(FakeProvider(TimeoutError()), seconds=28).call(a_call())


@on_virtual_time
async def test_a_cancelled_call_is_cancelled_not_late() -> None:
    inner = FakeProvider(HANGS)
    calling = asyncio.create_task(Deadline(inner, seconds=28).call(a_call()))
    await asyncio.sleep(1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert inner.cancelled == 1
