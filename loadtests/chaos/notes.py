"""What a worker process did, a line at a time, in a file that outlives a kill -9 of the process.

Every line is one `write` to a file that is appended to, so that it is there, whole, as soon as it was made.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".notes"
CALLED = "called"
"""A completion is asked for, which costs something: session, name of the call within it."""
KEPT = "kept"
"""The result of such a call is in Redis: session, name of the call."""
CLAIMED = "claimed"
"""A session was taken over: session, epoch."""
NOT_LOOKED = "not looked"
"""Redis did not answer to who asked for a result that may have been kept: session, name of the call."""
COMMITTED = "committed"
"""Redis answered to a commit: session, epoch, version it is based on, the answer."""
STOPPED = "stopped"
"""Somebody asked an owner to go on whose lease had been lost, and its own clock said so: owner."""


@dataclass(frozen=True, slots=True)
class Note:
    """`at_s` is on the clock of `awake_s`, one for all processes of a machine; `worker` is one life of
    one worker."""

    at_s: float
    worker: str
    kind: str
    told: tuple[str, ...]


class Notebook:
    """One life of one worker."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._clock = clock

    def note(self, kind: str, *told: str) -> None:
        line = json.dumps([self._clock(), kind, *told]) + "\n"
        os.write(self._descriptor, line.encode())


def awake_s() -> float:
    """As `serve_app.wiring.awake_s`, whose module takes seconds to import."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def read_notes(folder: Path) -> list[Note]:
    """All workers' notes, in the order of time."""
    notes = [note for path in folder.glob(f"*{SUFFIX}") for note in _read(path)]
    return sorted(notes, key=lambda note: note.at_s)


def of_kind(notes: Iterable[Note], kind: str) -> list[Note]:
    return [note for note in notes if note.kind == kind]


def _read(path: Path) -> Iterator[Note]:
    worker = path.name.removesuffix(SUFFIX)
    for line in path.read_text().splitlines():
        at_s, kind, *told = json.loads(line)
        yield Note(at_s, worker, kind, tuple(told))
