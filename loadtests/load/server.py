"""What the service uses while it is under load: processor, memory and replicas, once a second."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from loadtests.provider_stub.traces import Trace
from serve_app.bench.processes import part_of
from serve_app.bench.stage import Stage

EVERY_S = 1.0
MEMORY_EVERY = 5
"""Readings: to read the shares of memory takes the system far longer than the processor times."""
POOLS = ("ingress", "session-state", "generator", "evaluator", "retriever")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One reading, at Unix time. CPU seconds and megabytes of memory by part, since and at; replicas by pool.

    `load_cpu_s` is of the stub, the users and this watch together. Without memory where it was not read.
    """

    at_s: float
    cpu_s: Mapping[str, float]
    load_cpu_s: float
    replicas: Mapping[str, int]
    memory_mb: Mapping[str, float] = field(default_factory=dict)


class Watch:
    """Readings and the stub's traces, taken in a thread until it is stopped."""

    def __init__(self, stage: Stage) -> None:
        self.moments: list[Moment] = []
        self.traces: list[Trace] = []
        self._stage = stage
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._users: dict[psutil.Process, float] = {}
        self._pools: dict[psutil.Process, str] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()
            self._read(with_memory=True)

    def _run(self) -> None:
        count = 0
        while not self._ended.wait(EVERY_S):
            self._read(with_memory=count % MEMORY_EVERY == 0)
            count += 1

    def _read(self, *, with_memory: bool) -> None:
        moment = Moment(
            at_s=time.time(),
            cpu_s=self._stage.cpu_s(),
            load_cpu_s=self._stage.stub_cpu_s() + self._users_cpu_s() + time.process_time(),
            replicas=self._replicas(),
            memory_mb=self._stage.memory_mb() if with_memory else {},
        )
        self.moments.append(moment)
        self.traces += self._taken()

    def _taken(self) -> list[Trace]:
        """Those that a busy stub does not hand over in time wait for the next reading."""
        try:
            reply = httpx.post(f"{self._stage.stub_url}/stub/traces", timeout=30).raise_for_status()
        except httpx.TransportError:
            return []
        rows: list[list[Any]] = reply.json()
        return [Trace.of_row(row) for row in rows]

    def _users_cpu_s(self) -> float:
        """Of Locust's processes, those that have ended among them."""
        for process in _descendants():
            try:
                if process in self._users or "locust" in process.cmdline():
                    times = process.cpu_times()
                    self._users[process] = times.user + times.system
            except psutil.Error:
                continue
        return sum(self._users.values())

    def _replicas(self) -> dict[str, int]:
        """By pool, as their processes' titles tell: those that start and those that drain are among them.

        Ray writes over the title of an actor's process while a method runs: what it was once, it is until it ends.
        """
        running = _descendants()
        for process in running:
            try:
                part = part_of(process.cmdline())
            except psutil.Error:
                continue
            if part in POOLS:
                self._pools[process] = part
        counted = Counter(self._pools[process] for process in running if process in self._pools)
        return {pool: counted[pool] for pool in POOLS if counted[pool]}


def _descendants() -> list[psutil.Process]:
    return psutil.Process(os.getpid()).children(recursive=True)
