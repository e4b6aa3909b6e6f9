"""How many replicas a pool wants: enough for what its replicas work on, none for what can only wait for a provider.

A call that waits because the provider takes no more (`actors.resilience.limit`) would wait in another replica just
as well, and that one would cost memory and be throttled too. So such calls are no reason to grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

WAITING = "waiting_for_a_provider"
"""What a replica reports: its calls that have no slot at any provider yet."""


class Target(Protocol):
    def get_target_ongoing_requests(self) -> float:
        """Requests in hand of one replica, on average, at which the pool has the right size."""
        ...


class Seen(Protocol):
    """The part of `ray.serve.config.AutoscalingContext` that is looked at."""

    @property
    def total_num_requests(self) -> float:
        """Requests that the pool has in hand or in its queue."""
        ...

    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[Any, float]] | None:
        """By metric and replica what the replicas report."""
        ...

    config: Target


def by_own_work(seen: Seen) -> tuple[float, dict[str, Any]]:
    """The replicas wanted, before Serve applies bounds and delays; no state of its own."""
    waiting = sum((seen.aggregated_metrics or {}).get(WAITING, {}).values())
    working = max(0.0, seen.total_num_requests - waiting)
    return working / seen.config.get_target_ongoing_requests(), {}
