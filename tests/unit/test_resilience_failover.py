from __future__ import annotations

import math

import pytest

from actors.providers.port import Fault
from actors.resilience.failover import Failover
from state.errors import StoreUnavailable
from tests.fake_provider import HANGS, TARGET_2, Fails, FakeProvider, Listener, Says, a_call, fault_of, now
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_the_second_provider_is_not_asked_while_the_first_replies() -> None:
    first, second = FakeProvider(Says(text="first")), FakeProvider()
    assert (await Failover([first, second]).call(a_call())).text == "first"
    assert second.calls == []


@pytest.mark.parametrize("fault", Fault)
@on_virtual_time
async def test_every_fault_goes_to_the_next_provider(fault: Fault) -> None:
    failover = Failover([FakeProvider(Fails(fault=fault)), FakeProvider(Says(text="second"), target=TARGET_2)])
    reply = await failover.call(a_call())
    assert (reply.text, reply.provider) == ("second", "other")


@on_virtual_time
async def test_providers_share_the_time_that_is_left_fairly() -> None:
    began, hanging = now(), [FakeProvider(HANGS) for _ in range(3)]
    error = await fault_of(Failover(hanging), a_call(deadline=began + 30))
    assert error.fault is Fault.LATE
    assert [provider.calls[0].deadline - began for provider in hanging] == pytest.approx([10, 20, 30])
    assert now() - began == pytest.approx(30)


@on_virtual_time
async def test_a_provider_behind_an_open_circuit_costs_the_next_one_nothing() -> None:
    began, second = now(), FakeProvider()
    shut = FakeProvider(Fails(fault=Fault.OPEN_CIRCUIT, retry_after_s=9))
    await Failover([shut, second]).call(a_call(deadline=began + 30))
    assert (now(), second.calls[0].deadline) == (began, began + 30)


@on_virtual_time
async def test_without_a_deadline_nobody_is_cut_off() -> None:
    first = FakeProvider(Says(after_s=3600))
    await Failover([first, FakeProvider()]).call(a_call())
    assert first.calls[0].deadline == math.inf


@on_virtual_time
async def test_the_error_raised_is_of_the_provider_that_can_be_asked_again_soonest() -> None:
    failover = Failover(
        [
            FakeProvider(Fails(fault=Fault.THROTTLED, retry_after_s=20)),
            FakeProvider(Fails(fault=Fault.OPEN_CIRCUIT, retry_after_s=7)),
            FakeProvider(Fails(fault=Fault.TURNED_DOWN)),
        ]
    )
    error = await fault_of(failover, a_call())
    assert (error.fault, error.retry_after_s) == (Fault.OPEN_CIRCUIT, 7)


@on_virtual_time
async def test_the_wait_named_counts_from_when_the_error_is_raised() -> None:
    first = FakeProvider(Fails(fault=Fault.THROTTLED, retry_after_s=12))
    second = FakeProvider(Fails(fault=Fault.THROTTLED, retry_after_s=10, after_s=9))
    error = await fault_of(Failover([first, second]), a_call())
    assert error.retry_after_s == pytest.approx(3)


@on_virtual_time
async def test_where_nobody_names_a_time_the_last_error_is_raised() -> None:
    failover = Failover([FakeProvider(Fails(fault=Fault.FAILING)), FakeProvider(Fails(fault=Fault.DECLINED))])
    assert (await fault_of(failover, a_call())).fault is Fault.DECLINED


@on_virtual_time
async def test_what_the_first_said_is_taken_back_before_the_second_speaks() -> None:
    listener = Listener()
    first = FakeProvider(Fails(fault=Fault.UNREACHABLE, said="half"))
    await Failover([first, FakeProvider(Says(text="whole"))]).call(a_call(heard=listener))
    assert listener.heard == ["half", None, "whole"]


@on_virtual_time
async def test_a_store_that_is_away_is_no_reason_to_fail_over() -> None:
    second = FakeProvider()
    with pytest.raises(StoreUnavailable):
        await Failover([FakeProvider(StoreUnavailable()), second]).call(a_call())
    assert second.calls == []


@on_virtual_time
async def test_all_providers_are_closed() -> None:
    both = [FakeProvider(), FakeProvider()]
    await Failover(both).aclose()
    assert [provider.closed for provider in both] == [True, True]
