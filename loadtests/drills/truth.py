"""Whether the endpoints tell the truth: 10,000 known latencies in four processes, and a monitor killed meanwhile.

    python -m loadtests.drills.truth

Each process records its share and serves the endpoints; a monitor in a fifth process collects. It is killed (SIGKILL)
after a third of the time, and started again a moment later. Then every process is asked, and what it says is
compared with the exact figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import httpx
from pydantic import SecretStr

from loadtests.drills.service import serving
from loadtests.drills.stage import quiet, valkey
from serve_app import measuring, wiring
from serve_app.settings import Settings
from state.alerts.rules import rules_from
from state.backend import connect
from state.metrics.labels import Labels, Operation
from state.model import Priority

REPLICAS = 4
OPERATIONS = 10_000
RUN_S = 60.0
ROUNDS = 200
AWAY_S = 2.0
COLLECTED_S = 3.0
LABELS = Labels(Operation.WRITE_ANSWER, Priority.HIGH, "openai", "gpt-5-mini", "write_answer/3")
SHARES = (50, 95, 99)


def latencies_ns(replica: int) -> list[int]:
    """What a replica is to have measured: lognormal, 400 ms in the middle, with a long tail."""
    rng = Random(replica)  # noqa: S311 - samples
    return [int(rng.lognormvariate(6, 1.2) * 1e6) for _ in range(OPERATIONS // REPLICAS)]


async def replica(number: int, url: str) -> None:
    """Records its latencies, and serves until its standard input ends; prints its address, then that it is done."""
    settings = Settings(redis_url=SecretStr(url))
    redis = connect(url)
    recording = measuring.recording(settings, redis)
    recording.start()
    async with serving(settings, redis, wiring.offline_llm()) as address:
        print(address, flush=True)
        latencies = latencies_ns(number)
        for round_ in range(ROUNDS):
            for latency_ns in latencies[round_::ROUNDS]:
                recording.recorder.performed(LABELS, latency_ns)
            await asyncio.sleep(RUN_S / ROUNDS)
        await recording.aclose()
        print("done", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await redis.aclose()


async def monitor(url: str) -> None:
    """The service's own, without components to look after; until it is killed."""
    await measuring.monitor(Settings(redis_url=SecretStr(url)), connect(url), {}, rules_from(None)).run()


@asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadtests.drills.truth",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def told(url: str) -> list[dict[str, Any]]:
    """What each replica's endpoint says after the run; `killed` monitors come back."""
    async with AsyncExitStack() as running:
        first = await running.enter_async_context(_process("--monitor", url))
        replicas = [
            await running.enter_async_context(_process("--replica", str(number), url)) for number in range(REPLICAS)
        ]
        addresses = [await _line(process) for process in replicas]
        await asyncio.sleep(RUN_S / 3)
        first.kill()
        await first.wait()
        await asyncio.sleep(AWAY_S)
        await running.enter_async_context(_process("--monitor", url))
        assert [await _line(process) for process in replicas] == ["done"] * REPLICAS
        await asyncio.sleep(COLLECTED_S)
        async with httpx.AsyncClient(timeout=20) as client:
            query: dict[str, str | int] = {"time_window_minutes": 5, "operation": "write_answer"}
            replies = [await client.get(f"{each}/api/metrics/performance", params=query) for each in addresses]
    return [reply.raise_for_status().json() for reply in replies]


def exact_ms() -> dict[int, float]:
    """By percent, over all replicas."""
    latencies = sorted(latency for number in range(REPLICAS) for latency in latencies_ns(number))
    return {share: latencies[share * (len(latencies) - 1) // 100] / 1e6 for share in SHARES}


def table(seen: Sequence[dict[str, Any]]) -> str:
    """In Markdown."""
    rows = ["| | count | p50 ms | p95 ms | p99 ms | flushes lost |", "| --- | --- | --- | --- | --- | --- |"]
    exact = exact_ms()
    rows.append(f"| exact | {OPERATIONS} | {' | '.join(f'{exact[share]:.1f}' for share in SHARES)} | |")
    for number, report in enumerate(seen):
        figures = report["by_operation"]["write_answer"]
        cells = [
            f"{figures[f'p{share}_ms']:.1f} ({100 * (figures[f'p{share}_ms'] / exact[share] - 1):+.2f} %)"
            for share in SHARES
        ]
        lost = report["span"]["flushes_lost"]
        rows.append(f"| replica {number} | {figures['count']} | {' | '.join(cells)} | {lost} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replica", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--monitor", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    quiet()
    if asked.replica:
        asyncio.run(replica(int(asked.replica[0]), asked.replica[1]))
        return 0
    if asked.monitor:
        asyncio.run(monitor(asked.monitor))
        return 0
    with valkey() as url:
        seen = asyncio.run(told(url))
    print(table(seen))
    exact = exact_ms()
    figures = [report["by_operation"]["write_answer"] for report in seen]
    near = all(abs(each[f"p{share}_ms"] / exact[share] - 1) < 0.01 for each in figures for share in SHARES)
    return 0 if near and {each["count"] for each in figures} == {OPERATIONS} else 1


if __name__ == "__main__":
    sys.exit(main())
