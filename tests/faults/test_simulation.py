"""Seeded schedules against the real session engine; the long run is `python -m tests.faults.simulation`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter

from tests.faults.schedule import PROFILES, draw
from tests.faults.simulation import a_folder, run

SCHEDULES = 400
ONE_RUN = """
import hashlib
from tests.faults.simulation import a_folder, run
with a_folder() as journals:
    for seed in (7, 8, 9):
        print(hashlib.sha256(run(seed, journals=journals).history.as_bytes()).hexdigest())
"""


def test_no_schedule_loses_doubles_or_forks_a_step() -> None:
    counts: Counter[str] = Counter()
    with a_folder() as journals:
        for seed in range(1, SCHEDULES + 1):
            done = run(seed, journals=journals)
            assert not done.broken, done.told()
            counts += done.counts
    befallen = ("crashes", "freezes", "cuts", "takeovers", "outages", "failovers", "power cuts", "closed", "restarts")
    assert all(counts[trouble] for trouble in befallen), counts
    assert counts["refused"], "no stale attempt was there to be refused"
    assert counts["steps acknowledged"] > SCHEDULES


def test_the_same_seed_gives_the_same_history_byte_for_byte() -> None:
    with a_folder() as journals:
        here = [hashlib.sha256(run(seed, journals=journals).history.as_bytes()).hexdigest() for seed in (7, 8, 9)]
    elsewhere = subprocess.run(
        [sys.executable, "-c", ONE_RUN],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.split() == here


def test_every_kind_of_trouble_is_drawn() -> None:
    assert {draw(seed).profile for seed in range(100)} == set(PROFILES)
