"""Four replicas on Ray that record known latencies, and the application's monitor killed meanwhile.

    python -m tests.cluster.telling

Its last line is what each replica's own endpoint says afterwards, as a JSON list. The replicas stand in the ingress's
place, so that Serve gives them the monitor of the application, and another one where it died.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import SecretStr

from loadtests.drills.service import serving
from loadtests.drills.stage import valkey
from loadtests.drills.truth import LABELS, OPERATIONS, REPLICAS, latencies_ns
from serve_app import measuring, wiring
from serve_app.pools import APPLICATION, INGRESS
from serve_app.ports import free_port
from serve_app.ray_environment import prepare
from serve_app.settings import Settings
from state.alerts.rules import rules_from

RUN_S = 12.0
KILLED_AFTER_S = 5.0
ROUNDS = 60
TOGETHER_S = 1.0
"""Long enough for all calls to be in hand at once, one at each replica."""
COLLECTED_WITHIN_S = 20.0


class Replica:
    """Takes one call at a time, so that as many calls at once as there are replicas reach each of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = wiring.redis(settings)
        self._recording = measuring.recording(settings, self._redis)

    async def record(self, share: int) -> None:
        """Returns once the monitor has taken all of it."""
        self._recording.start()
        latencies = latencies_ns(share)
        for round_ in range(ROUNDS):
            for latency_ns in latencies[round_::ROUNDS]:
                self._recording.recorder.performed(LABELS, latency_ns)
            await asyncio.sleep(RUN_S / ROUNDS)
        await self._recording.aclose()

    async def told(self) -> tuple[int, dict[str, Any]]:
        """The process, and what its endpoint says: once that is all, or at the end of the time for it."""
        await asyncio.sleep(TOGETHER_S)
        until = time.monotonic() + COLLECTED_WITHIN_S
        query: dict[str, str | int] = {"time_window_minutes": 5, "operation": LABELS.operation.value}
        async with serving(self._settings, self._redis, wiring.offline_llm()) as address, httpx.AsyncClient() as client:
            while True:
                reply = await client.get(f"{address}/api/metrics/performance", params=query, timeout=20)
                report = reply.raise_for_status().json()
                told = report["by_operation"].get(LABELS.operation.value, {"count": 0})
                if told["count"] >= OPERATIONS or time.monotonic() > until:
                    return os.getpid(), report
                await asyncio.sleep(0.5)


def monitors() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "MonitorActor" in " ".join(child.cmdline())]


def main() -> None:
    with valkey() as url, tempfile.TemporaryDirectory(prefix="askwell-telling-") as folder:
        prepare(Path(folder), {})
        from ray import serve

        from serve_app import cluster
        from serve_app.deployments import deployment_actors

        settings = Settings(redis_url=SecretStr(url), dashboard_port=free_port(), session_actors=1)
        replicas = serve.deployment(Replica).options(
            name=INGRESS,
            num_replicas=REPLICAS,
            max_ongoing_requests=1,
            ray_actor_options={"num_cpus": 0},
            deployment_actors=deployment_actors(settings, APPLICATION, rules_from(None)),
        )
        try:
            cluster.start_ray(settings)
            serve.start(proxy_location="Disabled")
            handle = serve.run(replicas.bind(settings), name=APPLICATION, route_prefix=None)
            recording = [handle.record.remote(share) for share in range(REPLICAS)]
            time.sleep(KILLED_AFTER_S)
            (killed,) = monitors()
            killed.kill()
            for call in recording:
                call.result()
            told = dict(call.result() for call in [handle.told.remote() for _ in range(REPLICAS)])
        finally:
            cluster.stop()
    print(json.dumps(list(told.values())))


if __name__ == "__main__":
    main()
