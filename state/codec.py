"""Records as bytes: msgpack, with the schema's version in every one.

A record is `[SCHEMA, payload]`. An older schema is brought up to date by `UPGRADES`; a newer one is
refused untouched. Dataclasses go through pydantic, so a corrupt payload is refused as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgpack
from pydantic import TypeAdapter, ValidationError

from state.errors import RecordUnreadable
from state.events import EVENTS, SessionOpened
from state.model import Document, Session
from state.session import LogEntry

SCHEMA = 1

UPGRADES: Mapping[int, Callable[[Any], Any]] = {}
"""From a schema's version to the function that lifts its payload to the next one."""

T = TypeVar("T")
_BODIES = {"cv", "job"}
"""The session's documents: stored once beside the state, never again in it or in its log."""


def pack(value: object, *, exclude: Any = None) -> bytes:
    """A dataclass (or plain data) as a record."""
    return _frame(_adapter(type(value)).dump_python(value, exclude=exclude))


def unpack(kind: type[T], record: bytes) -> T:
    """The record as a `kind`. Raises `RecordUnreadable` where it is corrupt or from a newer schema."""
    try:
        value: T = _adapter(kind).validate_python(_unframe(record))
        return value
    except ValidationError as error:
        raise RecordUnreadable(f"A stored {kind.__name__} has {error.error_count()} wrong fields.") from None


def pack_session(session: Session) -> tuple[bytes, bytes]:
    """The state that changes with every commit, and the documents that never do."""
    return pack(session, exclude=_BODIES), _frame({"cv": session.cv.text, "job": session.job.text})


def unpack_session(state: bytes, documents: bytes) -> Session:
    texts = _unframe(documents)
    fields = _unframe(state)
    try:
        bodies = {name: Document(text=texts[name]) for name in _BODIES}
        session: Session = _adapter(Session).validate_python({**fields, **bodies})
        return session
    except (ValidationError, KeyError, TypeError):
        raise RecordUnreadable("A stored Session has wrong fields.") from None


def pack_entry(entry: LogEntry) -> bytes:
    """A log entry; a `SessionOpened` in it leaves its documents out."""
    exclude = {"session": _BODIES} if isinstance(entry.event, SessionOpened) else None
    kind = type(entry.event)
    return _frame(
        {
            "version": entry.version,
            "at_ms": entry.at_ms,
            "expires_ms": entry.expires_ms,
            "question_id": entry.question_id,
            "event": kind.__name__,
            "data": _adapter(kind).dump_python(entry.event, exclude=exclude),
        }
    )


def unpack_entry(record: bytes) -> LogEntry:
    """The entry; the session of a `SessionOpened` comes back with empty documents."""
    fields = _unframe(record)
    try:
        kind = EVENTS[fields.pop("event")]
        data = fields.pop("data")
        if kind is SessionOpened:
            data["session"].update({body: {"text": ""} for body in _BODIES})
        return LogEntry(**fields, event=_adapter(kind).validate_python(data))
    except (ValidationError, KeyError, TypeError, AttributeError):
        raise RecordUnreadable("A stored LogEntry has wrong fields.") from None


def _frame(payload: Any) -> bytes:
    framed: bytes = msgpack.packb([SCHEMA, payload])
    return framed


def _unframe(record: bytes) -> Any:
    try:
        schema, payload = msgpack.unpackb(record)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise RecordUnreadable("A stored record is not a whole msgpack frame.") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise RecordUnreadable(f"A stored record has schema {schema!r}; this version reads up to {SCHEMA}.")
    for version in range(schema, SCHEMA):
        payload = UPGRADES[version](payload)
    return payload


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Built at a type's first use and kept: building one costs milliseconds, using one microseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
