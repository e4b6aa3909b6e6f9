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
    """The texts of work that has not ended: the last `MAX_PIECES` pieces for those who keep up, each text as
    far as it is written for those who come."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._texts: dict[tuple[str, str], dict[str, str]] = {}
        self._told = 0
        self._let_go = 0
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
        if len(self._pieces) > MAX_PIECES:
            self._let_go = self._pieces.popleft().number
        texts = self._texts.setdefault((question_id, delta.operation), {})
        if delta.field:
            texts[delta.field] = texts.get(delta.field, "") + delta.text
        else:
            texts.clear()

    def end(self, question_id: str) -> None:
        """The question's work has been committed or withdrawn; the log tells now."""
        self._pieces = deque(piece for piece in self._pieces if piece.question_id != question_id)
        self._texts = {work: texts for work, texts in self._texts.items() if work[0] != question_id}

    def after(self, heard: int) -> tuple[tuple[Piece, ...], int]:
        """The pieces that a watcher has not heard, and the number to ask with next.

        A watcher who has heard nothing (0), too little to catch up, or more than was told (by an earlier
        owner) is told every text as far as it is written, after word to forget what was said of it before.
        """
        if self._let_go <= heard <= self._told and heard:
            return tuple(piece for piece in self._pieces if piece.number > heard), self._told
        return tuple(self._so_far()), self._told

    def _so_far(self) -> Iterator[Piece]:
        for (question_id, operation), texts in self._texts.items():
            deltas = [Delta(operation=operation, field=field, text=text) for field, text in texts.items()]
            for delta in (Delta(operation=operation), *deltas):
                yield Piece(number=self._told, question_id=question_id, delta=delta)
