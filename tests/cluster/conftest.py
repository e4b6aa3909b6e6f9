"""One service for all of these tests, ended before any others begin; tests that end theirs start their own."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.cluster.running import Running, left, wait_for

OF_ONE_SERVICE = ("tests/cluster/test_kills.py", "tests/cluster/test_service.py")
"""They come last, so that the service that they share takes no CPU time from those that start their own."""


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(
        tmp_path_factory.mktemp("service"),
        settings={"GENERATOR_CONCURRENCY": "4", "GENERATOR_MAX": "2", "EVALUATOR_MAX": "2", "RETRIEVER_MAX": "2"},
    )
    running.start()
    yield running
    assert running.stop() == 0, running.printed()
    running.client.close()


@pytest.fixture(scope="package")
def stragglers() -> Iterator[list[psutil.Process]]:
    """Takes processes that a killed service left over; they have to be gone by the end of these tests.

    Two of Ray's agents notice within about a minute that they are alone, which nobody waits for here.
    """
    processes: list[psutil.Process] = []
    yield processes
    wait_for(lambda: not left(processes), 150, lambda: left(processes))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster" in item.nodeid:
            item.add_marker(pytest.mark.cluster)
    items.sort(key=lambda item: item.nodeid.startswith(OF_ONE_SERVICE))
