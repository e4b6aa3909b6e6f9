"""What the users met, a line each, from the processes they run in to the report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

REFUSED = " (refused)"
"""How the name of a request ends, among Locust's statistics, that was told to come back later."""
NOT_STEPS = frozenset({"event", "watch"})
"""Of a reader of events: how late an event came, and how soon a stream began. No candidate waits for these."""

Standing = Mapping[str, tuple[str, int]]
"""By question: the step that was acknowledged last, and the refinements it had then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request. `began_s` is Unix time, `mark` the one in its candidate's CV.

    At most one of `refused` and `error` is set: '503 Overloaded'. A refusal says when to come back, and is kept to.
    """

    step: str
    began_s: float
    took_ms: float
    mark: str = ""
    refused: str = ""
    error: str = ""

    @property
    def answered(self) -> bool:
        return not (self.refused or self.error)


def outcome(status: int, kind: str, retry_after: str | None) -> tuple[str, str]:
    """(refused, error) of a reply; `kind` is the problem's, or what came in place of one."""
    told = f"{status} {kind}".strip() if status else kind
    if 200 <= status < 400:
        return "", ""
    if status not in (429, 503) and not (status == 409 and kind == "StillRunning"):
        return "", told
    return (told, "") if retry_after else ("", f"{told}, without Retry-After")


def kind_of(body: str | None, content_type: str) -> str:
    """A problem's kind: 'Overloaded'; without a problem the content type."""
    try:
        found = json.loads(body or "")
        return str(found["type"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        return content_type.partition(";")[0] or "no reply"


class Notes:
    """Writes into files of this process's own: one is opened at the first note, and so after a fork."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[tuple[str, int], IO[str]] = {}

    def sample(self, sample: Sample) -> None:
        times = (round(sample.began_s, 4), round(sample.took_ms, 2))
        self._write("samples", [sample.step, *times, sample.mark, sample.refused, sample.error])

    def standing(self, session_id: str, questions: Standing) -> None:
        """What a session's candidate had been told when it was left."""
        self._write("standing", [session_id, questions])

    def close(self) -> None:
        """What is noted later is added to the same files."""
        while self._files:
            self._files.popitem()[1].close()

    def _write(self, kind: str, row: list[Any]) -> None:
        place = (kind, os.getpid())
        if place not in self._files:
            path = self._folder / f"{kind}-{os.getpid()}.jsonl"
            self._files[place] = path.open("a", encoding="utf-8")
        self._files[place].write(json.dumps(row) + "\n")


def read_samples(folder: Path) -> list[Sample]:
    """All processes' samples, in the order in which the requests began."""
    found = [
        Sample(step=step, began_s=began_s, took_ms=took_ms, mark=mark, refused=refused, error=error)
        for step, began_s, took_ms, mark, refused, error in _rows(folder, "samples")
    ]
    return sorted(found, key=lambda sample: sample.began_s)


def read_standings(folder: Path) -> dict[str, Standing]:
    """By session."""
    return {
        session_id: {question: (step, rounds) for question, (step, rounds) in questions.items()}
        for session_id, questions in _rows(folder, "standing")
    }


def _rows(folder: Path, kind: str) -> list[Any]:
    """A line that was cut off with its process is left out."""
    rows = []
    for path in sorted(folder.glob(f"{kind}-*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows
