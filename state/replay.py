"""A session's log folded again: does it give the stored state byte for byte, and where was a model asked?

Pure: what is folded has been read before, and nothing is written. A fault names entries, steps and fields,
and never quotes what stands in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from state.codec import (
    SCHEMA,
    pack_session,
    payload_of,
    schema_of,
    unpack_documents,
    unpack_entry,
    unpack_session,
)
from state.errors import NotFound, RecordUnreadable, StepNotOpen
from state.events import WITHDRAWALS, Event, GapsFound, QuestionsAsked, ResourcesFound, SessionOpened
from state.model import Session
from state.session import LogEntry, apply
from state.store import Stored
from state.workflow import CANDIDATE_EVENTS, QuestionCommand, SessionCommand, pending, session_pending

KEYED_BY_IDS = frozenset({"flags", "inputs", "unasked"})
"""Fields whose keys are no fields: a difference is not followed into them."""


class FaultKind(StrEnum):
    MISSING = "missing"
    UNREADABLE = "unreadable"
    ILLEGAL = "illegal"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why the log is not the state. `version` is the first one at which it shows."""

    kind: FaultKind
    version: int
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One entry, and the session around it; `before` is None for the first."""

    entry: LogEntry
    before: Session | None
    after: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The moves up to the fault, or all. `stored_schema` is the state's own, None where it has none to be read;
    a state of an older schema is compared after it was brought up to date."""

    moves: tuple[Move, ...]
    fault: Fault | None
    stored_schema: int | None

    @property
    def session(self) -> Session | None:
        return self.moves[-1].after if self.moves else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStep:
    """A step whose work a model was asked for: the session as it was then, and what came of it.

    `question_id` is `SESSION_ITSELF` where the work was the session's own.
    """

    version: int
    command: SessionCommand | QuestionCommand
    session: Session
    question_id: str
    event: Event


def replay(log: Iterable[bytes], stored: Stored) -> Replay:
    """Fold the whole log and hold it against the state that is stored with it.

    Raises `RecordUnreadable` where the documents cannot be read, without which there is no session at all.
    """
    documents = unpack_documents(stored.documents)
    moves: list[Move] = []
    fault = None
    for version, record in enumerate(log, 1):
        before = moves[-1].after if moves else None
        move = _moved(before, record, version, documents)
        if isinstance(move, Fault):
            fault = move
            break
        moves.append(move)
    folded = moves[-1].after if moves else None
    if fault is None:
        fault = _compared(folded, stored)
    try:
        schema = schema_of(stored.state)
    except RecordUnreadable:
        schema = None
    return Replay(moves=tuple(moves), fault=fault, stored_schema=schema)


def asked_steps(moves: Iterable[Move]) -> tuple[AskedStep, ...]:
    """Where a model was asked and answered, oldest first; work that was withdrawn left nothing to compare with."""
    return tuple(step for move in moves if (step := _asked(move)) is not None)


def _moved(before: Session | None, record: bytes, version: int, documents: dict[str, Any]) -> Move | Fault:
    try:
        entry = unpack_entry(record)
    except RecordUnreadable as error:
        return Fault(kind=FaultKind.UNREADABLE, version=version, about=f"log entry {version}: {error}")
    if entry.version != version:
        about = f"where log entry {version} should stand is {entry.version}"
        return Fault(kind=FaultKind.MISSING, version=version, about=about)
    event, name = entry.event, type(entry.event).__name__
    if isinstance(event, SessionOpened):
        if before is not None:
            about = f"log entry {version} ({name}): the session is open already"
            return Fault(kind=FaultKind.ILLEGAL, version=version, about=about)
        entry = replace(entry, event=SessionOpened(session=replace(event.session, **documents)))
    try:
        return Move(entry=entry, before=before, after=apply(before, entry))
    except StepNotOpen as error:
        about = f"log entry {version} ({name}): the open step was {error.step}"
    except NotFound:
        about = f"log entry {version} ({name}): there is no such {'session' if before is None else 'question'}"
    return Fault(kind=FaultKind.ILLEGAL, version=version, about=about)


def _compared(folded: Session | None, stored: Stored) -> Fault | None:
    reached = 0 if folded is None else folded.version
    if folded is None or reached < stored.version:
        about = f"the log ends with entry {reached}, and the stored state is version {stored.version}"
        return Fault(kind=FaultKind.MISSING, version=reached + 1, about=about)
    if reached > stored.version:
        about = f"the log goes on to entry {reached}, and the stored state is version {stored.version}"
        return Fault(kind=FaultKind.DIFFERENT, version=stored.version + 1, about=about)
    ours = pack_session(folded)
    if ours == stored.state:
        return None
    try:
        kept = unpack_session(stored.state, stored.documents)
        if schema_of(stored.state) < SCHEMA and pack_session(kept) == ours:
            return None
        path = _first_difference(payload_of("Session", ours), payload_of("Session", stored.state))
    except RecordUnreadable as error:
        return Fault(kind=FaultKind.UNREADABLE, version=stored.version, about=f"the stored state: {error}")
    where = "its values in other bytes" if path is None else ".".join(path) or "which fields it has"
    about = f"the log gives another state than the stored one; the first difference is {where}"
    return Fault(kind=FaultKind.DIFFERENT, version=stored.version, about=about)


def _first_difference(ours: Any, theirs: Any, path: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """Where two payloads part, as names of fields and places in lists; None if they do not."""
    if type(ours) is not type(theirs):
        return path
    if isinstance(ours, dict) and not KEYED_BY_IDS.intersection(path[-1:]):
        if list(ours) != list(theirs):
            return path
        pairs = [(name, ours[name], theirs[name]) for name in ours]
    elif isinstance(ours, list):
        if len(ours) != len(theirs):
            return path
        pairs = [(str(place), *pair) for place, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        return None if ours == theirs else path
    parted = (_first_difference(our, their, (*path, name)) for name, our, their in pairs)
    return next((found for found in parted if found is not None), None)


def _asked(move: Move) -> AskedStep | None:
    before, event = move.before, move.entry.event
    if before is None or isinstance(event, (*CANDIDATE_EVENTS, *WITHDRAWALS, ResourcesFound)):
        return None
    target = move.entry.question_id
    command: SessionCommand | QuestionCommand
    if isinstance(event, GapsFound | QuestionsAsked):
        command = session_pending(before)[0]
    else:
        command = pending(before.require(target))[0]
    return AskedStep(version=move.entry.version, command=command, session=before, question_id=target, event=event)
