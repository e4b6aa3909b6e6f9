"""Plants each fault and runs schedules until one shows it: python -m tests.faults.planted"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from tests.faults.plants import PLANTS, Plant
from tests.faults.simulation import a_folder, run

MOST_SCHEDULES = 300
FIRST_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """After how many schedules, by which seed, and what was said first."""

    schedules: int
    seed: int
    by: str


def caught(plant: Plant, journals: Path, *, most: int = MOST_SCHEDULES) -> Caught | None:
    """The first schedule that shows the fault; None where none of them does."""
    for seed in range(FIRST_SEED, FIRST_SEED + most):
        done = run(seed, engine=plant.engine, profile=plant.profile, journals=journals)
        if done.broken:
            return Caught(schedules=seed - FIRST_SEED + 1, seed=seed, by=done.broken[0])
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=MOST_SCHEDULES)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    missed = 0
    print("| fault | what was planted | schedules | caught by |\n| --- | --- | --- | --- |")
    with a_folder() as journals:
        for plant in PLANTS:
            if asked.only not in plant.name:
                continue
            found = caught(plant, journals, most=asked.most)
            missed += found is None
            told = (
                f"more than {asked.most} | -" if found is None else f"{found.schedules} | {found.by.partition(':')[0]}"
            )
            print(f"| {plant.name} | {plant.what} | {told} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
