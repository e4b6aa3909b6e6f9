"""What recording takes by itself, part by part: the observations that questions bring, and nothing else.

    python -m loadtests.drills.recording --rate 12 --seconds 60

Each second the processes of a service on two cores record what so many questions make them see, and flush it into
a real Valkey, where a merger collects as often as the monitor does. Printed is the CPU time of this process for each
part, the Redis client's among it and Valkey's beside it. What is not in there is the monitor's process at rest, its
looks at the components' health and its alerts; `askwell bench recording` has all of it, and a whole service's noise.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from random import Random
from typing import NamedTuple

import psutil
import uvloop

from actors.monitoring.merging import Merger
from loadtests.drills.stage import valkey
from serve_app import wiring
from serve_app.bench.processes import Meter, used_s
from serve_app.measuring import COLLECTED_EVERY_S
from state.backend import RedisBackend, connect
from state.metrics.buckets import minute_of
from state.metrics.buffer import Buffer
from state.metrics.cells import Verdict
from state.metrics.encoding import pack_flush
from state.metrics.inbox import FlushInbox
from state.metrics.labels import CacheLevel, Labels, Operation
from state.metrics.store import BucketStore
from state.model import Priority
from state.spending import Usage

PARTS = ("record", "take", "pack", "leave", "collect")
USAGE = Usage(input_tokens=1_200, cached_tokens=1_000, output_tokens=200)
LATENCIES = 997
SESSIONS = 20
COMMITS = 4
"""Of one question."""


class Role(NamedTuple):
    """Processes that share what questions bring, and what one of them records of a number of questions."""

    processes: int
    record: Callable[[Buffer, Iterator[int], int], None]


def ingress(buffer: Buffer, latencies: Iterator[int], questions: int) -> None:
    for operation in (Operation.REPLY_EXPERIENCE, Operation.GIVE_INPUTS):
        for latency_ns in islice(latencies, questions):
            buffer.performed(Labels(operation), latency_ns)


def sessions(buffer: Buffer, latencies: Iterator[int], questions: int) -> None:
    for latency_ns in islice(latencies, COMMITS * questions):
        buffer.performed(Labels(Operation.COMMIT), latency_ns)
    for priority in islice(cycle(Priority), questions):
        labels = Labels(Operation.EVALUATE_ANSWER, priority)
        buffer.judged(labels, score=8.1, verdict=Verdict.ACCEPTED, refinements=0)


def generator(buffer: Buffer, latencies: Iterator[int], questions: int) -> None:
    for operation in (Operation.WRITE_PROMPTS, Operation.WRITE_ANSWER):
        _called(buffer, latencies, questions, operation)


def evaluator(buffer: Buffer, latencies: Iterator[int], questions: int) -> None:
    _called(buffer, latencies, questions, Operation.EVALUATE_ANSWER)


def retriever(buffer: Buffer, latencies: Iterator[int], questions: int) -> None:
    for operation in (Operation.EMBED, Operation.FIND_SIMILAR):
        for latency_ns in islice(latencies, questions):
            buffer.performed(Labels(operation), latency_ns)
    for _ in range(questions):
        buffer.looked_up(CacheLevel.L1, Operation.EMBED, hits=1)


def _called(buffer: Buffer, latencies: Iterator[int], questions: int, operation: Operation) -> None:
    calls = zip(islice(latencies, questions), cycle(Priority), cycle(range(SESSIONS)), strict=False)
    for latency_ns, priority, session in calls:
        labels = Labels(operation, priority, "openai", "gpt-5-mini", f"{operation}/1")
        buffer.performed(labels, latency_ns)
        buffer.spent(labels, tenant="acme", session_id=f"s{session}", usage=USAGE, cost_usd=0.0004)
        buffer.looked_up(CacheLevel.PROMPT, operation, hits=1)


ROLES = (Role(1, ingress), Role(2, sessions), Role(2, generator), Role(1, evaluator), Role(1, retriever))


async def measured(url: str, *, began_ms: int, rate: int, seconds: int) -> Mapping[str, float]:
    """CPU seconds of this process by part, for so many seconds at `rate` questions a second."""
    rng = Random(6)  # noqa: S311 - samples
    latencies = cycle([int(rng.lognormvariate(0, 0.4) * 100e6) for _ in range(LATENCIES)])
    now_ms = began_ms
    redis = connect(url)
    inbox = FlushInbox(RedisBackend(redis))
    merger = Merger(BucketStore(RedisBackend(redis)), inbox, now_ms=lambda: now_ms)
    processes = [(role, Buffer(uuid.uuid4().hex)) for role in ROLES for _ in range(role.processes)]
    used = dict.fromkeys(PARTS, 0.0)
    for second in range(1, seconds + 1):
        now_ms = began_ms + second * 1000
        for role, buffer in processes:
            with counted(used, "record"):
                role.record(buffer, latencies, rate // role.processes)
            with counted(used, "take"):
                flush = buffer.take(now_ms)
            assert flush is not None
            with counted(used, "pack"):
                packed = pack_flush(flush)
            with counted(used, "leave"):
                await inbox.leave([packed])
        if second % COLLECTED_EVERY_S == 0:
            with counted(used, "collect"):
                await merger.collect()
    await redis.aclose()
    return used


@contextmanager
def counted(used: dict[str, float], part: str) -> Iterator[None]:
    began = time.process_time()
    yield
    used[part] += time.process_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=12, help="questions a second")
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    with valkey() as url:
        uvloop.run(measured(url, began_ms=minute_of(wiring.now_ms()), rate=asked.rate, seconds=5))
        meter = Meter(psutil.Process())
        before = meter.cpu_s()
        began_ms = minute_of(wiring.now_ms())
        used = dict(uvloop.run(measured(url, began_ms=began_ms, rate=asked.rate, seconds=asked.seconds)))
        used["Valkey"] = used_s(before, meter.cpu_s())["valkey"]
    print(f"{asked.rate} questions a second, {sum(role.processes for role in ROLES)} processes, {asked.seconds} s\n")
    print("| part | CPU-ms a second | CPU-ms a question |\n| --- | --- | --- |")
    for part, seconds in {**used, "all": sum(used.values())}.items():
        a_second = 1000 * seconds / asked.seconds
        print(f"| {part} | {a_second:.1f} | {a_second / asked.rate:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
