"""What each durability mode costs: commits of a session's state, as the service makes them, on servers of this machine.

    python -m loadtests.drills.durability [--seconds 1.5] [--json FILE] [--markdown]

Disks, and the way between machines, differ from one place to the next far more than the modes do here: on one machine
a replica is a process away, and its disk is the primary's. CPU is the client's, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import redis as blocking
from rich.console import Console
from rich.table import Table

from serve_app.bench.commits import STATE_BYTES, WRITERS, Rate, rate
from serve_app.valkey import Valkey
from state.durability import Durability, Mode

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


def row(kind: Set, measured: Rate) -> tuple[str, ...]:
    return (
        kind.name,
        str(measured.writers),
        f"{measured.commits_s:,.0f}",
        f"{measured.p50_ms:.2f}",
        f"{measured.p99_ms:.2f}",
        f"{measured.cpu_ms:.2f}",
        str(measured.unconfirmed),
    )


COLUMNS = ("mode", "writers", "commits/s", "p50 ms", "p99 ms", "client CPU ms", "unconfirmed")


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


def _markdown(rows: Sequence[tuple[Set, Rate]]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row(*one) for one in rows)]
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
            for writers in WRITERS:
                measured = asyncio.run(rate(url, kind.durability, writers=writers, seconds=options.seconds))
                rows.append((kind, measured))
    if options.json is not None:
        written = [{"name": kind.name} | asdict(measured) for kind, measured in rows]
        options.json.write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    if options.markdown:
        print(_markdown(rows))
        return 0
    shown = Table(*COLUMNS, title=f"Commits of {STATE_BYTES:,} bytes")
    for one in rows:
        shown.add_row(*row(*one))
    Console(width=120).print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
