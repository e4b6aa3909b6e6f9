from __future__ import annotations

from actors.providers.port import Fault
from actors.resilience.attempt import AttemptTimeout
from tests.fake_provider import HANGS, TARGET, FakeProvider, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_an_attempt_ends_late_in_the_name_of_its_provider() -> None:
    inner, began = FakeProvider(HANGS), now()
    error = await fault_of(AttemptTimeout(inner, target=TARGET, seconds=12), a_call())
    assert (error.fault, error.provider, error.model) == (Fault.LATE, "fake", "fake-1")
    assert now() - began == 12
    assert inner.cancelled == 1


@on_virtual_time
async def test_the_calls_own_deadline_ends_it_earlier() -> None:
    began = now()
    await fault_of(AttemptTimeout(FakeProvider(HANGS), target=TARGET, seconds=12), a_call(deadline=now() + 4))
    assert now() - began == 4


@on_virtual_time
async def test_the_adapter_is_told_until_when_it_may_work() -> None:
    inner = FakeProvider()
    await AttemptTimeout(inner, target=TARGET, seconds=12).call(a_call())
    assert inner.calls[0].deadline == now() + 12


@on_virtual_time
async def test_a_reply_in_time_is_passed_on() -> None:
    inner = FakeProvider(Says(text="yes", after_s=11.9))
    assert (await AttemptTimeout(inner, target=TARGET, seconds=12).call(a_call())).text == "yes"
