"""From a reply's JSON, as a model writes it, to the pieces of text that a candidate may watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic_core import from_json

from actors.prompts.markup import seen
from state.messages import Delta, Heard

T = TypeVar("T")
FLUSH_S = 0.05
"""Pieces that come within it travel together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What of an operation's result is shown while it is written: `{list: field}`, '' for a text itself.

    With `whole`, a text is shown once it is complete and `shown` says that it may be.
    """

    fields: Mapping[str, str]
    whole: bool = False


SHOWN: Mapping[str, Shown] = {
    "write_prompts": Shown(fields={"prompts": "question"}),
    "write_answer": Shown(fields={"title": "", "bullets": "text"}, whole=True),
    "refine_answer": Shown(fields={"title": "", "bullets": "text"}, whole=True),
    "evaluate_answer": Shown(fields={"criteria": "reason", "suggestions": "title"}),
}


class Teller:
    """Tells `heard` the texts of one operation's reply; to be called with each piece of its JSON.

    A None means that the reply begins anew: what came before is taken back. `permitted` decides on
    each complete text of an answer; the first one it refuses ends the telling until it begins anew.
    """

    def __init__(self, operation: str, heard: Heard, permitted: Callable[[str], bool] = lambda _: True) -> None:
        self._operation = operation
        self._heard = heard
        self._permitted = permitted
        self._shown = SHOWN[operation]
        self._begin()

    def __call__(self, piece: str | None) -> None:
        if piece is None:
            if self._told:
                self._heard(Delta(operation=self._operation))
            self._begin()
            return
        self._json += piece
        if self._refused:
            return
        try:
            partial = from_json(self._json, allow_partial=True if self._shown.whole else "trailing-strings")
        except ValueError:
            return  # not JSON: whoever reads the whole reply says so
        for field, text in _texts(partial, self._shown.fields):
            self._tell(field, seen(text, " "))

    def _begin(self) -> None:
        self._json = ""
        self._told: dict[str, str] = {}
        self._refused = False

    def _tell(self, field: str, text: str) -> None:
        told = self._told.get(field, "")
        if self._refused or len(text) <= len(told) or not text.startswith(told):
            return
        if self._shown.whole and not self._permitted(text):
            self._refused = True
            return
        self._told[field] = text
        self._heard(Delta(operation=self._operation, field=field, text=text[len(told) :]))


class Retold:
    """Passes deltas on; `begin` takes back all that was told, because the work begins anew."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._operations: set[str] = set()

    def __call__(self, delta: Delta) -> None:
        self._operations.add(delta.operation)
        self._heard(delta)

    def begin(self) -> None:
        for operation in sorted(self._operations):
            self._heard(Delta(operation=operation))
        self._operations.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Deltas that travel between processes together."""

    deltas: tuple[Delta, ...]


async def streamed(work: Callable[[Heard], Awaitable[T]]) -> AsyncIterator[Told | T]:
    """The deltas of a piece of work as they come, then its result; what the work raises is raised."""
    waiting: asyncio.Queue[Delta | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(waiting.put_nowait))
    task.add_done_callback(lambda _: waiting.put_nowait(None))
    try:
        while (delta := await waiting.get()) is not None:
            await asyncio.sleep(FLUSH_S)
            deltas = [delta]
            while not waiting.empty() and (following := waiting.get_nowait()) is not None:
                deltas.append(following)
            yield Told(deltas=tuple(deltas))
            if task.done() and waiting.empty():
                break
        yield await task
    finally:
        task.cancel()


def _texts(partial: Any, fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if not isinstance(partial, dict):
        return
    for name, inner in fields.items():
        value = partial.get(name)
        if not inner and isinstance(value, str):
            yield name, value
        elif inner and isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, dict) and isinstance(item.get(inner), str):
                    yield f"{name}.{number}.{inner}", item[inner]
