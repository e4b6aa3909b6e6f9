"""All policies together, over two providers that do whatever a seed makes them do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from actors.providers.port import Adapter, Fault, Provider, ProviderError, Reply
from actors.resilience.stack import Resilience, most_calls, stacked
from state.errors import BudgetSpent
from state.messages import Origin
from state.spending import CallStatus, Usage
from tests.fake_provider import (
    DAY_MS,
    HANGS,
    TARGET,
    TARGET_2,
    Fails,
    FakeFlights,
    FakeLedger,
    FakeProvider,
    Listener,
    Move,
    Says,
    a_call,
    at,
    fault_of,
    now,
    priced,
)
from tests.virtual_time import on_virtual_time, run

SCHEDULES = 1000
AT_MS = 20_000 * DAY_MS


def a_stack(
    *adapters: Adapter,
    ledger: FakeLedger | None = None,
    flights: FakeFlights | None = None,
    seed: int = 1,
    **figures: Any,
) -> Provider:
    return stacked(
        dict(zip((TARGET, TARGET_2), adapters, strict=False)),
        resilience=Resilience(**figures),
        ledger=ledger or FakeLedger(),
        price=priced,
        flights=flights,
        owner=f"owner-{seed}",
        rng=Random(seed),
        now_ms=at(AT_MS),
    )


def a_move(rng: Random) -> Move:
    after_s = rng.choice([0.0, 0.2, 1.0, 5.0, 11.0, 13.0, 40.0])
    if rng.random() < 0.5:
        usage = Usage(input_tokens=rng.randint(0, 10), output_tokens=rng.randint(0, 50))
        first_s, pieces = rng.random() * after_s, rng.randint(1, 5)
        return Says(text="abcdefghij", after_s=after_s, first_s=first_s, pieces=pieces, usage=usage)
    if rng.random() < 0.1:
        return HANGS
    return Fails(
        fault=rng.choice(list(Fault)),
        after_s=after_s,
        said=rng.choice(["", "half"]),
        retry_after_s=rng.choice([None, None, 0.5, 3.0, 12.0, 60.0]),
    )


async def one_schedule(seed: int) -> dict[str, int]:
    """A burst of calls, some identical, some given up by their callers, over two processes that share flights."""
    rng = Random(seed)
    resilience = Resilience(
        hedge_share=rng.choice([0.0, 0.5]),
        hedge_min_samples=1,
        limit_initial=rng.choice([1, 4]),
        limit_maximum=8,
        max_waiting=rng.choice([1, 100]),
        trip_failures=rng.choice([2, 5]),
        daily_tokens=rng.choice([0, 200, 3000]),
        shared_operations=("write_answer",),
    )
    flights, ledger = FakeFlights(slow_s=0.001), FakeLedger(slow_s=0.002)
    adapters = [FakeProvider(*(a_move(rng) for _ in range(30)), target=target) for target in (TARGET, TARGET_2)]
    stacks = [
        stacked(
            dict(zip((TARGET, TARGET_2), adapters, strict=True)),
            resilience=resilience,
            ledger=ledger,
            price=priced,
            flights=flights,
            owner=owner,
            rng=rng,
            now_ms=at(AT_MS),
        )
        for owner in "ab"
    ]
    ended: dict[str, int] = {}

    async def one(number: int) -> None:
        await asyncio.sleep(rng.choice([0.0, 0.0, 0.5, 3.0, 20.0, 60.0]))
        listener = Listener() if rng.random() < 0.5 else None
        call = a_call(str(rng.randint(0, number)), heard=listener, variant=rng.choice(["usual", "experimental"]))
        patience_s, began, end = rng.choice([None, None, 1.0, 10.0]), now(), "reply"
        try:
            async with asyncio.timeout(patience_s):
                reply = await rng.choice(stacks).call(call)
            assert reply.text == "abcdefghij"
            assert listener is None or listener.text == reply.text
        except (ProviderError, BudgetSpent, TimeoutError) as error:
            end = "ProviderError" if isinstance(error, ProviderError) else type(error).__name__
        assert now() - began <= resilience.deadline_s + 0.01
        ended[end] = ended.get(end, 0) + 1

    calls = rng.randint(1, 8)
    await asyncio.gather(*map(one, range(calls)))
    for stack in stacks:
        await stack.aclose()
    made = sum(len(adapter.calls) for adapter in adapters)
    assert made <= calls * most_calls(resilience, 2)
    assert made == len(ledger.records)
    assert sum(adapter.running for adapter in adapters) == 0
    assert not resilience.daily_tokens or ledger.most_counted <= resilience.daily_tokens
    assert len(asyncio.all_tasks()) == 1
    return ended


@pytest.mark.parametrize("part", range(10))
def test_every_call_ends_in_time_within_its_bounds_and_leaves_nothing_behind(part: int) -> None:
    ended: dict[str, int] = {}
    for seed in range(part * SCHEDULES // 10, (part + 1) * SCHEDULES // 10):
        for end, count in run(one_schedule(seed)).items():
            ended[end] = ended.get(end, 0) + count
    assert set(ended) == {"reply", "ProviderError", "BudgetSpent", "TimeoutError"}


@pytest.mark.parametrize("providers", [1, 2])
@pytest.mark.parametrize("hedge_share", [0.0, 1.0])
@on_virtual_time
async def test_the_bound_on_calls_is_reached_and_not_passed(providers: int, hedge_share: float) -> None:
    figures: dict[str, Any] = {"hedge_share": hedge_share, "hedge_min_samples": 1, "trip_failures": 100, "trip_of": 100}
    adapters = [FakeProvider(Says(after_s=0.1), target=target) for target in (TARGET, TARGET_2)[:providers]]
    stack = a_stack(*adapters, deadline_s=1000, **figures)
    await stack.call(a_call())
    if providers == 2:  # the second one has to have been timed too, for it to be asked twice
        adapters[0].moves[:] = [Fails(fault=Fault.DECLINED), Fails(fault=Fault.FAILING, after_s=1)]
        await stack.call(a_call())
    for adapter in adapters:
        adapter.calls.clear()
        adapter.moves[:] = [Fails(fault=Fault.FAILING, after_s=1)]
    assert (await fault_of(stack, a_call())).fault is Fault.FAILING
    assert sum(len(adapter.calls) for adapter in adapters) == most_calls(Resilience(**figures), providers)


async def faults(stack: Provider, calls: int) -> Sequence[Fault]:
    return [(await fault_of(stack, a_call())).fault for _ in range(calls)]


@on_virtual_time
async def test_a_dead_provider_is_soon_left_alone_and_asked_again_when_it_is_back() -> None:
    dead, other = FakeProvider(Fails(fault=Fault.UNREACHABLE)), FakeProvider(Says(), target=TARGET_2)
    stack = a_stack(dead, other)
    for _ in range(20):
        assert (await stack.call(a_call())).provider == "other"
    assert len(dead.calls) == 5
    dead.moves[:] = [Says()]
    await asyncio.sleep(10)
    assert (await stack.call(a_call())).provider == "fake"


@on_virtual_time
async def test_a_hanging_provider_leaves_the_next_one_half_of_the_time() -> None:
    began = now()
    reply = await a_stack(FakeProvider(HANGS), FakeProvider(Says(after_s=11), target=TARGET_2)).call(a_call())
    assert (reply.provider, now() - began) == ("other", 25)


@on_virtual_time
async def test_a_provider_that_hangs_up_to_its_share_trips_its_circuit() -> None:
    hanging, other = FakeProvider(HANGS), FakeProvider(Says(), target=TARGET_2)
    stack = a_stack(hanging, other, attempt_s=100)
    for _ in range(8):
        await stack.call(a_call())
    assert len(hanging.calls) == 5


@on_virtual_time
async def test_calls_that_wait_in_vain_for_a_slot_do_not_open_the_circuit() -> None:
    slow, began = FakeProvider(Says(after_s=10)), now()
    stack = a_stack(slow, limit_initial=1, limit_maximum=1, max_waiting=15)
    ends = await asyncio.gather(*(stack.call(a_call(str(n))) for n in range(20)), return_exceptions=True)
    assert sum(isinstance(end, Reply) for end in ends) == 2
    assert now() - began <= 28
    assert (await stack.call(a_call())).text == "{}"


@pytest.mark.parametrize("wishes", [(40.0, 15.0), (15.0, 40.0), (15.0, None), (None, 15.0)])
@on_virtual_time
async def test_the_wish_of_the_provider_that_is_ready_soonest_goes_up(wishes: Sequence[float | None]) -> None:
    adapters = [
        FakeProvider(Fails(fault=Fault.THROTTLED if wish else Fault.TURNED_DOWN, retry_after_s=wish)) for wish in wishes
    ]
    error = await fault_of(a_stack(*adapters), a_call())
    assert (error.fault, error.retry_after_s) == (Fault.THROTTLED, 15)


@on_virtual_time
async def test_behind_open_circuits_the_time_until_the_next_probe_goes_up() -> None:
    stack = a_stack(FakeProvider(Fails(fault=Fault.TURNED_DOWN)))
    assert await faults(stack, 5) == [Fault.TURNED_DOWN] * 5
    await asyncio.sleep(4)
    error = await fault_of(stack, a_call())
    assert (error.fault, error.retry_after_s) == (Fault.OPEN_CIRCUIT, 6)


@on_virtual_time
async def test_a_spent_budget_is_raised_as_it_is_and_asks_no_other_provider() -> None:
    ledger, adapters = FakeLedger(), [FakeProvider(), FakeProvider()]
    stack = a_stack(*adapters, ledger=ledger, daily_tokens=10)
    with pytest.raises(BudgetSpent) as caught:
        await stack.call(a_call(origin=Origin(tenant="poor")))
    assert caught.value.retry_after_s == 86_400
    assert sum(len(adapter.calls) for adapter in adapters) == 0


@on_virtual_time
async def test_the_budget_covers_what_each_adapter_lets_its_model_think() -> None:
    frugal, thinking = FakeProvider(Fails(fault=Fault.FAILING)), FakeProvider(target=TARGET_2, thinking_tokens=900)
    with pytest.raises(BudgetSpent):
        await a_stack(frugal, thinking, daily_tokens=900, attempts=1).call(a_call())
    assert (len(frugal.calls), thinking.calls) == (1, [])


@on_virtual_time
async def test_one_tenants_unfit_requests_close_no_provider_for_the_others() -> None:
    adapter = FakeProvider(Fails(fault=Fault.UNFIT))
    stack = a_stack(adapter)
    assert await faults(stack, 20) == [Fault.UNFIT] * 20
    assert len(adapter.calls) == 20
    adapter.moves[:] = [Says()]
    assert (await stack.call(a_call(origin=Origin(tenant="other")))).text == "{}"


@on_virtual_time
async def test_attempts_that_end_late_are_recorded_as_failed() -> None:
    ledger = FakeLedger()
    stack = a_stack(FakeProvider(HANGS), ledger=ledger, attempts=1)
    assert (await fault_of(stack, a_call())).fault is Fault.LATE
    await stack.aclose()
    assert [(record.status, record.fault) for record in ledger.records] == [(CallStatus.FAILED, "late")]


@on_virtual_time
async def test_the_call_that_loses_a_race_is_recorded_as_given_up() -> None:
    ledger, adapter = FakeLedger(), FakeProvider(Says(after_s=1))
    stack = a_stack(adapter, ledger=ledger, hedge_share=1.0, hedge_min_samples=1)
    await stack.call(a_call())
    adapter.moves[:] = [HANGS, Says(after_s=0.5)]
    await stack.call(a_call())
    await stack.aclose()
    ends = sorted(record.status for record in ledger.records)
    assert ends == [CallStatus.ANSWERED, CallStatus.ANSWERED, CallStatus.GIVEN_UP]


@on_virtual_time
async def test_closing_the_stack_closes_every_adapter() -> None:
    adapters = [FakeProvider(), FakeProvider()]
    stack = a_stack(*adapters)
    assert isinstance(await stack.call(a_call()), Reply)
    await stack.aclose()
    assert [adapter.closed for adapter in adapters] == [True, True]
