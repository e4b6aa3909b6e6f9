"""Agreement statistics: values worked out by hand, and what holds for all ratings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.judging.agreement import Column, bootstrap, kappa, mean, on_scale, share, weighted_kappa

POINTS = st.integers(1, 10)
PAIRS = st.lists(st.tuples(POINTS, POINTS), min_size=1, max_size=40)


def column(*values: float) -> Column:
    return np.array(values, dtype=np.float64)


def columns(pairs: list[tuple[int, int]]) -> tuple[Column, Column]:
    return column(*(pair[0] for pair in pairs)), column(*(pair[1] for pair in pairs))


def kappa_by_tables(first: Column, second: Column) -> float:
    """Cohen's definition with its three tables: weights, observed and expected counts."""
    observed = np.zeros((10, 10))
    for one, other in zip(first.astype(int), second.astype(int), strict=True):
        observed[one - 1, other - 1] += 1
    expected = np.outer(observed.sum(1), observed.sum(0)) / observed.sum()
    weights = np.subtract.outer(np.arange(10), np.arange(10)) ** 2 / 81
    return float(1 - (weights * observed).sum() / (weights * expected).sum())


@pytest.mark.parametrize(("first", "second", "expected"), [
    ((1, 2, 3, 4), (1, 2, 3, 4), 1.0),
    ((1, 2, 3), (3, 2, 1), -1.0),
    ((1, 1, 10, 10), (1, 10, 1, 10), 0.0),
    ((1, 2, 3, 4), (2, 3, 4, 5), 1 - 1 / 3.5),
    ((2, 4, 6, 8), (2, 4, 6, 6), 1 - 1 / 8),
    ((5, 5, 5), (5, 5, 5), 0.0),
])  # fmt: skip
def test_weighted_kappa_is_what_it_is_by_hand(first: tuple[int, ...], second: tuple[int, ...], expected: float) -> None:
    assert weighted_kappa(column(*first), column(*second)) == pytest.approx(expected)


@given(PAIRS)
def test_weighted_kappa_is_cohens_definition(pairs: list[tuple[int, int]]) -> None:
    first, second = columns(pairs)
    if len({*first, *second}) > 1:
        assert weighted_kappa(first, second) == pytest.approx(kappa_by_tables(first, second), abs=1e-9)


@given(PAIRS)
def test_weighted_kappa_is_symmetric_and_never_above_one(pairs: list[tuple[int, int]]) -> None:
    first, second = columns(pairs)
    assert weighted_kappa(first, second) == pytest.approx(weighted_kappa(second, first))
    assert weighted_kappa(first, second) <= 1


def test_a_far_disagreement_costs_more_than_a_near_one() -> None:
    rated = column(2, 4, 6, 8)
    assert weighted_kappa(rated, column(2, 4, 6, 9)) > weighted_kappa(rated, column(2, 4, 6, 10))


def test_scores_are_rounded_to_whole_points_of_the_scale_halves_up() -> None:
    assert on_scale(column(0.2, 1.49, 1.5, 2.5, 6.95, 9.5, 12)).tolist() == [1, 1, 2, 3, 7, 10, 10]


@pytest.mark.parametrize(("hits", "n", "low", "high"), [
    (8, 10, 0.4902, 0.9433),
    (0, 10, 0.0, 0.2775),
    (10, 10, 0.7225, 1.0),
    (50, 100, 0.4038, 0.5962),
])  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    found = share(hits, n)
    assert (found.value, found.n) == (hits / n, n)
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval_and_that_between_0_and_1(counted: tuple[int, int]) -> None:
    found = share(*counted)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (0, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        share(hits, n)


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    values = column(*np.random.default_rng(0).normal(size=60))
    assert mean(values, seed=3) == mean(values, seed=3)
    assert mean(values, seed=3) != mean(values, seed=4)


def test_a_column_of_one_value_has_an_interval_without_width() -> None:
    found = mean(column(*[0.5] * 20), seed=1)
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.5, 0.5, 20)


def test_rows_are_drawn_together() -> None:
    first = column(*range(1, 11))
    found = bootstrap(lambda one, other: np.abs(one - other).max(axis=-1), first, first, seed=1)
    assert found.low == found.high == 0


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        mean(column(), seed=1)


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    samples = rng.normal(loc=2.0, size=(200, 40))
    found = [
        bootstrap(lambda values: values.mean(axis=-1), one, seed=n, resamples=300) for n, one in enumerate(samples)
    ]
    covered = sum(one.low <= 2.0 <= one.high for one in found)
    assert 178 <= covered <= 199


def test_more_items_make_a_narrower_interval() -> None:
    rng = np.random.default_rng(5)
    rated = rng.integers(1, 11, size=400).astype(np.float64)
    judged = np.clip(rated + rng.integers(-2, 3, size=400), 1, 10)
    few, many = kappa(judged[:40], rated[:40], seed=1), kappa(judged, rated, seed=1)
    assert many.high - many.low < few.high - few.low
    assert many.low < many.value < many.high
