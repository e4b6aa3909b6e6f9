"""Feature flags: percentages in, booleans out; pure, the same in every process and hash seed.

A unit (a user, or a session where no user is known) falls into one of 10,000 buckets per flag by
SHA-256. A flag is on for the buckets below its percentage, so a rollout that grows only adds units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

BUCKETS = 10_000

DEFAULT_ROLLOUTS: Mapping[str, float] = {
    "use_prompt_cache_optimizer": 100.0,
    "use_batch_generation": 100.0,
    "dynamic_quality_thresholds": 100.0,
    "parallel_rag_searches": 100.0,
    "experimental_llm_model": 0.0,
    "experimental_embedding_model": 0.0,
    "advanced_quality_evaluation": 50.0,
}
"""Percent of units for which each flag is on."""


def bucket(flag: str, unit: str) -> int:
    """0 to 9,999; independent between flags."""
    digest = hashlib.sha256(f"{flag}\x00{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def assign(unit: str, rollouts: Mapping[str, float] = DEFAULT_ROLLOUTS) -> dict[str, bool]:
    """Every flag's value for this unit. `rollouts` are percentages from 0 to 100."""
    return {flag: bucket(flag, unit) < percent * BUCKETS / 100 for flag, percent in rollouts.items()}
