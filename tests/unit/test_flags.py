"""Flags fall the same way everywhere, and growing a rollout takes nobody out."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from state.flags import BUCKETS, DEFAULT_ROLLOUTS, assign, bucket


@given(st.text(), st.text(), st.floats(0, 100), st.floats(0, 100))
def test_a_rollout_that_grows_only_adds_units(flag: str, unit: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert assign(unit, {flag: smaller})[flag] <= assign(unit, {flag: larger})[flag]


@given(st.text(), st.text())
def test_nobody_is_in_at_0_percent_and_everybody_at_100(flag: str, unit: str) -> None:
    assert assign(unit, {flag: 0, flag + "x": 100}) == {flag: False, flag + "x": True}
    assert 0 <= bucket(flag, unit) < BUCKETS


def test_the_bucket_is_the_same_in_every_process_and_hash_seed() -> None:
    code = "from state.flags import bucket; print([bucket('f', f'u{n}') for n in range(20)])"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert found == {f"{[bucket('f', f'u{n}') for n in range(20)]}\n"}


def test_half_of_the_units_fall_into_a_50_percent_rollout() -> None:
    inside = sum(assign(f"user-{n}")["advanced_quality_evaluation"] for n in range(10_000))
    assert 4_800 < inside < 5_200


def test_the_defaults_are_those_of_the_domain() -> None:
    on = {flag for flag, percent in DEFAULT_ROLLOUTS.items() if percent == 100}
    assert on == {
        "use_prompt_cache_optimizer",
        "use_batch_generation",
        "dynamic_quality_thresholds",
        "parallel_rag_searches",
    }
    assert DEFAULT_ROLLOUTS["advanced_quality_evaluation"] == 50
