"""A pool grows with what it works on, and not with what can only wait for a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from serve_app.scaling import WAITING, by_own_work


@dataclass
class Target:
    requests: float

    def get_target_ongoing_requests(self) -> float:
        return self.requests


@dataclass
class Seen:
    total_num_requests: float
    aggregated_metrics: Mapping[str, Mapping[str, float]] | None = None
    config: Target = field(default_factory=lambda: Target(32))


@pytest.mark.parametrize(
    ("requests", "waiting", "replicas"),
    [
        (0, {}, 0),
        (64, {}, 2),
        (64, {"r1": 32.0}, 1),
        (128, {"r1": 50.0, "r2": 46.0}, 1),
        (10, {"r1": 20.0}, 0),
    ],
)
def test_what_waits_for_a_provider_is_no_reason_to_grow(
    requests: float, waiting: dict[str, float], replicas: float
) -> None:
    wanted, state = by_own_work(Seen(requests, {WAITING: waiting}))
    assert (wanted, state) == (replicas, {})


def test_before_a_replica_has_reported_anything_every_request_counts() -> None:
    assert by_own_work(Seen(64))[0] == 2
    assert by_own_work(Seen(64, {}))[0] == 2
