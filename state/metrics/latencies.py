"""Latencies of one cell: exact count, sum, minimum and maximum, beside a DDSketch for the quantiles.

The sketch is Datadog's `ddsketch` (Masson, Rim, Lee: DDSketch, VLDB 2019), with a relative accuracy of 0.5 %: a
latency falls into the bin that its logarithm to the base 1.01005 names, and a quantile is the middle of a bin. The
library says which bin that is and what a bin stands for. Its own store of bins makes room for a hundred of them where
a second's latencies fall into ten, and merging and finding a rank go through a thousand of them in Python; here a
dictionary and numpy do that, with the library's outcome, which a test holds them to.

Recorded are latencies from 1 microsecond to 10 minutes, ten times the longest deadline; what is outside falls into
the first or the last bin. So a sketch has at most 2,022 bins, no bin is ever collapsed, and a merge is a sum of
whole numbers: associative, commutative, and exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ddsketch.mapping import LogarithmicMapping

from state.errors import RecordUnreadable

RELATIVE_ACCURACY = 0.005
LOWEST_MS = 0.001
HIGHEST_MS = 600_000.0
NS_PER_MS = 1_000_000

MAPPING = LogarithmicMapping(RELATIVE_ACCURACY)
FIRST_KEY = MAPPING.key(LOWEST_MS)
BINS = MAPPING.key(HIGHEST_MS) - FIRST_KEY + 1
_KEY = "<u2"
_KEY_WIDTH = 2
_COUNTS: Mapping[float, str] = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<u8"}


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of a sketch that hold something: `keys` from 0, ascending, as 16-bit numbers, and the `counts` of each
    in the fewest bytes, 1, 2, 4 or 8, that hold the largest; both little-endian."""

    keys: bytes = b""
    counts: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Times are nanoseconds; `min_ns` and `max_ns` mean nothing while `count` is 0. Whole numbers, so that a sum does
    not depend on the order in which processes are heard."""

    count: int = 0
    sum_ns: int = 0
    min_ns: int = 0
    max_ns: int = 0
    bins: Bins = Bins()


NO_LATENCIES = Latencies()


class LatencyRecorder:
    """Collects one cell's latencies between two flushes."""

    __slots__ = ("_bins", "_count", "_max_ns", "_min_ns", "_sum_ns")

    def __init__(self) -> None:
        self._count = 0
        self._sum_ns = 0
        self._min_ns = 0
        self._max_ns = 0
        self._bins: dict[int, int] = {}

    def add(self, latency_ns: int) -> None:
        """A negative latency, which only a clock that was set back can bring, counts as none."""
        latency_ns = max(latency_ns, 0)
        if not self._count or latency_ns < self._min_ns:
            self._min_ns = latency_ns
        self._max_ns = max(self._max_ns, latency_ns)
        self._count += 1
        self._sum_ns += latency_ns
        latency_ms = latency_ns / NS_PER_MS
        if latency_ms < LOWEST_MS:
            latency_ms = LOWEST_MS
        elif latency_ms > HIGHEST_MS:
            latency_ms = HIGHEST_MS
        key = MAPPING.key(latency_ms) - FIRST_KEY
        self._bins[key] = self._bins.get(key, 0) + 1

    def latencies(self) -> Latencies:
        keys = sorted(self._bins)
        return Latencies(
            count=self._count,
            sum_ns=self._sum_ns,
            min_ns=self._min_ns,
            max_ns=self._max_ns,
            bins=_bins(np.array(keys, np.int64), np.array([self._bins[key] for key in keys], np.int64)),
        )


def merged(parts: Iterable[Latencies]) -> Latencies:
    """All of them as one. Raises `RecordUnreadable` where a sketch and its count contradict each other."""
    held = [part for part in parts if part.count]
    if len(held) < 2:
        return held[0] if held else NO_LATENCIES
    count = sum([part.count for part in held])
    return Latencies(
        count=count,
        sum_ns=sum([part.sum_ns for part in held]),
        min_ns=min([part.min_ns for part in held]),
        max_ns=max([part.max_ns for part in held]),
        bins=_merged_bins([part.bins for part in held], count),
    )


def quantiles_ms(latencies: Latencies, wanted: Sequence[float]) -> list[float] | None:
    """For each quantile from 0 to 1 the latency in milliseconds, within 0.5 % of the exact one: that of the
    observation with the rank `q * (count - 1)`, rounded down. None without observations. Raises `RecordUnreadable`."""
    if not latencies.count:
        return None
    running = np.cumsum(_dense([latencies.bins], latencies.count))
    ranks = np.floor(np.asarray(wanted) * (latencies.count - 1))
    places = np.searchsorted(running, ranks, side="right")
    lowest, highest = latencies.min_ns / NS_PER_MS, latencies.max_ns / NS_PER_MS
    return [min(max(MAPPING.value(FIRST_KEY + int(place)), lowest), highest) for place in places]


def cumulative(latencies: Latencies, bounds_s: Sequence[float]) -> list[int]:
    """For each bound, ascending, how many latencies are at most that many seconds, as a Prometheus histogram counts
    them; a bin counts as its middle. Raises `RecordUnreadable`."""
    if not latencies.count:
        return [0] * len(bounds_s)
    running = np.cumsum(_dense([latencies.bins], latencies.count))
    places = np.searchsorted(_MIDDLES_S[: len(running)], np.asarray(bounds_s) * (1 + 1e-9), side="right")
    return [int(running[place - 1]) if place else 0 for place in places]


_MIDDLES_S = np.array([MAPPING.value(FIRST_KEY + place) / 1000 for place in range(BINS)])


def _merged_bins(parts: Sequence[Bins], count: int) -> Bins:
    dense = _dense(parts, count)
    held = np.flatnonzero(dense)
    return _bins(held, dense[held])


def _dense(parts: Sequence[Bins], count: int) -> npt.NDArray[np.int64]:
    """The counts of the bins from the very first to the last one that holds something; `count` is what they have to
    add up to. Numpy adds them as floats, which is exact below 2^53."""
    by_width: dict[float, list[Bins]] = {}
    for part in parts:
        width = _KEY_WIDTH * len(part.counts) / len(part.keys) if part.keys else 0
        by_width.setdefault(width, []).append(part)
    if not by_width.keys() <= _COUNTS.keys():
        raise RecordUnreadable("A stored sketch has more keys than counts, or fewer.")
    try:
        keys = np.frombuffer(b"".join([part.keys for alike in by_width.values() for part in alike]), _KEY)
        counts = np.concatenate(
            [
                np.frombuffer(b"".join([part.counts for part in alike]), _COUNTS[width])
                for width, alike in by_width.items()
            ]
        )
        dense = np.bincount(keys, weights=counts).astype(np.int64)
    except ValueError:
        raise RecordUnreadable("A stored sketch has half a bin.") from None
    if len(dense) > BINS or int(dense.sum()) != count:
        raise RecordUnreadable("A stored sketch does not hold as many latencies as it says.")
    return dense


def _bins(keys: npt.NDArray[np.integer], counts: npt.NDArray[np.generic]) -> Bins:
    if not len(keys):
        return Bins()
    largest = int(counts.max())
    width = next(width for width in _COUNTS if largest < 256**width)
    return Bins(keys.astype(_KEY).tobytes(), counts.astype(_COUNTS[width]).tobytes())
