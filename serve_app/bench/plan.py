"""What a run is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from state.errors import InvalidField

MOST_USERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`seconds` is how long one measurement takes; `tell` hears how far the run has come."""

    users: tuple[int, ...]
    seconds: float
    repeats: int
    tell: Callable[[str], None]


def user_counts(text: str) -> tuple[int, ...]:
    """'1,10,50' as numbers, ascending, each once. Raises `InvalidField`."""
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise InvalidField(field="--users", fix="numbers with commas between them: 1,10,50") from None
    if not 1 <= counts[0] <= counts[-1] <= MOST_USERS:
        raise InvalidField(field="--users", fix=f"each from 1 to {MOST_USERS}")
    return tuple(counts)
