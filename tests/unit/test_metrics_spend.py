"""Money is added up exactly; names are bounded, and what that may hide is told."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from state.metrics.spend import (
    NOBODY,
    NOTHING_SPENT,
    Spend,
    TopSpenders,
    merged_spenders,
    spend_of,
    total,
    without,
)
from state.spending import Usage
from tests.observations import all_of

spends = st.builds(Spend, calls=st.integers(1, 5), input_tokens=st.integers(0, 9_000), pico_usd=st.integers(0, 10**12))
tops = st.dictionaries(st.sampled_from("abcdefgh"), spends, max_size=6).map(lambda held: TopSpenders(by_name=held))


def test_a_call_is_priced_to_the_millionth_of_a_millionth() -> None:
    usage = Usage(input_tokens=1, output_tokens=1)
    assert spend_of(usage, 0.000_000_000_001).pico_usd == 1
    assert total([spend_of(usage, 0.1)] * 3).cost_usd == Decimal("0.300000000000")


def test_what_has_no_price_or_no_usage_costs_nothing_and_is_counted() -> None:
    assert spend_of(Usage(input_tokens=7), None) == Spend(calls=1, unpriced=1, input_tokens=7)
    assert spend_of(None, None) == Spend(calls=1, unmeasured=1)


@given(tops, tops, tops)
def test_with_room_for_all_names_merging_is_associative_and_commutative(
    a: TopSpenders, b: TopSpenders, c: TopSpenders
) -> None:
    assert merged_spenders([a, b]) == merged_spenders([b, a])
    left = merged_spenders([merged_spenders([a, b]), c])
    assert left == merged_spenders([a, merged_spenders([b, c])]) == merged_spenders([a, b, c])
    assert merged_spenders([a, NOBODY]) == a


@given(st.lists(tops, max_size=8), st.integers(1, 4))
def test_without_room_totals_are_exact_and_no_name_misses_more_than_the_bound(
    parts: list[TopSpenders], most: int
) -> None:
    merged = NOBODY
    truth: Counter[str] = Counter()
    for part in parts:
        merged = merged_spenders([merged, part], most=most)
        truth.update({name: spend.pico_usd for name, spend in part.by_name.items()})
    assert len(merged.by_name) <= most
    assert all_of(merged) == total([all_of(part) for part in parts])
    for name, pico_usd in truth.items():
        kept = merged.by_name.get(name, NOTHING_SPENT).pico_usd
        assert kept <= pico_usd <= kept + merged.missing_pico_usd


def test_the_dearest_names_are_kept() -> None:
    names = [f"s{number}" for number in range(30)]
    Random(3).shuffle(names)
    top = TopSpenders(by_name={name: Spend(calls=1, pico_usd=int(name[1:])) for name in names})
    merged = merged_spenders([top], most=3)
    assert set(merged.by_name) == {"s29", "s28", "s27"}
    assert (merged.rest.calls, merged.missing_pico_usd) == (27, 26)


def test_an_erased_sessions_id_is_gone_and_its_cost_still_counts() -> None:
    top = TopSpenders(by_name={"s1": Spend(calls=1, pico_usd=5), "s2": Spend(calls=1, pico_usd=7)})
    left = without(top, "s1")
    assert set(left.by_name) == {"s2"}
    assert all_of(left) == all_of(top)
    assert without(left, "s1") == left
