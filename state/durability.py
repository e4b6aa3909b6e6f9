"""How many copies a write has before it is acknowledged.

    fast         the primary's memory; with 'appendfsync everysec' on its disk within about a second
    replicated   also the memory of `replicas` replicas: WAIT
    strict       the disk of the primary and of `replicas` replicas: WAITAOF

The servers are asked after the write, on its connection, and their answer is counted. Fewer copies than wanted is
no failure: the write may well last, and nobody knows. What a replica's confirmation is worth depends on who is
promoted: one that has confirmed is, where every replica has to confirm, or where the one with the most data is
chosen among all of them (Sentinels and clusters choose among those they reach).

WAITAOF can be believed with 'appendfsync always' alone, on replicas too: with 'everysec' Valkey 9.1 answers up to a
second before the disk has the write, as Redis did before it was mended (github.com/redis/redis/pull/13793).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.exceptions import ResponseError

from state.errors import Unconfirmed

LONGEST_TIMEOUT_MS = 4_000
"""Less than the 5 s after which a connection is given up: its answer has to come before that."""


class Mode(StrEnum):
    FAST = "fast"
    REPLICATED = "replicated"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """`replicas` have to confirm within `timeout_ms`, all questions together. Fast asks for neither."""

    mode: Mode
    replicas: int = 0
    timeout_ms: int = 1_000

    def __post_init__(self) -> None:
        """Raises `ValueError`."""
        if self.replicas < int(self.mode is Mode.REPLICATED):
            raise ValueError(f"{self.replicas} replicas are too few for the mode {self.mode}")
        if not 0 < self.timeout_ms <= LONGEST_TIMEOUT_MS:
            raise ValueError(f"a timeout of {self.timeout_ms} ms is not within 1 to {LONGEST_TIMEOUT_MS} ms")

    @property
    def questions(self) -> tuple[tuple[str | int, ...], ...]:
        """Commands that ask for copies of everything written before them on their connection; the last answer counts.

        A replica tells what its disk has when it is asked, and of its own accord once a second. It is asked as soon as
        it has been sent the write, and so before it can have synced it: asked twice, it answers in milliseconds.
        """
        match self.mode:
            case Mode.FAST:
                return ()
            case Mode.REPLICATED:
                return (("WAIT", self.replicas, self.timeout_ms),)
            case Mode.STRICT if not self.replicas:
                return (("WAITAOF", 1, 0, self.timeout_ms),)
            case Mode.STRICT:
                half_ms = -(-self.timeout_ms // 2)
                return ("WAIT", self.replicas, half_ms), ("WAITAOF", 1, self.replicas, half_ms)

    def require(self, answer: Any) -> None:
        """Raises `Unconfirmed` where the last question's answer is an error or tells of too few copies."""
        if isinstance(answer, ResponseError):  # its text can only quote the question, which is no secret
            raise Unconfirmed(cause=f"{answer}")
        if isinstance(answer, Exception):
            raise Unconfirmed(cause=type(answer).__name__)
        disks, replicas = (1, answer) if self.mode is Mode.REPLICATED else answer
        if disks < 1 or replicas < self.replicas:
            raise Unconfirmed(cause=f"{replicas} of {self.replicas} replicas" if disks else "not on the server's disk")


FAST = Durability(mode=Mode.FAST)
