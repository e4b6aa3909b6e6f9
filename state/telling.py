"""What is being written for a session at this moment, for those who watch it; nothing of it is stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from state.messages import Delta
from state.session import LogEntry

MAX_PIECES = 2_000
ATTENTION_MS = 3_000
"""Somebody who has just taken pieces away is on the way back for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A delta of one question's work. `number` grows by one with each piece of the session."""

    number: int
    question_id: str
    delta: Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a watcher gets: committed entries, pieces of what is being written, and where it now stands.

    `heard` is to be given back when asking for more.
    """

    entries: tuple[LogEntry, ...]
    pieces: tuple[Piece, ...]
    heard: int


class Telling:
    """The last `MAX_PIECES` pieces of work that has not ended."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque(maxlen=MAX_PIECES)
        self._told = 0
        self._watchers = 0
        self._watched_ms = -ATTENTION_MS

    def watched(self, now_ms: int) -> bool:
        """Whether anybody would hear a piece; work that nobody watches is asked for whole, which is cheaper."""
        return self._watchers > 0 or now_ms - self._watched_ms < ATTENTION_MS

    @contextmanager
    def watching(self, now_ms: Callable[[], int]) -> Iterator[None]:
        """Somebody listens meanwhile."""
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1
            self._watched_ms = now_ms()

    def tell(self, question_id: str, delta: Delta) -> None:
        self._told += 1
        self._pieces.append(Piece(number=self._told, question_id=question_id, delta=delta))

    def end(self, question_id: str) -> None:
        """The question's work has been committed or withdrawn; the log tells now."""
        self._pieces = deque((piece for piece in self._pieces if piece.question_id != question_id), MAX_PIECES)

    def after(self, heard: int) -> tuple[tuple[Piece, ...], int]:
        """The pieces that a watcher has not heard, and the number to ask with next.

        A watcher who has heard nothing (0) is told all that is under way, after word to forget what an
        earlier stream may have said of it; so is one who has heard more than was told, by an earlier owner.
        """
        heard = heard if heard <= self._told else 0
        pieces = tuple(piece for piece in self._pieces if piece.number > heard)
        if heard == 0:
            under_way = dict.fromkeys((piece.question_id, piece.delta.operation) for piece in pieces)
            anew = (
                Piece(number=0, question_id=question_id, delta=Delta(operation=operation))
                for question_id, operation in under_way
            )
            pieces = (*anew, *pieces)
        return pieces, self._told
