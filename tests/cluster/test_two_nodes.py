"""The application as the shipped Serve config file deploys it, on a cluster of two nodes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from serve_app.manifests import serve_config
from serve_app.ports import free_port
from serve_app.ray_environment import LOOPBACK_ONLY, RAY_ENVIRONMENT
from serve_app.settings import Settings
from serve_app.valkey import Valkey
from tests.cluster.running import clean_environment, wait_for

TWO_NODES = """
import sys
from ray.cluster_utils import Cluster

dashboard_port = int(sys.argv[1])
cluster = Cluster()
for number in range(2):
    head = {"dashboard_port": dashboard_port, "dashboard_host": "127.0.0.1", "include_dashboard": True}
    head["resources"] = {"head": 1}
    cluster.add_node(num_cpus=2, object_store_memory=100 * 1024**2, **(head if number == 0 else {}))
cluster.wait_for_nodes()
print("ready", flush=True)
sys.stdin.read()
cluster.shutdown()
"""


class Nodes:
    """Two nodes in processes of their own; they end with their standard input."""

    def __init__(self, folder: Path, valkey: Valkey) -> None:
        token = folder / "token"
        token.write_text("t" * 64)
        token.chmod(0o600)
        self.port, self.dashboard_port = free_port(), free_port()
        self.environment = clean_environment(
            **RAY_ENVIRONMENT,
            **LOOPBACK_ONLY,
            RAY_AUTH_TOKEN_PATH=str(token),
            REDIS_URL=valkey.url,
            ASKWELL_DATA_DIR=str(folder / "data"),
        )
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TWO_NODES, str(self.dashboard_port)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert b"ready" in self.process.stdout.readline()

    def deploy(self, config: Path) -> None:
        serve = Path(sys.executable).parent / "serve"
        address = f"http://127.0.0.1:{self.dashboard_port}"
        subprocess.run(
            [str(serve), "deploy", str(config), "--address", address],
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def api(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {'t' * 64}"}
        reply = httpx.get(f"http://127.0.0.1:{self.dashboard_port}{path}", headers=headers, timeout=30)
        return reply.raise_for_status().json()

    def raylet_of_the_second_node(self) -> psutil.Process:
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                command = child.cmdline()
                if command and command[0].endswith("/raylet") and "--head" not in command:
                    found.append(child)
        assert len(found) == 1, found
        return found[0]

    def end(self) -> None:
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.communicate(timeout=60)
        _, alive = psutil.wait_procs(children, timeout=30)
        for process in alive:
            process.kill()


@pytest.fixture
def nodes(tmp_path: Path, valkey: Valkey) -> Iterator[Nodes]:
    started = Nodes(tmp_path, valkey)
    yield started
    started.end()


def deployed(nodes: Nodes, file: Path) -> str:
    """The address of the application, once it is ready."""
    nodes.deploy(file)
    base = f"http://127.0.0.1:{nodes.port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{base}/health/ready", timeout=10).is_success
        except httpx.HTTPError:
            return False

    wait_for(ready, 120, lambda: nodes.api("/api/serve/applications/")["applications"])
    return base


@pytest.mark.timeout(300)
def test_the_shipped_serve_file_runs_an_interview_on_two_nodes(nodes: Nodes, tmp_path: Path) -> None:
    config = serve_config(Settings(port=nodes.port))
    config["proxy_location"] = "HeadOnly"  # both nodes share one address here, and so one port
    deployments = {deployment["name"]: deployment for deployment in config["applications"][0]["deployments"]}
    deployments["Generator"]["autoscaling_config"] |= {"min_replicas": 2}
    deployments["Generator"]["ray_actor_options"] = {"num_cpus": 2}  # a node each
    file = tmp_path / "serve_config.yaml"
    file.write_text(yaml.safe_dump(config))
    base = deployed(nodes, file)
    body = {"cv": "Ada\nDjango", "job": "You need:\n- Kubernetes in production"}
    session = httpx.post(f"{base}/api/sessions", json=body, timeout=60).raise_for_status().json()
    path = f"{base}/api/sessions/{session['id']}/questions/q1"
    httpx.post(f"{path}/experience", json={"response": "yes"}, timeout=60).raise_for_status()
    inputs = {"inputs": {"achievement": "I moved five services to Kubernetes."}}
    assert httpx.post(f"{path}/inputs", json=inputs, timeout=60).status_code == 200
    replicas = nodes.api("/api/serve/applications/")["applications"]["askwell"]["deployments"]["Generator"]["replicas"]
    assert len({replica["node_id"] for replica in replicas}) == 2


@pytest.mark.timeout(300)
def test_the_sessions_of_a_lost_node_are_taken_over_long_before_ray_knows_that_it_is_lost(
    nodes: Nodes, tmp_path: Path
) -> None:
    config = serve_config(Settings(port=nodes.port))
    config["proxy_location"] = "HeadOnly"
    for deployment in config["applications"][0]["deployments"]:
        deployment["ray_actor_options"] = {"num_cpus": 0, "resources": {"head": 0.001}}
    file = tmp_path / "serve_config.yaml"
    file.write_text(yaml.safe_dump(config))
    base = deployed(nodes, file)
    actors = nodes.api("/api/v0/actors?limit=100&detail=1")["data"]["result"]["result"]
    homes = {actor["node_id"] for actor in actors if "session-state" in (actor["name"] or "")}
    assert len(homes) == 2, "an actor on each node"
    body = {"cv": "Ada\nDjango", "job": "Platform engineer", "gaps": [{"title": "Kubernetes"}]}
    with httpx.Client(base_url=base, timeout=60) as client:
        sessions = [client.post("/api/sessions", json=body).raise_for_status().json()["id"] for _ in range(12)]
        nodes.raylet_of_the_second_node().kill()

        def skipped(session: str) -> float:
            began = time.monotonic()
            path = f"/api/sessions/{session}/questions/q1/experience"
            while True:
                reply = client.post(path, json={"response": "no"}, headers={"Idempotency-Key": f"no-{session}"})
                if reply.status_code == 200:
                    return time.monotonic() - began
                assert "retry-after" in reply.headers, reply.text

        with ThreadPoolExecutor(len(sessions)) as pool:
            taken_s = list(pool.map(skipped, sessions))
        assert max(taken_s) < 5.0, f"taken over after {max(taken_s):.2f} s"
        for session in sessions:
            found = client.get(f"/api/sessions/{session}").raise_for_status().json()
            assert [question["step"] for question in found["questions"]] == ["SKIPPED"]
