from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from actors.providers.port import Fault, ProviderError
from actors.resilience.budget import Budgeted
from state.errors import BudgetSpent, StoreUnavailable
from state.messages import Origin
from state.spending import Usage
from tests.fake_provider import (
    DAY_MS,
    HANGS,
    Fails,
    FakeLedger,
    FakeProvider,
    Listener,
    Move,
    Says,
    a_call,
    at,
    fault_of,
    now,
)
from tests.virtual_time import on_virtual_time

NOON_MS = 20_000 * DAY_MS + DAY_MS // 2
SENT = math.ceil(a_call().characters / 3)
RESERVED = SENT + 50
WORKED = {Fault.LATE, Fault.DECLINED, Fault.CUT_OFF, Fault.GARBLED}


def over(
    inner: FakeProvider, ledger: FakeLedger, *, limit: int | None = 1000, now_ms: Callable[[], int] | None = None
) -> Budgeted:
    return Budgeted(
        inner,
        most_output_tokens=inner.most_output_tokens,
        ledger=ledger,
        now_ms=now_ms or at(NOON_MS),
        limit=limit,
        patience_s=0.25,
    )


def budgeted(*moves: Move, limit: int | None = 1000, thinking_tokens: int = 0, **ledger: Any) -> tuple[Any, Any, Any]:
    inner, books = FakeProvider(*moves, thinking_tokens=thinking_tokens), FakeLedger(**ledger)
    return over(inner, books, limit=limit), inner, books


def counted(ledger: FakeLedger, now_ms: int = NOON_MS) -> int:
    return ledger.counted["acme", now_ms // DAY_MS]


@on_virtual_time
async def test_the_most_that_a_call_can_use_is_reserved_before_it_is_made() -> None:
    policy, _, ledger = budgeted(Says(after_s=5))
    calling = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(1)
    assert counted(ledger) == RESERVED
    await calling


@on_virtual_time
async def test_what_a_model_may_think_beside_its_reply_is_reserved_too() -> None:
    policy, inner, _ = budgeted(limit=RESERVED + 511, thinking_tokens=512)
    with pytest.raises(BudgetSpent):
        await policy.call(a_call())
    assert inner.calls == []


@on_virtual_time
async def test_what_was_used_takes_the_place_of_what_was_reserved() -> None:
    policy, _, ledger = budgeted(Says(usage=Usage(input_tokens=9, cached_tokens=8, output_tokens=4, thinking_tokens=3)))
    await policy.call(a_call())
    assert counted(ledger) == 13


@on_virtual_time
async def test_a_call_that_does_not_fit_is_not_made_and_the_day_says_when_it_would() -> None:
    policy, inner, ledger = budgeted(limit=RESERVED - 1)
    with pytest.raises(BudgetSpent) as caught:
        await policy.call(a_call())
    assert caught.value.retry_after_s == 12 * 3600
    assert (inner.calls, counted(ledger)) == ([], 0)


@on_virtual_time
async def test_a_call_that_fits_exactly_is_made() -> None:
    policy, inner, _ = budgeted(limit=RESERVED)
    await policy.call(a_call())
    assert len(inner.calls) == 1


@on_virtual_time
async def test_tenants_and_days_have_budgets_of_their_own() -> None:
    inner, ledger = FakeProvider(Says(usage=Usage(input_tokens=RESERVED))), FakeLedger()
    for tenant, day in (("acme", 0), ("other", 0), ("acme", 1)):
        policy = over(inner, ledger, limit=RESERVED, now_ms=at(NOON_MS + day * DAY_MS))
        await policy.call(a_call(origin=Origin(tenant=tenant)))
        with pytest.raises(BudgetSpent):
            await policy.call(a_call(origin=Origin(tenant=tenant)))


@on_virtual_time
async def test_a_call_over_midnight_is_settled_on_the_day_it_was_reserved() -> None:
    times = iter([NOON_MS, NOON_MS + DAY_MS])
    ledger = FakeLedger()
    policy = over(FakeProvider(), ledger, now_ms=lambda: next(times))
    await policy.call(a_call())
    assert counted(ledger) == 120
    assert counted(ledger, NOON_MS + DAY_MS) == 0


@pytest.mark.parametrize("limit", [0, None])
@on_virtual_time
async def test_without_a_budget_the_ledger_is_never_asked(limit: int | None) -> None:
    policy, _, ledger = budgeted(limit=limit, away=True)
    await policy.call(a_call())
    assert ledger.asked == 0


@pytest.mark.parametrize("fault", Fault)
@on_virtual_time
async def test_of_a_failed_call_its_input_counts_where_a_model_may_have_worked(fault: Fault) -> None:
    policy, _, ledger = budgeted(Fails(fault=fault))
    await fault_of(policy, a_call())
    assert counted(ledger) == (SENT if fault in WORKED else 0)


@pytest.mark.parametrize("fault", Fault)
@on_virtual_time
async def test_of_a_failed_call_with_a_usage_that_usage_counts(fault: Fault) -> None:
    policy, _, ledger = budgeted(Fails(fault=fault, usage=Usage(input_tokens=7, output_tokens=3)))
    await fault_of(policy, a_call())
    assert counted(ledger) == 10


@pytest.mark.parametrize("fault", Fault)
@on_virtual_time
async def test_of_a_reply_that_broke_off_its_input_and_what_was_heard_count(fault: Fault) -> None:
    listener = Listener()
    policy, _, ledger = budgeted(Fails(fault=fault, said="x" * 31))
    await fault_of(policy, a_call(heard=listener))
    assert counted(ledger) == SENT + 11
    assert listener.text == "x" * 31


@on_virtual_time
async def test_of_a_reply_given_up_in_the_middle_its_input_and_what_was_heard_count() -> None:
    policy, _, ledger = budgeted(Says(text="x" * 60, pieces=2, after_s=4))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await policy.call(a_call(heard=Listener()))
    await policy.aclose()
    assert counted(ledger) == SENT + 10


@on_virtual_time
async def test_of_a_call_given_up_its_input_counts() -> None:
    policy, _, ledger = budgeted(HANGS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await policy.call(a_call())
    await policy.aclose()
    assert counted(ledger) == SENT


@on_virtual_time
async def test_a_call_given_up_waits_for_no_ledger_and_is_settled_all_the_same() -> None:
    policy, _, ledger = budgeted(HANGS)
    began, calling = now(), asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(2)
    ledger.slow_s = 3
    calling.cancel()
    await asyncio.wait({calling})
    assert (now() - began, counted(ledger)) == (2, RESERVED)
    await policy.aclose()
    assert counted(ledger) == SENT


@on_virtual_time
async def test_a_call_given_up_while_it_reserves_counts_nothing() -> None:
    policy, inner, ledger = budgeted(slow_s=0.2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await policy.call(a_call())
    await policy.aclose()
    assert (inner.calls, counted(ledger)) == ([], 0)


@on_virtual_time
async def test_a_budget_that_is_slow_to_answer_refuses_the_call_in_time_and_counts_nothing() -> None:
    policy, inner, ledger = budgeted(slow_s=3)
    began = now()
    with pytest.raises(StoreUnavailable):
        await policy.call(a_call())
    assert now() - began == 0.25
    await policy.aclose()
    assert (inner.calls, ledger.most_counted, counted(ledger)) == ([], RESERVED, 0)


@on_virtual_time
async def test_a_budget_that_cannot_be_asked_for_refuses_the_call() -> None:
    policy, inner, _ = budgeted(away=True)
    with pytest.raises(StoreUnavailable):
        await policy.call(a_call())
    assert inner.calls == []


@on_virtual_time
async def test_a_ledger_that_fails_or_is_slow_meanwhile_loses_no_paid_reply() -> None:
    policy, _, ledger = budgeted(Says(text="paid", after_s=5))
    calling = asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(1)
    ledger.away = True
    with capture_logs() as logs:
        assert (await calling).text == "paid"
    assert logs == [{"event": "budget_not_settled", "error": "StoreUnavailable", "failures": 1, "log_level": "warning"}]
    policy, _, ledger = budgeted(Says(text="paid", after_s=5))
    began, calling = now(), asyncio.create_task(policy.call(a_call()))
    await asyncio.sleep(1)
    ledger.slow_s = 60
    assert (await calling).text == "paid"
    assert now() - began == 5.25
    await policy.aclose()
    assert counted(ledger) == 120


SPENDING = st.builds(
    lambda used, after_s: Says(usage=Usage(input_tokens=SENT, output_tokens=used), after_s=after_s),
    used=st.integers(0, 50),
    after_s=st.floats(0, 3),
)
FAILURE = st.builds(Fails, fault=st.sampled_from(Fault), after_s=st.floats(0, 3))
LIFE = st.tuples(st.floats(0, 5), st.none() | st.floats(0, 4))


@settings(deadline=None)
@given(
    moves=st.lists(SPENDING | FAILURE, min_size=1, max_size=20),
    lives=st.lists(LIFE, max_size=20),
    limit=st.integers(1, 500),
)
@on_virtual_time
async def test_the_budget_is_never_passed_and_every_reservation_is_settled(
    moves: list[Move], lives: list[tuple[float, float | None]], limit: int
) -> None:
    policy, _, ledger = budgeted(*moves, limit=limit, slow_s=0.01)
    spent = given_up = 0

    async def live(after_s: float, patience_s: float | None) -> None:
        nonlocal spent, given_up
        await asyncio.sleep(after_s)
        try:
            async with asyncio.timeout(patience_s):
                usage = (await policy.call(a_call())).usage
                spent += usage.input_tokens + usage.output_tokens
        except ProviderError as error:
            spent += SENT if error.fault in WORKED else 0
        except TimeoutError:
            given_up += 1
        except BudgetSpent:
            pass

    await asyncio.gather(*(live(*life) for life in lives))
    await policy.aclose()
    assert ledger.most_counted <= limit
    assert spent <= counted(ledger) <= spent + RESERVED * given_up
