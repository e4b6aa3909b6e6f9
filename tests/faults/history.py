"""What is recorded of a run, simulated or real: who asked what and when, what came back, what was left in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

OK = "ok"
REFUSED = "refused"
UNKNOWN = "unknown"

Kind = Literal["create", "read", "reply", "watch", "erase"]
NEVER = 2**62


@dataclass(slots=True, kw_only=True)
class Operation:
    """One request of a client. Times are on one clock of the whole run; of two that are equal, neither is before
    the other.

    `outcome` is UNKNOWN until something else came back. Of what came back: `version` of a session that was read or
    created, and the steps of one that was erased; `digest` of the reply's bytes as they are stored; `entries` that
    a watcher got, as version and digest, above `after`; `step` that a StepNotOpen named; `error` by its class.
    """

    client: str
    session_id: str
    kind: Kind
    invoked: int
    returned: int = NEVER
    key: str = ""
    fingerprint: str = ""
    question_id: str = ""
    event: str = ""
    outcome: str = UNKNOWN
    error: str = ""
    version: int = 0
    digest: str = ""
    step: str = ""
    after: int = 0
    entries: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class ModelCall:
    """`life` counts the session's lives: after an erasure its steps have the same names again. `looked` is whether
    the result had been looked for before: 'no', 'missed' (and not found), or 'failed'."""

    session_id: str
    life: int
    name: str
    started: int
    looked: str = "no"
    by_owner: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalLife:
    """A session from its first commit to its erasure or to the end of the run.

    `entries` are its log, `outcomes` its packed outcomes by key, `state` the packed session, as they were left;
    `stale` how many commits Redis took from an owner that it had replaced.
    """

    entries: tuple[bytes, ...]
    outcomes: Mapping[str, bytes]
    state: bytes = b""
    erased: bool = False
    stale: int = 0


@dataclass(slots=True, kw_only=True)
class History:
    """`vectors` and `leftovers` (parts of an erased session's keys) are by session, at the end of the run; `kept`
    tells when a paid result was known to be kept, by session, life and name."""

    operations: list[Operation] = field(default_factory=list)
    lives: dict[str, list[FinalLife]] = field(default_factory=dict)
    model_calls: list[ModelCall] = field(default_factory=list)
    kept: dict[tuple[str, int, str], int] = field(default_factory=dict)
    vectors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    leftovers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        """The whole of it; two runs were the same if these are."""
        parts = [*self.operations, *sorted(self.lives.items()), *self.model_calls, *sorted(self.kept.items())]
        return "\n".join(map(repr, [*parts, sorted(self.vectors.items()), sorted(self.leftovers.items())])).encode()


class Recorder:
    """Counts the events of a run; the count is its clock."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.model_calls: list[ModelCall] = []
        self.kept_at: dict[tuple[str, int, str], int] = {}
        self.looks: dict[Any, str] = {}
        self._ticks = 0

    def tick(self) -> int:
        self._ticks += 1
        return self._ticks

    def begin(self, **fields: Any) -> Operation:
        operation = Operation(invoked=self.tick(), **fields)
        self.operations.append(operation)
        return operation

    def end(self, operation: Operation, outcome: str, **fields: Any) -> None:
        operation.outcome = outcome
        operation.returned = self.tick()
        for name, value in fields.items():
            setattr(operation, name, value)

    def kept(self, session_id: str, life: int, name: str) -> None:
        self.kept_at.setdefault((session_id, life, name), self.tick())


def digest(record: bytes) -> str:
    return hashlib.sha256(record).hexdigest()[:16]
