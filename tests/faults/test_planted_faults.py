"""Each fault that is planted in the engine is caught, by schedules that the engine itself passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.planted import FIRST_SEED, caught
from tests.faults.plants import PLANTS, Plant
from tests.faults.simulation import a_folder, run

PASSED: set[tuple[str, int]] = set()


@pytest.fixture(scope="module")
def journals() -> Iterator[Path]:
    with a_folder() as folder:
        yield folder


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name.replace(" ", "_"))
def test_a_planted_fault_is_caught_and_the_engine_without_it_is_not(plant: Plant, journals: Path) -> None:
    found = caught(plant, journals)
    assert found is not None, f"nothing has shown that {plant.what}"
    assert not found.by.startswith("raised"), f"the engine has changed, plant it anew: {found.by}"
    for seed in range(FIRST_SEED, found.seed + 1):
        if (plant.profile, seed) not in PASSED:
            done = run(seed, profile=plant.profile, journals=journals)
            assert not done.broken, done.told()
            PASSED.add((plant.profile, seed))
