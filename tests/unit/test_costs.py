"""The report: sums that are exact, comparisons that are fair, and nothing unknown taken for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.costs import Comparison, CostReport, Tally, report, tally
from state.prices import Prices, Rates
from state.spending import CallRecord, CallStatus, Usage

PRICES = Prices(
    {
        "openai:gpt-5-mini": Rates(
            input_per_million=Decimal("0.25"),
            cached_per_million=Decimal("0.025"),
            output_per_million=Decimal(2),
        ),
        "google:": Rates(input_per_million=Decimal("0.1"), output_per_million=Decimal("0.4")),
        "dear:": Rates(
            input_per_million=Decimal(1), cache_write_per_million=Decimal("1.25"), output_per_million=Decimal(1)
        ),
    }
)
USAGE = Usage(input_tokens=4_000, cached_tokens=3_000, output_tokens=500, thinking_tokens=200)


def a_call(**changes: Any) -> CallRecord:
    """An answered call with the price that `PRICES` gives it, unless `changes` name another."""
    call = CallRecord(
        at_ms=1_795_000_000_000,
        tenant="acme",
        session_id="s1",
        operation="write_answer",
        prompt="write_answer/3",
        provider="openai",
        model="gpt-5-mini",
        status=CallStatus.ANSWERED,
        fault="",
        usage=USAGE,
        cost_usd=None,
        legacy_input_tokens=600,
        latency_ms=900.0,
    )
    call = replace(call, **changes)
    if "cost_usd" in changes or call.usage is None:
        return call
    return replace(call, cost_usd=PRICES.price(call.provider, call.model, call.usage))


def a_failed_call(**changes: Any) -> CallRecord:
    return a_call(status=CallStatus.FAILED, fault="throttled", usage=None, **changes)


def a_given_up_call(**changes: Any) -> CallRecord:
    return a_call(status=CallStatus.GIVEN_UP, usage=None, **changes)


MODELS = [("openai", "gpt-5-mini"), ("google", "gemini-2.5-flash-lite"), ("unlisted", "a-model")]
tokens = st.integers(0, 200_000)


@st.composite
def calls(draw: st.DrawFn) -> CallRecord:
    cached, plain, thinking, said = (draw(tokens) for _ in range(4))
    provider, model = draw(st.sampled_from(MODELS))
    usage = Usage(
        input_tokens=cached + plain, cached_tokens=cached, output_tokens=thinking + said, thinking_tokens=thinking
    )
    return a_call(
        status=draw(st.sampled_from(CallStatus)),
        operation=draw(st.sampled_from(["write_answer", "evaluate_answer", "find_gaps"])),
        prompt=draw(st.sampled_from(["write_answer/3", "write_answer/3+repair/1", "evaluate_answer/2"])),
        provider=provider,
        model=model,
        usage=draw(st.sampled_from([usage, usage, None])),
        legacy_input_tokens=draw(st.integers(0, 5_000)),
    )


@given(st.lists(calls(), max_size=30))
def test_the_groups_of_every_table_sum_to_the_total_exactly(recorded: Sequence[CallRecord]) -> None:
    shown = report(recorded, PRICES)
    assert sum(shown.by_operation.values(), Tally()) == shown.total
    assert sum(shown.by_model.values(), Tally()) == shown.total
    assert shown.total.calls == len(recorded)


@given(st.lists(calls(), max_size=30))
def test_sums_of_dollars_are_exact_far_below_the_cent(recorded: Sequence[CallRecord]) -> None:
    expected = sum((_exact_cost(call) for call in recorded), Fraction(0))
    shown = report(recorded, PRICES)
    assert Fraction(shown.total.cost_usd) == expected
    assert Fraction(shown.uncached.ours_usd) == expected


def _exact_cost(call: CallRecord) -> Fraction:
    """Worked out from the rates above, without the code under test."""
    usage, rate = call.usage, Fraction(1, 1_000_000)
    if usage is None or call.provider == "unlisted":
        return Fraction(0)
    if call.provider == "google":
        return (usage.input_tokens * Fraction(1, 10) + usage.output_tokens * Fraction(4, 10)) * rate
    plain = usage.input_tokens - usage.cached_tokens
    return (plain * Fraction(1, 4) + usage.cached_tokens * Fraction(1, 40) + usage.output_tokens * 2) * rate


@given(st.lists(calls(), max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_calls_does_not_matter(recorded: list[CallRecord], random: Any) -> None:
    shuffled = list(recorded)
    random.shuffle(shuffled)
    assert report(shuffled, PRICES) == report(recorded, PRICES)


@given(st.lists(calls(), max_size=30), st.lists(calls(), max_size=30))
def test_two_reports_add_up_to_the_report_of_both(one: list[CallRecord], other: list[CallRecord]) -> None:
    first, second, both = (report(recorded, PRICES) for recorded in (one, other, one + other))
    assert first.total + second.total == both.total
    assert first.predecessor.theirs_usd + second.predecessor.theirs_usd == both.predecessor.theirs_usd


@given(st.lists(calls(), max_size=30))
def test_where_cached_input_is_cheaper_the_same_calls_uncached_cost_no_less(recorded: list[CallRecord]) -> None:
    shown = report(recorded, PRICES)
    assert shown.uncached.saved_usd >= 0


def test_a_session_is_compared_with_its_calls_uncached_and_with_the_predecessor_s_prompts() -> None:
    shown = report([a_call(), a_call(operation="evaluate_answer", prompt="evaluate_answer/2")], PRICES)
    ours = 2 * (1_000 * Decimal("0.25") + 3_000 * Decimal("0.025") + 500 * 2) / 1_000_000
    uncached = 2 * (4_000 * Decimal("0.25") + 500 * 2) / 1_000_000
    predecessor = 2 * (600 * Decimal("0.25") + 500 * 2) / 1_000_000
    assert shown.total.cost_usd == ours
    assert shown.uncached == Comparison(calls=2, ours_usd=ours, theirs_usd=uncached)
    assert shown.predecessor == Comparison(calls=2, ours_usd=ours, theirs_usd=predecessor)
    assert shown.uncached.saved_share == pytest.approx(0.3375)
    assert shown.predecessor.saved_share == pytest.approx(-0.1522, abs=1e-4)


@pytest.mark.parametrize(
    "extra",
    [
        a_call(prompt="write_answer/3+repair/1"),
        a_call(prompt="write_answer/3+refused"),
        a_call(legacy_input_tokens=0),
        a_call(status=CallStatus.FAILED, fault="cut_off"),
        a_call(status=CallStatus.GIVEN_UP),
    ],
)
def test_a_call_that_only_we_make_is_on_our_side_alone(extra: CallRecord) -> None:
    alone, both = report([a_call()], PRICES), report([a_call(), extra], PRICES)
    assert both.predecessor.theirs_usd == alone.predecessor.theirs_usd
    assert both.predecessor.calls == 1
    assert both.predecessor.ours_usd == 2 * alone.predecessor.ours_usd


def test_a_completion_that_took_three_calls_counts_once_for_the_predecessor() -> None:
    shown = report([a_failed_call(), a_given_up_call(), a_call()], PRICES)
    assert shown.predecessor == report([a_call()], PRICES).predecessor
    assert (shown.total.calls, shown.total.failed, shown.total.given_up) == (3, 1, 1)


def test_calls_of_unknown_cost_are_counted_apart_and_on_neither_side() -> None:
    unknown = [a_call(provider="unlisted"), a_failed_call(), a_given_up_call()]
    shown = report([a_call(), *unknown], PRICES)
    assert (shown.total.unpriced, shown.total.unmeasured) == (1, 2)
    assert shown.total.cost_usd == report([a_call()], PRICES).total.cost_usd
    assert shown.uncached == report([a_call()], PRICES).uncached


def test_cache_writes_can_make_caching_dearer_and_the_report_says_so() -> None:
    writing = a_call(provider="dear", usage=Usage(input_tokens=4_000, cache_write_tokens=4_000))
    shown = report([writing], PRICES)
    assert shown.uncached.saved_usd == Decimal("-0.001")
    assert shown.uncached.saved_share == -0.25


def test_prices_that_changed_since_the_recording_change_the_comparison_and_not_the_total() -> None:
    shown = report([a_call(cost_usd=0.5)], PRICES)
    assert shown.total.cost_usd == Decimal("0.5")
    assert shown.uncached.ours_usd == report([a_call()], PRICES).total.cost_usd


def test_the_cached_share_of_eligible_input_leaves_out_what_no_cache_takes() -> None:
    short = a_call(usage=Usage(input_tokens=1_000))
    unknown = a_call(provider="google", model="gemini-1.0", usage=Usage(input_tokens=9_000))
    minimums = {("openai", "gpt-5-mini"): 1_024}
    recorded = [a_call(), short, unknown]
    total = report(recorded, PRICES, lambda *model: minimums.get(model)).total
    assert total.cached_share == 3_000 / 14_000
    assert total.eligible_share == 3_000 / 4_000
    assert report(recorded, PRICES).total.eligible_share is None


def test_the_shares_of_nothing_are_not_known() -> None:
    assert report([], PRICES) == CostReport()
    nothing = tally(a_failed_call())
    assert (nothing.cached_share, nothing.eligible_share) == (None, None)
    assert report([a_call(legacy_input_tokens=0)], PRICES).predecessor.saved_share is None
