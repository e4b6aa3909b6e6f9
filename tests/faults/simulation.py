"""Runs seeded schedules against the real session engine: python -m tests.faults.simulation --schedules 20000 --seed 1

A schedule is determined by its seed: the same seed gives the same history, byte for byte.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from tests.faults.actor import Engine
from tests.faults.checker import check, excused
from tests.faults.history import OK, History
from tests.faults.loop import SimLoop
from tests.faults.schedule import draw
from tests.faults.world import World

TAIL = 40
LOSSES = ("lost", "doubled", "divergent", "repeated model calls", "other violations")
_RULES = {
    "lost": "lost",
    "doubled": "doubled",
    "one key a transition": "doubled",
    "one outcome": "divergent",
    "outcome": "divergent",
    "real time": "divergent",
    "repeated model call": "repeated model calls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one schedule. `broken` are the rules that did not hold, each with what broke it."""

    seed: int
    profile: str
    broken: tuple[str, ...]
    counts: Counter[str]
    history: History
    trace: tuple[str, ...]

    def told(self) -> str:
        """Enough to see what happened: run it again by its seed for more."""
        lines = [f"seed {self.seed} ({self.profile})", *self.broken, *self.trace, *_tail(self.history)]
        return "\n    ".join(lines)


def run(seed: int, *, engine: Engine | None = None, profile: str = "", journals: Path) -> Run:
    """One schedule, from its seed alone."""
    plan = draw(seed, profile)
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)

        async def simulated() -> tuple[World, History]:
            world = World(plan, engine or Engine(), loop, journals)
            return world, await world.run()

        try:
            world, history = runner.run(simulated())
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    violations = check(history if world.lost_from is None else excused(history, world.lost_from))
    counts = world.counts
    counts["schedules"] = 1
    counts["requests"] = world.front.counts.requests
    counts["repeated requests"] = world.front.counts.repeated
    counts["concurrent requests"] = world.front.counts.concurrent
    counts["steps acknowledged"] = sum(one.outcome == OK and one.kind == "reply" for one in history.operations)
    counts["messages resent or doubled"] = world.redis.doubled
    for violation in violations:
        counts[_RULES.get(violation.check, "other violations")] += 1
    counts["other violations"] += len(world.troubles)
    return Run(
        seed=seed,
        profile=plan.profile,
        broken=(*map(str, violations), *world.troubles),
        counts=counts,
        history=history,
        trace=tuple(world.trace),
    )


@contextmanager
def a_folder() -> Iterator[Path]:
    """For the journals: in memory, where the machine has such a place. Logs are left out meanwhile."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )
    memory = Path("/dev/shm")
    gc.collect()
    gc.freeze()  # nothing of what is imported goes away meanwhile
    folder = Path(tempfile.mkdtemp(prefix="askwell-sim-", dir=memory if memory.is_dir() else None))
    try:
        yield folder / "journal"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        structlog.configure(**before)
        gc.unfreeze()


def _tail(history: History) -> list[str]:
    ordered = sorted(history.operations, key=lambda one: one.invoked)[-TAIL:]
    return [
        f"{one.invoked:>6} {'' if one.returned >= 2**62 else one.returned:>6} {one.client:12} {one.kind:6} "
        f"{one.question_id} {one.event or one.key} -> {one.outcome} {one.error} {one.step} v{one.version} {one.digest}"
        for one in ordered
    ]


def _chunk(seeds: range, *, profile: str) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with a_folder() as journals:
        for seed in seeds:
            done = run(seed, profile=profile, journals=journals)
            counts += done.counts
            if done.broken:
                failures.append(done.told())
    return counts, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; the others follow")
    parser.add_argument("--profile", default="", help="one kind of trouble alone")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shown", type=int, default=3, help="failures to show whole")
    asked = parser.parse_args()
    seeds = range(asked.seed, asked.seed + asked.schedules)
    chunks = [seeds[at : at + 50] for at in range(0, len(seeds), 50)]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    began = time.monotonic()
    with multiprocessing.Pool(asked.jobs) as pool:
        for got, failed in pool.imap_unordered(partial(_chunk, profile=asked.profile), chunks):
            counts += got
            for failure in failed:
                if len(failures) < asked.shown:
                    print(failure, file=sys.stderr)
                else:
                    print("\n    ".join(failure.split("\n    ")[:2]), file=sys.stderr)
                failures.append(failure)
            if sys.stderr.isatty():
                print(f"\r{counts['schedules']} of {len(seeds)}", end="", file=sys.stderr)
    seconds = time.monotonic() - began
    kinds = sorted(counts.keys() - set(LOSSES) - {"schedules"})
    figures = ", ".join(f"{counts[kind]:,} {kind}" for kind in (*kinds, *LOSSES))
    print(f"{counts['schedules']:,} schedules in {seconds:.0f} s: {figures}; {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
