"""Readings of texts that are asked for again and again: by every rule, of the same sentences and CV lines.

A reading is a pure function of a text. What the last texts gave is kept in the process, bounded, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

MOST_TEXTS = 4096

P = ParamSpec("P")
T = TypeVar("T")

kept = lru_cache(maxsize=MOST_TEXTS)
"""Decorates a reading whose result nobody changes."""


def kept_all(reading: Callable[P, Iterator[T]]) -> Callable[P, tuple[T, ...]]:
    """Decorates a reading that yields its results one by one: they are read to the end, and kept together."""

    @kept
    @wraps(reading)
    def read(*args: P.args, **kwargs: P.kwargs) -> tuple[T, ...]:
        return tuple(reading(*args, **kwargs))

    return read  # type: ignore[return-value]
