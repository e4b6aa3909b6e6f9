"""Records as bytes: msgpack, with the schema's version in every one.

A record is `[SCHEMA, payload]`. An older schema is brought up to date by `UPGRADES`; a newer one is
refused untouched. Dataclasses are written by msgspec, in a fifth of the time, and read through pydantic, so that a
corrupt payload is refused as well. What every schema's records look like is kept in `tests/golden`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgpack
import msgspec
from pydantic import TypeAdapter, ValidationError

from state.errors import RecordUnreadable
from state.events import EVENTS, SessionOpened
from state.model import Document, Session
from state.session import LogEntry

SCHEMA = 1

Upgrade = Callable[[str, Any], Any]
"""Lifts a payload to the next schema. It is told the kind of record: a dataclass's name, or `DOCUMENTS`."""
DOCUMENTS = "documents"
UPGRADES: Mapping[int, Upgrade] = {}
"""By the schema that is lifted."""

T = TypeVar("T")
_BODIES = ("cv", "job")
"""The session's documents: stored once beside the state, never again in it or in its log."""


def pack(value: object) -> bytes:
    """A dataclass (or plain data) as a record."""
    return _frame(value)


def unpack(kind: type[T], record: bytes, *, upgrades: Mapping[int, Upgrade] = UPGRADES) -> T:
    """The record as a `kind`. Raises `RecordUnreadable` where it is corrupt or from a newer schema."""
    try:
        value: T = _adapter(kind).validate_python(payload_of(kind.__name__, record, upgrades=upgrades))
        return value
    except ValidationError as error:
        raise RecordUnreadable(f"A stored {kind.__name__} has {error.error_count()} wrong fields.") from None


class Written:
    """What a session's parts were written as last time; a part that is the same object is not written again.

    A commit changes one question of ten, and most of a session's time to pack is the other nine.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[str, tuple[object, msgspec.Raw]] = {}

    def part(self, name: str, part: object) -> msgspec.Raw:
        kept = self._parts.get(name)
        if kept is None or kept[0] is not part:
            kept = self._parts[name] = (part, msgspec.Raw(_ENCODER.encode(part)))
        return kept[1]


def pack_session(session: Session, written: Written | None = None) -> bytes:
    """The state that changes with every commit; without the documents, which never do.

    The bytes are the same with `written`, which is for one session's packing over and over, and without.
    """
    state = _without(session, _BODIES)
    if written is not None:
        state["gaps"] = written.part("gaps", session.gaps)
        state["questions"] = [written.part(question.id, question) for question in session.questions]
    return _frame(state)


def pack_documents(session: Session) -> bytes:
    """What `pack_session` leaves out."""
    return _frame({name: getattr(session, name).text for name in _BODIES})


def unpack_session(state: bytes, documents: bytes, *, upgrades: Mapping[int, Upgrade] = UPGRADES) -> Session:
    """The session with its documents. Raises `RecordUnreadable`."""
    bodies = unpack_documents(documents, upgrades=upgrades)
    fields = payload_of(Session.__name__, state, upgrades=upgrades)
    try:
        session: Session = _adapter(Session).validate_python({**fields, **bodies})
        return session
    except (ValidationError, TypeError):
        raise RecordUnreadable("A stored Session has wrong fields.") from None


def unpack_documents(record: bytes, *, upgrades: Mapping[int, Upgrade] = UPGRADES) -> dict[str, Document]:
    """The session's documents by its fields' names. Raises `RecordUnreadable`."""
    texts = payload_of(DOCUMENTS, record, upgrades=upgrades)
    try:
        return {name: _adapter(Document).validate_python({"text": texts[name]}) for name in _BODIES}
    except (ValidationError, KeyError, TypeError):
        raise RecordUnreadable("A stored session's documents have wrong fields.") from None


def pack_entry(entry: LogEntry) -> bytes:
    """A log entry; a `SessionOpened` in it leaves its documents out."""
    event: Any = entry.event
    kind = type(event)
    if isinstance(event, SessionOpened):
        event = {**_without(event, ("session",)), "session": _without(event.session, _BODIES)}
    return _frame(
        {
            "version": entry.version,
            "at_ms": entry.at_ms,
            "expires_ms": entry.expires_ms,
            "question_id": entry.question_id,
            "event": kind.__name__,
            "data": event,
        }
    )


def unpack_entry(record: bytes, *, upgrades: Mapping[int, Upgrade] = UPGRADES) -> LogEntry:
    """The entry; the session of a `SessionOpened` comes back with empty documents. Raises `RecordUnreadable`."""
    fields = payload_of(LogEntry.__name__, record, upgrades=upgrades)
    try:
        kind = EVENTS[fields.pop("event")]
        data = fields.pop("data")
        if kind is SessionOpened:
            data["session"].update({body: {"text": ""} for body in _BODIES})
        return LogEntry(**fields, event=_adapter(kind).validate_python(data))
    except (ValidationError, KeyError, TypeError, AttributeError):
        raise RecordUnreadable("A stored LogEntry has wrong fields.") from None


def schema_of(record: bytes) -> int:
    """The schema that the record was written by. Raises `RecordUnreadable` where this version cannot read it."""
    return _opened(record)[0]


def payload_of(kind: str, record: bytes, *, upgrades: Mapping[int, Upgrade] = UPGRADES) -> Any:
    """What the record holds, brought up to the present schema and not checked yet. Raises `RecordUnreadable`."""
    schema, payload = _opened(record)
    for version in range(schema, SCHEMA):
        if version not in upgrades:
            raise RecordUnreadable(f"A stored record has schema {version}, which nothing brings up to date.")
        try:
            payload = upgrades[version](kind, payload)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise RecordUnreadable(f"A stored {kind} of schema {version} has wrong fields.") from None
    return payload


def _frame(payload: Any) -> bytes:
    return _ENCODER.encode([SCHEMA, payload])


def _without(value: Any, names: Collection[str]) -> dict[str, Any]:
    """A dataclass's fields but those; what is in them is not taken apart."""
    return {field.name: getattr(value, field.name) for field in fields(value) if field.name not in names}


def _opened(record: bytes) -> tuple[int, Any]:
    try:
        schema, payload = msgpack.unpackb(record)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise RecordUnreadable("A stored record is not a whole msgpack frame.") from None
    if type(schema) is not int or schema > SCHEMA:
        told = schema if type(schema) is int else "unknown"
        raise RecordUnreadable(f"A stored record has schema {told}; this version reads up to {SCHEMA}.")
    return schema, payload


_ENCODER = msgspec.msgpack.Encoder()
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Built at a type's first use and kept: building one costs milliseconds, using one microseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
