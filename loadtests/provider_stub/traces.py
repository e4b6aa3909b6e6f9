"""How long calls were made to take, for whoever put a mark into their prompts.

A load test puts a new mark into each candidate's CV, which every prompt of the session holds. What the stub drew
for the calls with that mark is the part of the candidate's waiting that no service can take away.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from loadtests.provider_stub.calls import Embedding, Generation, Sending

MOST_KEPT = 200_000
"""Traces that nobody takes: the oldest go."""

_MARK = re.compile(r"trace-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One call. `began_s` is Unix time, when its last byte had come; `first_ms` and `took_ms` reach from there.

    `first_ms` is to the first byte of the reply, `took_ms` to the last one, both as they were drawn; of a call
    whose client went before its end, until then. `late_ms` is how much later than drawn the stub was done.
    """

    mark: str
    operation: str
    began_s: float
    first_ms: float
    took_ms: float
    late_ms: float = 0.0

    def row(self) -> list[Any]:
        times = (self.first_ms, self.took_ms, self.late_ms)
        return [self.mark, self.operation, round(self.began_s, 4), *(round(time_ms, 2) for time_ms in times)]

    @classmethod
    def of_row(cls, row: list[Any]) -> Trace:
        mark, operation, began_s, first_ms, took_ms, late_ms = row
        return cls(mark=mark, operation=operation, began_s=began_s, first_ms=first_ms, took_ms=took_ms, late_ms=late_ms)


class Traces:
    """Those since they were last taken."""

    def __init__(self) -> None:
        self._kept: deque[Trace] = deque(maxlen=MOST_KEPT)

    def add(
        self, mark: str, operation: str, sending: Sending, *, began_s: float, elapsed_s: float, stayed: bool
    ) -> None:
        """A call that has ended after `elapsed_s`, by its client where it has not `stayed`."""
        first_s, took_s = (sending.pieces[place][0] for place in (0, -1)) if sending.pieces else (0.0, 0.0)
        if not stayed:
            took_s, late_s = elapsed_s, 0.0
        else:
            late_s = max(0.0, elapsed_s - took_s)
        self._kept.append(
            Trace(
                mark=mark,
                operation=operation,
                began_s=began_s,
                first_ms=min(first_s, took_s) * 1000,
                took_ms=took_s * 1000,
                late_ms=late_s * 1000,
            )
        )

    def taken(self) -> list[list[Any]]:
        """All that are kept, as rows; they are kept no longer."""
        rows = [trace.row() for trace in self._kept]
        self._kept.clear()
        return rows

    def clear(self) -> None:
        self._kept.clear()


def new_mark() -> str:
    return f"trace-{uuid.uuid4().hex[:16]}"


def mark_of(asked: Generation | Embedding) -> str:
    """The first mark in what a model is told; empty where there is none, and for texts to embed."""
    if isinstance(asked, Embedding):
        return ""
    found = _MARK.search(asked.told)
    return found[0] if found else ""
