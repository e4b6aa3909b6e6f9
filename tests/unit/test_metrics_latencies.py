"""Latencies: exact sums, quantiles within 0.5 %, and merges that do not depend on any order."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest
from ddsketch.ddsketch import LogCollapsingLowestDenseDDSketch
from hypothesis import given
from hypothesis import strategies as st

from state.errors import RecordUnreadable
from state.metrics.latencies import (
    BINS,
    NO_LATENCIES,
    NS_PER_MS,
    RELATIVE_ACCURACY,
    Bins,
    Latencies,
    LatencyRecorder,
    cumulative,
    merged,
    quantiles_ms,
)

QUANTILES = (0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0)
in_range = st.integers(1_000, 600_000 * NS_PER_MS)
anything = st.integers(-(10**6), 10**15)


def of(values_ns: list[int]) -> Latencies:
    recorder = LatencyRecorder()
    for value in values_ns:
        recorder.add(value)
    return recorder.latencies()


def exact_ms(values_ns: list[int], quantile: float) -> float:
    return sorted(values_ns)[math.floor(quantile * (len(values_ns) - 1))] / NS_PER_MS


@given(st.lists(in_range, min_size=1, max_size=60))
def test_every_quantile_is_within_half_a_percent_of_the_exact_one(values_ns: list[int]) -> None:
    told = quantiles_ms(of(values_ns), QUANTILES)
    assert told is not None
    for quantile, value in zip(QUANTILES, told, strict=True):
        assert value == pytest.approx(exact_ms(values_ns, quantile), rel=RELATIVE_ACCURACY * 1.0001)
    assert all(lower <= upper for lower, upper in pairwise(told))


def test_the_p95_of_four_replicas_over_ten_thousand_operations_is_right_within_a_percent() -> None:
    rng = Random(6)
    replicas = [[round(rng.lognormvariate(6, 1.2) * NS_PER_MS) for _ in range(2_500)] for _ in range(4)]
    everything = [value for replica in replicas for value in replica]
    told = quantiles_ms(merged(map(of, replicas)), (0.5, 0.95, 0.99))
    assert told is not None
    for quantile, value in zip((0.5, 0.95, 0.99), told, strict=True):
        assert abs(value / exact_ms(everything, quantile) - 1) < 0.01


@given(st.lists(st.lists(in_range, min_size=1, max_size=20), min_size=1, max_size=4))
def test_a_merge_has_the_librarys_own_outcome(parts: list[list[int]]) -> None:
    theirs = LogCollapsingLowestDenseDDSketch(RELATIVE_ACCURACY, BINS)
    for part in parts:
        one = LogCollapsingLowestDenseDDSketch(RELATIVE_ACCURACY, BINS)
        for value in part:
            one.add(value / NS_PER_MS)
        theirs.merge(one)
    ours = merged(map(of, parts))
    lowest, highest = ours.min_ns / NS_PER_MS, ours.max_ns / NS_PER_MS
    told = quantiles_ms(ours, QUANTILES)
    assert told == [min(max(theirs.get_quantile_value(quantile), lowest), highest) for quantile in QUANTILES]


@given(st.lists(anything, max_size=20), st.lists(anything, max_size=20), st.lists(anything, max_size=20))
def test_merging_is_associative_and_commutative_and_has_an_identity(a: list[int], b: list[int], c: list[int]) -> None:
    one, two, three = of(a), of(b), of(c)
    assert merged([one, two]) == merged([two, one])
    assert merged([merged([one, two]), three]) == merged([one, merged([two, three])]) == merged([one, two, three])
    assert merged([one, NO_LATENCIES]) == one
    assert merged([one, two, three]) == of(a + b + c)


@given(st.lists(anything, min_size=1, max_size=40))
def test_count_sum_minimum_and_maximum_are_exact(values_ns: list[int]) -> None:
    real = [max(value, 0) for value in values_ns]
    told = of(values_ns)
    assert (told.count, told.sum_ns) == (len(real), sum(real))
    assert (told.min_ns, told.max_ns) == (min(real), max(real))


def test_a_sketch_is_bounded_whatever_is_recorded() -> None:
    rng = Random(1)
    wide = of([round(10 ** rng.uniform(-3, 18)) for _ in range(20_000)])
    assert len(wide.bins.keys) <= 2 * BINS
    assert BINS < 2_048
    assert quantiles_ms(wide, (1.0,)) == [pytest.approx(600_000, rel=0.01)]


def test_counts_take_as_many_bytes_as_the_largest_needs() -> None:
    few = of([NS_PER_MS])
    many = few
    for power in range(1, 34):
        many = merged([many, many])
        assert many.count == 2**power
        assert len(many.bins.counts) == next(width for width in (1, 2, 4, 8) if 2**power < 256**width)
    assert quantiles_ms(many, (0.5,)) == quantiles_ms(few, (0.5,))


def test_nothing_recorded_has_no_quantile() -> None:
    assert quantiles_ms(NO_LATENCIES, (0.5,)) is None
    assert merged([]) == of([]) == NO_LATENCIES
    assert cumulative(NO_LATENCIES, (1.0, 2.0)) == [0, 0]


@given(st.lists(in_range, min_size=1, max_size=40))
def test_a_histogram_counts_what_is_at_most_a_bound_within_the_sketchs_accuracy(values_ns: list[int]) -> None:
    bounds_s = (0.005, 0.1, 1.0, 3.0, 60.0, 1_000.0)
    counts = cumulative(of(values_ns), bounds_s)
    for bound_s, count in zip(bounds_s, counts, strict=True):
        seconds = [value / NS_PER_MS / 1000 for value in values_ns]
        surely = sum(value <= bound_s * 0.99 for value in seconds)
        maybe = sum(value <= bound_s * 1.01 for value in seconds)
        assert surely <= count <= maybe
    assert counts[-1] == len(values_ns)


@pytest.mark.parametrize(
    "bins",
    [
        Bins(b"\x01\x00", b""),
        Bins(b"\x01", b"\x01"),
        Bins(b"", b"\x01"),
        Bins(b"\x01\x00\x02\x00", b"\x01\x01\x01"),
        Bins(b"\x01\x00", b"\x02"),
        Bins(b"\xff\xff", b"\x01"),
    ],
    ids=["no counts", "half a key", "no keys", "three counts of two keys", "another count", "a key out of range"],
)
def test_bins_that_contradict_themselves_are_refused(bins: Bins) -> None:
    broken = Latencies(count=1, sum_ns=1, min_ns=1, max_ns=1, bins=bins)
    with pytest.raises(RecordUnreadable):
        merged([broken, of([NS_PER_MS])])
    with pytest.raises(RecordUnreadable):
        quantiles_ms(broken, (0.5,))
