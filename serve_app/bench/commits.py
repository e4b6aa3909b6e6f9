"""Commits of a session's state, as the service makes them, on a Valkey of this machine.

Each writer commits to a record of its own, one commit after the other. CPU is the client's, in this process.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from serve_app.bench.plan import Plan
from serve_app.bench.report import Figure, figures, percentile
from serve_app.valkey import Valkey
from state.backend import RedisBackend, connect
from state.durability import Durability, Mode
from state.errors import Unconfirmed
from state.store import Commit, RecordStore

STATE_BYTES = 6_000
WRITERS = (1, 32)
FAST = Durability(mode=Mode.FAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Of the commits that were confirmed. `cpu_ms` is the client's for each."""

    writers: int
    commits_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    unconfirmed: int


@dataclass(slots=True)
class _Seen:
    latencies_ms: list[float] = field(default_factory=list)
    unconfirmed: int = 0


def measure(plan: Plan) -> tuple[Figure, ...]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="askwell-bench-") as folder:
        valkey = Valkey(Path(folder))
        valkey.start()
        try:
            for writers in WRITERS:
                setting = f"{writers} writer{'s' * (writers > 1)}"
                plan.tell(f"commits: {setting}")
                rates = [
                    asyncio.run(rate(valkey.url, FAST, writers=writers, seconds=plan.seconds))
                    for _ in range(plan.repeats)
                ]
                found += figures("commits", setting, [_figures(one) for one in rates])
        finally:
            valkey.stop()
    return tuple(found)


async def rate(url: str, durability: Durability, *, writers: int, seconds: float) -> Rate:
    """So many writers at the server `url` for so long; where nothing was confirmed the latencies are NaN."""
    client = connect(url)
    try:
        store = RecordStore(RedisBackend(client, durability), kind=f"drill-{writers}-{time.monotonic_ns()}")
        await _written(store, -1, 0.0, _Seen())  # a connection, and the script
        seen = _Seen()
        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_written(store, writer, began + seconds, seen) for writer in range(writers)))
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - spent
    finally:
        await client.aclose()
    latencies_ms = seen.latencies_ms or [float("nan")]
    count = len(seen.latencies_ms)
    return Rate(
        writers=writers,
        commits_s=count / took_s,
        p50_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
        cpu_ms=1000 * cpu_s / max(1, count),
        unconfirmed=seen.unconfirmed,
    )


def _figures(measured: Rate) -> dict[str, float]:
    return {
        "commits/s": measured.commits_s,
        "p50 ms": measured.p50_ms,
        "p99 ms": measured.p99_ms,
        "client, CPU-ms a commit": measured.cpu_ms,
    }


async def _written(store: RecordStore, writer: int, until: float, seen: _Seen) -> None:
    version = 0
    state = os.urandom(STATE_BYTES)
    while version == 0 or time.perf_counter() < until:
        commit = Commit(
            record_id=f"s{writer}",
            tenant="drill",
            epoch=1,
            version=version,
            state=state,
            entry=b"an entry of the log",
            ttl_ms=600_000,
        )
        began = time.perf_counter()
        try:
            await store.commit(commit)
        except Unconfirmed:
            seen.unconfirmed += 1
        else:
            seen.latencies_ms.append(1000 * (time.perf_counter() - began))
        version += 1
