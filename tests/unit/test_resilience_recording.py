from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from actors.providers.port import Fault
from actors.resilience.attempt import AttemptTimeout
from actors.resilience.recording import Recorded
from actors.resilience.target import Target
from state.spending import CallRecord, CallStatus, Usage
from tests.fake_provider import (
    HANGS,
    TARGET_2,
    USED,
    Fails,
    FakeLedger,
    FakeProvider,
    Move,
    Says,
    a_call,
    at,
    fault_of,
    now,
    priced,
)
from tests.virtual_time import on_virtual_time

AT_MS = 1_760_000_000_000
CONFIGURED = Target(provider="configured", model="usual-1", experimental_model="bold-1")


def recorded(*moves: Move, ledger: FakeLedger) -> Recorded:
    return Recorded(
        FakeProvider(*moves, target=TARGET_2),
        ledger=ledger,
        price=priced,
        now_ms=at(AT_MS),
        target=CONFIGURED,
        patience_s=0.25,
    )


@on_virtual_time
async def test_an_answered_call_is_recorded_with_its_usage_price_and_time() -> None:
    ledger = FakeLedger()
    await recorded(Says(after_s=1.5), ledger=ledger).call(a_call(legacy_input_tokens=230))
    assert ledger.records == [
        CallRecord(
            at_ms=AT_MS,
            tenant="acme",
            session_id="s1",
            operation="write_answer",
            prompt="write_answer/1",
            provider="other",
            model="other-1",
            status=CallStatus.ANSWERED,
            fault="",
            usage=USED,
            cost_usd=0.12,
            legacy_input_tokens=230,
            latency_ms=1500.0,
        )
    ]


@pytest.mark.parametrize("usage", [None, Usage(input_tokens=1000)])
@on_virtual_time
async def test_a_failed_call_is_recorded_with_its_fault_and_what_it_cost_if_that_is_known(usage: Usage | None) -> None:
    ledger = FakeLedger()
    error = await fault_of(recorded(Fails(fault=Fault.CUT_OFF, usage=usage), ledger=ledger), a_call())
    assert error.fault is Fault.CUT_OFF
    (record,) = ledger.records
    assert (record.status, record.fault, record.provider) == (CallStatus.FAILED, "cut_off", "other")
    assert (record.usage, record.cost_usd) == (usage, None if usage is None else 1.0)


@on_virtual_time
async def test_a_call_that_is_given_up_is_recorded_in_the_name_of_who_was_called() -> None:
    for variant, model in (("usual", "usual-1"), ("experimental", "bold-1")):
        ledger = FakeLedger()
        policy = recorded(HANGS, ledger=ledger)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await policy.call(a_call(variant=variant))
        await policy.aclose()
        (record,) = ledger.records
        assert (record.status, record.fault, record.usage, record.cost_usd) == (CallStatus.GIVEN_UP, "", None, None)
        assert (record.provider, record.model, record.latency_ms) == ("configured", model, 2000)


@on_virtual_time
async def test_a_call_ended_at_its_deadline_is_recorded_as_failed_late() -> None:
    ledger = FakeLedger()
    policy = AttemptTimeout(recorded(HANGS, ledger=ledger), target=CONFIGURED, seconds=2)
    assert (await fault_of(policy, a_call(variant="experimental"))).fault is Fault.LATE
    await policy.aclose()
    (record,) = ledger.records
    assert (record.status, record.fault, record.usage, record.cost_usd) == (CallStatus.FAILED, "late", None, None)
    assert (record.provider, record.model, record.latency_ms) == ("configured", "bold-1", 2000)


@on_virtual_time
async def test_a_call_that_an_adapter_did_not_survive_is_recorded_too() -> None:
    ledger = FakeLedger()
    policy = recorded(ZeroDivisionError(), ledger=ledger)
    with pytest.raises(ZeroDivisionError):
        await policy.call(a_call())
    await policy.aclose()
    assert [record.status for record in ledger.records] == [CallStatus.GIVEN_UP]


@on_virtual_time
async def test_a_record_that_cannot_be_kept_is_counted_in_the_log_and_loses_no_reply() -> None:
    policy = recorded(Says(text="paid"), ledger=FakeLedger(away=True))
    with capture_logs() as logs:
        for _ in range(2):
            assert (await policy.call(a_call())).text == "paid"
    assert [(log["event"], log["error"], log["failures"]) for log in logs] == [
        ("call_not_recorded", "StoreUnavailable", 1),
        ("call_not_recorded", "StoreUnavailable", 2),
    ]


@on_virtual_time
async def test_a_slow_ledger_holds_a_reply_up_a_moment_and_gets_its_record_all_the_same() -> None:
    ledger, began = FakeLedger(slow_s=30), now()
    policy = recorded(Says(), ledger=ledger)
    await policy.call(a_call())
    assert now() - began == 0.25
    await policy.aclose()
    assert len(ledger.records) == 1


@on_virtual_time
async def test_a_call_cancelled_while_it_is_recorded_is_recorded_once() -> None:
    ledger = FakeLedger(slow_s=0.2)
    policy = recorded(Says(after_s=1), ledger=ledger)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.1):
            await policy.call(a_call())
    await policy.aclose()
    assert [record.status for record in ledger.records] == [CallStatus.ANSWERED]
