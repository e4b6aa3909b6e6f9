"""Prices: the list's, an operator's own, and none where none is known."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from state import prices
from state.errors import InvalidField
from state.prices import Prices, Rates, prices_from, read_overrides, uncached
from state.spending import Usage

USAGE = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000, thinking_tokens=60_000)
MINI = Decimal("0.6") * Decimal("0.25") + Decimal("0.4") * Decimal("0.025") + Decimal("0.1") * 2
MAY_2025_MS, NOVEMBER_2026_MS = 1_748_000_000_000, 1_795_000_000_000

counts = st.integers(0, 10**9)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, plain, thinking, said = (draw(counts) for _ in range(5))
    return Usage(
        input_tokens=cached + written + plain,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=thinking + said,
        thinking_tokens=thinking,
    )


def overrides_file(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_cached_input_is_part_of_the_input_and_cheaper_and_thinking_is_part_of_the_output() -> None:
    assert Prices().exact("openai", "gpt-5-mini", USAGE) == MINI


def test_a_dated_model_costs_what_the_model_costs() -> None:
    prices = Prices()
    assert prices.exact("openai", "gpt-5-mini-2025-08-07", USAGE) == MINI
    flash = prices.exact("google", "gemini-2.5-flash-lite", USAGE)
    assert flash is not None
    assert prices.exact("google", "models/gemini-2.5-flash-lite", USAGE) == flash


def test_a_long_input_costs_its_tier_s_price_from_its_first_token_on() -> None:
    prices = Prices()
    short, long = (prices.exact("google", "gemini-2.5-pro", Usage(input_tokens=n)) for n in (200_000, 200_001))
    assert (short, long) == (Decimal("0.25"), 200_001 * Decimal("2.5") / 1_000_000)


def test_rates_that_are_kept_give_what_the_list_gives_for_every_model_of_it() -> None:
    usages = [
        Usage(input_tokens=1_000_003, cached_tokens=7, cache_write_tokens=13, output_tokens=99_991),
        Usage(input_tokens=17, output_tokens=1),
        Usage(input_tokens=2_000_000, cached_tokens=2_000_000),
    ]
    models = [(provider.id, model.id) for provider in providers for model in provider.models]
    kept = 0
    for provider, model in models:
        kept += prices._flat(provider, model) is not None
        for usage in usages:
            calculated = prices._calculated(provider, model, usage, None)
            exact = None if calculated is None else calculated.total_price
            assert Prices().exact(provider, model, usage) == exact, (provider, model)
    assert kept > len(models) / 2


def test_a_price_that_changes_on_a_day_is_that_of_the_call_s_day() -> None:
    usage = Usage(input_tokens=1_000_000)
    before, after = (Prices().exact("openai", "o3", usage, at_ms=at_ms) for at_ms in (MAY_2025_MS, NOVEMBER_2026_MS))
    assert before is not None
    assert after is not None
    assert before > after


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("no-such-provider", "gpt-5-mini"),
        ("openai-compatible", "gpt-5-mini"),
        ("OpenAI", "gpt-5-mini"),
        ("openai", "text-embedding-3-small"),
        ("", ""),
    ],
)
def test_what_the_list_does_not_hold_under_exactly_this_name_has_no_price(provider: str, model: str) -> None:
    prices = Prices()
    assert prices.exact(provider, model, USAGE) is None
    assert prices.price(provider, model, USAGE) is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=10, cached_tokens=11),
        Usage(input_tokens=10, cached_tokens=6, cache_write_tokens=6),
        Usage(input_tokens=10, cached_tokens=-1),
        Usage(input_tokens=-1),
        Usage(output_tokens=-1),
        Usage(output_tokens=10, thinking_tokens=11),
    ],
)
def test_counts_that_contradict_each_other_have_no_price(usage: Usage) -> None:
    assert Prices().exact("openai", "gpt-5-mini", usage) is None
    free = Rates(input_per_million=Decimal(0), output_per_million=Decimal(0))
    assert Prices({"openai:": free}).exact("openai", "gpt-5-mini", usage) is None


def test_the_longest_override_that_fits_wins_over_the_list(tmp_path: Path) -> None:
    path = overrides_file(
        tmp_path,
        {
            "openai:": {"input_per_million": 1, "output_per_million": 1},
            "openai:gpt-5-mini": {"input_per_million": 3, "cached_per_million": 2, "output_per_million": 5},
            "openai:gpt-5": {"input_per_million": 2, "output_per_million": 2},
            "openai-compatible:llama3:8b": {"input_per_million": 0, "output_per_million": 0},
        },
    )
    prices = prices_from(path)
    assert prices.exact("openai", "gpt-5-mini-2025-08-07", USAGE) == Decimal("0.6") * 3 + Decimal("0.4") * 2 + Decimal(
        "0.5"
    )
    assert prices.exact("openai", "gpt-5-nano", USAGE) == Decimal("2.2")
    assert prices.exact("openai", "no-such-model", USAGE) == Decimal("1.1")
    assert prices.exact("openai-compatible", "llama3:8b-q4", USAGE) == 0
    assert prices.exact("openai-compatible", "qwen", USAGE) is None
    assert prices.exact("google", "gemini-2.5-flash-lite", USAGE) == Prices().exact(
        "google", "gemini-2.5-flash-lite", USAGE
    )


def test_cache_reads_and_writes_cost_what_input_does_unless_they_have_a_price() -> None:
    usage = Usage(input_tokens=3_000_000, cached_tokens=1_000_000, cache_write_tokens=1_000_000)
    plain = Rates(input_per_million=Decimal(4), output_per_million=Decimal(1))
    assert plain.price(usage) == 12
    priced = Rates(
        input_per_million=Decimal(4),
        output_per_million=Decimal(1),
        cached_per_million=Decimal(0),
        cache_write_per_million=Decimal(5),
    )
    assert priced.price(usage) == 9


def test_a_model_that_charges_cache_writes_is_priced_with_them_and_another_one_as_plain_input() -> None:
    writes = Usage(input_tokens=100_000, cache_write_tokens=100_000)
    prices = Prices()
    charging = prices.exact("openai", "gpt-5.6-sol", writes)
    plain = prices.exact("openai", "gpt-5.6-sol", uncached(writes))
    assert charging is not None
    assert plain is not None
    assert charging == plain * Decimal("1.25")
    assert prices.exact("openai", "gpt-5-mini", writes) == prices.exact("openai", "gpt-5-mini", uncached(writes))


@given(usages())
def test_without_a_cache_the_tokens_are_the_same_and_cost_no_less(usage: Usage) -> None:
    plain = uncached(usage)
    assert (plain.cached_tokens, plain.cache_write_tokens) == (0, 0)
    assert (plain.input_tokens, plain.output_tokens, plain.thinking_tokens) == (
        usage.input_tokens,
        usage.output_tokens,
        usage.thinking_tokens,
    )
    prices = Prices()
    ours, theirs = (prices.exact("openai", "gpt-5-mini", counted) for counted in (usage, plain))
    assert ours is not None
    assert theirs is not None
    assert ours <= theirs


@given(usages())
def test_an_override_of_the_list_s_own_rates_gives_the_list_s_own_price(usage: Usage) -> None:
    rates = Rates(input_per_million=Decimal("0.25"), cached_per_million=Decimal("0.025"), output_per_million=Decimal(2))
    assert rates.price(usage) == Prices().exact("openai", "gpt-5-mini", usage)


@pytest.mark.parametrize(
    ("content", "named", "fix"),
    [
        ("{", "", "JSON (line 1)"),
        ("[]", "", "one object"),
        ({"gpt-5-mini": {}}, '"gpt-5-mini"', "'provider:model'"),
        ({":gpt-5-mini": {}}, '":gpt-5-mini"', "'provider:model'"),
        ({"a:b": 3}, '"a:b"', "input_per_million"),
        ({"a:b": {"input_per_million": 1}}, '"a:b" "output_per_million"', "is missing"),
        ({"a:b": {"input_per_million": -1, "output_per_million": 1}}, '"input_per_million"', "from 0"),
        ({"a:b": {"input_per_million": True, "output_per_million": 1}}, '"input_per_million"', "a number"),
        ({"a:b": {"input_per_million": "much", "output_per_million": 1}}, '"input_per_million"', "a number"),
        ('{"a:b": {"input_per_million": NaN, "output_per_million": 1}}', '"input_per_million"', "a number"),
        ('{"a:b": {"input_per_million": 1e400, "output_per_million": 1}}', '"input_per_million"', "a number"),
        (
            {"a:b": {"input_per_million": 1, "output_per_million": 1, "cache_per_million": 1}},
            '"cache_per_million"',
            "known are input_per_million",
        ),
    ],
)
def test_a_wrong_override_is_refused_with_the_file_the_key_and_the_fix(
    tmp_path: Path, content: Any, named: str, fix: str
) -> None:
    path = overrides_file(tmp_path, content)
    with pytest.raises(InvalidField) as refused:
        read_overrides(path)
    assert refused.value.field.startswith(f"ASKWELL_PRICES ({path})")
    assert refused.value.field.endswith(named)
    assert fix in refused.value.fix


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="No such file"):
        read_overrides(tmp_path / "none.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidField, match="as JSON"):
        read_overrides(binary)


def test_the_list_is_read_when_it_is_needed_and_never_updated_from_the_network() -> None:
    code = (
        "import sys, state.prices; assert 'genai_prices' not in sys.modules; state.prices.Prices().load();"
        "from genai_prices import data_snapshot; print(data_snapshot.get_snapshot().from_auto_update)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).strip() == "False"
