"""The alerts as a record: what fires, what was told of it, and how far each channel has come with the messages.

Kept as one record by `state.codec`, so that whoever goes on after a restart neither repeats nor forgets anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from state.alerts.rules import Severity
from state.codec import pack, unpack
from state.errors import NotFound

ALL = "*"
"""In a silence: every rule."""
MAX_UNDELIVERED = 100


class News(StrEnum):
    """What is told of an alert."""

    FIRING = "firing"
    ESCALATED = "escalated"
    DE_ESCALATED = "de_escalated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`severity` is the one that holds now; of a resolved alert the one that was told last. `began_ms` is since when
    the alert fires, or fired. `value` is None where the rule was taken out of the rules, `limit` where none is passed
    any more."""

    rule: str
    news: News
    severity: Severity
    began_ms: int
    value: float | None
    limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """All that changed at one evaluation. Those of one incident have its number; `number` is the message's own."""

    number: int
    incident: int
    at_ms: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule's alert.

    `severity` is what holds by the last reading that could be judged; `told` is what was told last, None for nothing
    or 'resolved'. The two differ during a cooldown or a silence. `told_ms` has, by severity, when it was told last.
    `began_ms` is since when the alert fires, or when it last began to. `value` is the last reading's;
    `unknown_since_ms` says since when there are too few samples.
    """

    severity: Severity | None = None
    began_ms: int = 0
    value: float | None = None
    unknown_since_ms: int | None = None
    told: Severity | None = None
    told_ms: Mapping[Severity, int] = field(default_factory=dict)
    acknowledged_by: str = ""
    acknowledged_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nothing is told of a rule, or of `ALL`, until `ends_ms`; what still differs then is told at once."""

    id: str
    rule: str
    ends_ms: int
    by: str
    reason: str = ""

    def covers(self, rule: str, now_ms: int) -> bool:
        return now_ms < self.ends_ms and self.rule in (rule, ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """`delivered` is the number of the last message that the channel has; messages go to it in their order. `sent` and
    `failures` count tries; `error` says how the last one failed, since `failing_since_ms`, if it did."""

    delivered: int
    sent: int = 0
    failures: int = 0
    failing_since_ms: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBook:
    """`incidents` and `messages` count what there were, `dropped` messages that were too many to be kept undelivered;
    an incident is open while anything is told to fire. `watcher` alone evaluates and delivers until
    `watched_until_ms`. `stamp` is new with every writing, so that a writer knows its own again."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    undelivered: tuple[Message, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    dropped: int = 0
    incidents: int = 0
    messages: int = 0
    watcher: str = ""
    watched_until_ms: int = 0
    stamp: str = ""


def pack_book(book: AlertBook) -> bytes:
    return pack(book)


def unpack_book(record: bytes) -> AlertBook:
    """Raises `RecordUnreadable`."""
    return unpack(AlertBook, record)


def acknowledged(book: AlertBook, rule: str, *, by: str, now_ms: int) -> AlertBook:
    """Somebody is on it. It holds until the alert escalates or is resolved. Raises `NotFound` where nothing fires."""
    alert = book.alerts.get(rule)
    if alert is None or alert.severity is None:
        raise NotFound
    return _with_alert(book, rule, replace(alert, acknowledged_by=by, acknowledged_ms=now_ms))


def silenced(book: AlertBook, silence: Silence) -> AlertBook:
    """With one silence more, or another in the place of one with the same id."""
    others = tuple(held for held in book.silences if held.id != silence.id)
    return replace(book, silences=(*others, silence))


def unsilenced(book: AlertBook, silence_id: str) -> AlertBook:
    """Raises `NotFound` for an id of no silence, or of one that has ended."""
    left = tuple(held for held in book.silences if held.id != silence_id)
    if len(left) == len(book.silences):
        raise NotFound
    return replace(book, silences=left)


def channel_of(book: AlertBook, name: str) -> Channel:
    """One that is new begins with what nobody was told yet."""
    oldest = book.undelivered[0].number if book.undelivered else book.messages + 1
    return book.channels.get(name, Channel(delivered=oldest - 1))


def due_to(book: AlertBook, name: str) -> tuple[Message, ...]:
    """What a channel does not have yet, oldest first."""
    return tuple(message for message in book.undelivered if message.number > channel_of(book, name).delivered)


def delivered(book: AlertBook, name: str, number: int) -> AlertBook:
    """The channel has the message, and all before it."""
    channel = channel_of(book, name)
    if number <= channel.delivered:
        return book
    after = replace(channel, delivered=number, sent=channel.sent + 1, failing_since_ms=None, error="")
    return replace(book, channels={**book.channels, name: after})


def not_delivered(book: AlertBook, name: str, error: str, now_ms: int) -> AlertBook:
    """The channel did not take a message."""
    channel = channel_of(book, name)
    since_ms = now_ms if channel.failing_since_ms is None else channel.failing_since_ms
    after = replace(channel, failures=channel.failures + 1, failing_since_ms=since_ms, error=error)
    return replace(book, channels={**book.channels, name: after})


def settled(book: AlertBook, names: Collection[str]) -> AlertBook:
    """With these channels and no others, and without the messages that all of them have; the same book where it was
    so before."""
    channels = {name: channel_of(book, name) for name in names}
    had = min((channel.delivered for channel in channels.values()), default=book.messages)
    undelivered = tuple(message for message in book.undelivered if message.number > had)
    if (channels, undelivered) == (book.channels, book.undelivered):
        return book
    return replace(book, channels=channels, undelivered=undelivered)


def _with_alert(book: AlertBook, rule: str, alert: Alert) -> AlertBook:
    return replace(book, alerts={**book.alerts, rule: alert})
