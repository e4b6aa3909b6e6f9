"""Started, stopped, killed and started again: what was acknowledged is still there, nothing is left over."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.running import Running, left, wait_for


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path / "data", settings={"SESSION_ACTORS": "1"})
    yield running
    if running.alive():
        running.stop()
    running.client.close()


def prompted(service: Running) -> str:
    body = {"cv": "Ada\nDjango", "job": "Platform engineer", "gaps": [{"title": "Kubernetes"}]}
    session = service.client.post("/api/sessions", json=body).raise_for_status().json()
    path = f"/api/sessions/{session['id']}"
    service.client.post(f"{path}/questions/q1/experience", json={"response": "yes"}).raise_for_status()
    return path


@pytest.mark.timeout(500)
def test_an_interview_goes_on_where_it_was_after_everything_was_stopped_and_after_it_was_killed(
    own: Running, stragglers: list[psutil.Process]
) -> None:
    own.start()
    path = prompted(own)
    before = own.client.get(path).json()
    started = own.children()
    assert (own.stop(signal.SIGTERM), left(started)) == (0, []), own.printed()
    own.start()
    assert own.client.get(path).json() == before
    killed = own.children()
    own.stop(signal.SIGKILL)
    stragglers += killed
    own.start()
    assert own.client.get(path).json() == before
    inputs = {"inputs": {"achievement": "I moved five services to Kubernetes."}}
    assert own.client.post(f"{path}/questions/q1/inputs", json=inputs).status_code == 200
    started = own.children()
    assert (own.stop(), left(started)) == (0, []), own.printed()


@pytest.mark.parametrize("printed", ["Starting Ray", "Deploying"])
def test_a_signal_while_it_starts_takes_down_what_there_is_already(own: Running, printed: str) -> None:
    own.launch()
    wait_for(lambda: printed in own.printed(), 60, own.printed)
    started = own.children()
    assert own.stop(signal.SIGINT) == 0, own.printed()
    assert "Stopped before it was ready" in own.printed()
    assert not left(started)
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(own.data_dir) in str(one.info["cmdline"])]
