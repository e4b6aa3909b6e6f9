"""One truth from four replicas, over Ray, whatever happens to the monitor."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from loadtests.drills.truth import OPERATIONS, REPLICAS, exact_ms
from tests.cluster.running import clean_environment

TIMELESS = ("count", "avg_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms", "max_ms", "errors")
"""Of a report, what does not depend on how long its window has been open."""


@pytest.mark.timeout(300)
def test_four_replicas_tell_the_same_truth_though_the_monitor_is_killed() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.cluster.telling"],
        env=clean_environment(),
        check=True,
        stdout=subprocess.PIPE,
        timeout=240,
    )
    reports = [report["by_operation"]["write_answer"] for report in json.loads(ended.stdout.splitlines()[-1])]
    assert len(reports) == REPLICAS
    told = [{name: report[name] for name in TIMELESS} for report in reports]
    assert told == [told[0]] * REPLICAS
    assert told[0]["count"] == OPERATIONS
    for share, exact in exact_ms().items():
        assert told[0][f"p{share}_ms"] == pytest.approx(exact, rel=0.01)
