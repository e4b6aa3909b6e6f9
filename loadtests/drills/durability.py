"""What each durability mode costs: commits of a session's state, as the service makes them, on servers of this machine.

    python -m loadtests.drills.durability [--seconds 1.5] [--json FILE] [--markdown]

Disks, and the way between machines, differ from one place to the next far more than the modes do here: on one machine
a replica is a process away, and its disk is the primary's. CPU is the client's, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Literal

import redis as blocking
from rich.console import Console
from rich.table import Table

from serve_app.valkey import Valkey
from state.backend import RedisBackend, connect
from state.durability import Durability, Mode
from state.errors import Unconfirmed
from state.store import Commit, RecordStore

STATE_BYTES = 6_000
WRITERS = (1, 32)
SYNC_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A mode on the servers that it is measured on."""

    name: str
    durability: Durability
    appendfsync: Literal["everysec", "always"] = "everysec"


SETS = (
    Set(name="fast", durability=Durability(mode=Mode.FAST)),
    Set(name="replicated, 1 replica", durability=Durability(mode=Mode.REPLICATED, replicas=1, timeout_ms=2_000)),
    Set(name="strict", durability=Durability(mode=Mode.STRICT, timeout_ms=3_000), appendfsync="always"),
    Set(
        name="strict, 1 replica",
        durability=Durability(mode=Mode.STRICT, replicas=1, timeout_ms=3_000),
        appendfsync="always",
    ),
    Set(name="(strict, but 'everysec')", durability=Durability(mode=Mode.STRICT, timeout_ms=3_000)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Of the commits that were confirmed. `cpu_ms` is the client's for each."""

    name: str
    writers: int
    commits_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    unconfirmed: int


@dataclass(slots=True)
class Seen:
    latencies_ms: list[float] = field(default_factory=list)
    unconfirmed: int = 0


async def drill(url: str, kind: Set, *, writers: int, seconds: float) -> Row:
    """So many writers, each committing to a record of its own, one commit after the other."""
    client = connect(url)
    try:
        store = RecordStore(RedisBackend(client, kind.durability), kind=f"drill-{writers}")
        await _written(store, -1, 0.0, Seen())  # a connection, and the script
        seen = Seen()
        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_written(store, writer, began + seconds, seen) for writer in range(writers)))
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - spent
    finally:
        await client.aclose(close_connection_pool=True)
    count = len(seen.latencies_ms)
    cuts = quantiles(seen.latencies_ms, n=100) if count > 1 else [float("nan")] * 99
    return Row(
        name=kind.name,
        writers=writers,
        commits_s=count / took_s,
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        cpu_ms=1000 * cpu_s / max(1, count),
        unconfirmed=seen.unconfirmed,
    )


@contextmanager
def servers(kind: Set) -> Iterator[str]:
    """A primary with the replicas that the mode wants, all in step; the primary's address."""
    with tempfile.TemporaryDirectory(prefix="askwell-drill-") as folder:
        count = 1 + kind.durability.replicas
        nodes = [Valkey(Path(folder) / f"{number}", appendfsync=kind.appendfsync) for number in range(count)]
        try:
            for node in nodes:
                node.start()
            for node in nodes[1:]:
                _follow(node.url, nodes[0].url)
            yield nodes[0].url
        finally:
            for node in nodes:
                node.stop()


def row(measured: Row) -> tuple[str, ...]:
    return (
        measured.name,
        str(measured.writers),
        f"{measured.commits_s:,.0f}",
        f"{measured.p50_ms:.2f}",
        f"{measured.p99_ms:.2f}",
        f"{measured.cpu_ms:.2f}",
        str(measured.unconfirmed),
    )


COLUMNS = ("mode", "writers", "commits/s", "p50 ms", "p99 ms", "client CPU ms", "unconfirmed")


async def _written(store: RecordStore, writer: int, until: float, seen: Seen) -> None:
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


def _follow(replica_url: str, primary_url: str) -> None:
    primary, replica = (blocking.Redis.from_url(url) for url in (primary_url, replica_url))
    with primary, replica:
        to = primary.get_connection_kwargs()
        replica.config_set("masterauth", to["password"])
        replica.replicaof(to["host"], to["port"])
        deadline = time.monotonic() + SYNC_TIMEOUT_S
        while not _in_step(primary, replica):
            if time.monotonic() > deadline:
                raise TimeoutError("the replica does not come into step")
            time.sleep(0.05)


def _in_step(primary: blocking.Redis, replica: blocking.Redis) -> bool:
    told, own = primary.info("replication"), replica.info()
    known = told.get("slave0", {})
    synced = known.get("state") == "online" and known.get("offset") == told["master_repl_offset"]
    return bool(synced and own["master_link_status"] == "up" and not own["aof_rewrite_in_progress"])


def _markdown(rows: Sequence[Row]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(row, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=float, default=1.5)
    arguments.add_argument("--json", type=Path, metavar="FILE")
    arguments.add_argument("--markdown", action="store_true")
    options = arguments.parse_args()
    rows = []
    for kind in SETS:
        with servers(kind) as url:
            rows += [asyncio.run(drill(url, kind, writers=count, seconds=options.seconds)) for count in WRITERS]
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(one) for one in rows], indent=2) + "\n", "utf-8")
    if options.markdown:
        print(_markdown(rows))
        return 0
    shown = Table(*COLUMNS, title=f"Commits of {STATE_BYTES:,} bytes")
    for one in rows:
        shown.add_row(*row(one))
    Console(width=120).print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
