"""What a schedule is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.network import Weather


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`faults` are by the seconds after which each befalls the world, which it is called with; `journal` is for actors
    of one machine."""

    seed: int
    profile: str
    durable: bool
    journal: bool
    lag_s: float
    actors: int
    ingresses: int
    sessions: int
    candidates: int
    questions: int
    gaps_given: bool
    shares: float
    erases: bool
    weather: Weather
    faults: tuple[tuple[float, Callable[[Any], None]], ...]
