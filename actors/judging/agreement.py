"""Agreement statistics: pure functions over arrays, the resampling seeded.

Kappa with quadratic weights is 1 - (observed / expected disagreement), each the mean squared difference,
expected over all pairs of one rating of each side (Cohen 1968); the interval of a share is Wilson's
(1927); every other interval is a percentile bootstrap over items (Efron 1979).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 1, 10
RESAMPLES = 2_000
LEVEL = 0.95
Z = 1.959964
"""The normal quantile of `LEVEL`, two-sided."""

Column = NDArray[np.float64]
Statistic = Callable[..., Column]
"""Of columns of one length, along their last axis: many draws at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure over `n` items and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def on_scale(scores: Column) -> Column:
    """Scores rounded to the scale's whole points, halves up."""
    return np.clip(np.floor(np.asarray(scores, dtype=np.float64) + 0.5), LOWEST, HIGHEST)


def weighted_kappa(first: Column, second: Column) -> Column:
    """Quadratic weighted kappa of two ratings of the same items, which lie along the last axis.

    0 where all ratings are one and the same: chance alone explains such an agreement.
    """
    observed = np.mean((first - second) ** 2, axis=-1)
    apart = np.mean(first, axis=-1) - np.mean(second, axis=-1)
    expected = np.asarray(np.var(first, axis=-1) + np.var(second, axis=-1) + apart**2)
    disagreement = np.divide(observed, expected, out=np.ones_like(expected), where=expected > 0)
    return np.asarray(1 - disagreement)


def bootstrap(statistic: Statistic, *columns: Column, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """`statistic(*columns)` with its percentile interval, rows of all columns drawn together with replacement.

    Raises `ValueError` without a row.
    """
    n = len(columns[0])
    if not n:
        raise ValueError("There is nothing to draw from.")
    draws = np.random.default_rng(seed).integers(0, n, size=(resamples, n))
    drawn = statistic(*(column[draws] for column in columns))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value=float(statistic(*columns)), low=float(low), high=float(high), n=n)


def kappa(first: Column, second: Column, *, seed: int) -> Estimate:
    """Weighted kappa of scores on the whole-point scale."""
    return bootstrap(weighted_kappa, on_scale(first), on_scale(second), seed=seed)


def mean(values: Column, *, seed: int) -> Estimate:
    return bootstrap(_mean, values, seed=seed)


def share(hits: int, n: int) -> Estimate:
    """Wilson's interval of a share. Raises `ValueError` unless 0 <= hits <= n and n > 0."""
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} is no share.")
    observed = hits / n
    scale = 1 + Z**2 / n
    centre = (observed + Z**2 / (2 * n)) / scale
    half = Z * math.sqrt(observed * (1 - observed) / n + Z**2 / (4 * n**2)) / scale
    return Estimate(value=observed, low=max(0.0, centre - half), high=min(1.0, centre + half), n=n)


def _mean(values: Column) -> Column:
    return np.asarray(values.mean(axis=-1))
