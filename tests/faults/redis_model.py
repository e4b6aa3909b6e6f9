"""Redis's memory as Askwell's scripts use it: keys that expire, hashes, streams, sets, sorted sets, strings.

A model of the commands, not of a server: who runs them, when, and whether anybody hears the reply is
`tests.faults.sim_redis`'s. `test_sim_redis` holds it against a real Valkey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Fields = list[bytes]
StreamId = tuple[int, int]
_LOWEST: StreamId = (0, 0)
_HIGHEST: StreamId = (2**64 - 1, 2**64 - 1)


class CommandRefused(Exception):
    """Redis answers with an error."""


class Status(bytes):
    """A status reply ('+OK'), which Lua sees as a table."""


@dataclass(slots=True)
class Stream:
    rows: list[tuple[StreamId, Fields]] = field(default_factory=list)
    last: StreamId = _LOWEST


@dataclass(slots=True)
class Scores:
    """A sorted set."""

    by_member: dict[bytes, float] = field(default_factory=dict)


class Database:
    """One server's keys. `now_ms` is set by whoever runs a command; `changed` tells whether one has written."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.changed = False
        self._values: dict[bytes, Any] = {}
        self._expires: dict[bytes, int] = {}

    def call(self, name: bytes, *args: bytes) -> Any:
        """A command's reply: bytes, int, None, `Status` or a list of those. Raises `CommandRefused`."""
        command = _COMMANDS.get(name.upper())
        if command is None:
            raise CommandRefused(f"unknown command {name!r}")
        return command(self, *args)

    def keys(self) -> list[bytes]:
        return [key for key in list(self._values) if self._find(key) is not None]

    def _find(self, key: bytes) -> Any:
        expires = self._expires.get(key)
        if expires is not None and expires <= self.now_ms:
            self._drop(key)
        return self._values.get(key)

    def _have(self, key: bytes, kind: type) -> Any:
        value = self._find(key)
        if value is not None and type(value) is not kind:
            raise CommandRefused("WRONGTYPE")
        return value

    def _make(self, key: bytes, kind: type) -> Any:
        value = self._have(key, kind)
        if value is None:
            value = self._values[key] = kind()
        self.changed = True
        return value

    def _drop(self, key: bytes) -> None:
        self._values.pop(key, None)
        self._expires.pop(key, None)

    def _drop_empty(self, key: bytes, value: Any) -> None:
        if not value:
            self._drop(key)

    # keys

    def delete(self, *keys: bytes) -> int:
        found = [key for key in dict.fromkeys(keys) if self._find(key) is not None]
        for key in found:
            self._drop(key)
            self.changed = True
        return len(found)

    def exists(self, *keys: bytes) -> int:
        return sum(self._find(key) is not None for key in keys)

    def pexpire(self, key: bytes, ttl_ms: bytes) -> int:
        if self._find(key) is None:
            return 0
        self.changed = True
        return self.pexpireat(key, b"%d" % (self.now_ms + _integer(ttl_ms)))

    def pexpireat(self, key: bytes, at_ms: bytes) -> int:
        if self._find(key) is None:
            return 0
        self.changed = True
        expires = _integer(at_ms)
        if expires <= self.now_ms:
            self._drop(key)
        else:
            self._expires[key] = expires
        return 1

    def pttl(self, key: bytes) -> int:
        if self._find(key) is None:
            return -2
        expires = self._expires.get(key)
        return -1 if expires is None else expires - self.now_ms

    # strings

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._have(key, bytes)
        return value

    def set(self, key: bytes, value: bytes, *options: bytes) -> Status:
        self._drop(key)
        self._values[key] = value
        self.changed = True
        if options:
            unit, ttl = options
            if unit.upper() != b"PX":
                raise CommandRefused("syntax error")
            self._expires[key] = self.now_ms + _integer(ttl)
        return Status(b"OK")

    def incrby(self, key: bytes, by: bytes) -> int:
        after = _integer(self.get(key) or b"0") + _integer(by)
        self._values[key] = b"%d" % after
        self.changed = True
        return after

    # hashes

    def hget(self, key: bytes, name: bytes) -> bytes | None:
        found: bytes | None = (self._have(key, dict) or {}).get(name)
        return found

    def hmget(self, key: bytes, *names: bytes) -> list[bytes | None]:
        found = self._have(key, dict) or {}
        return [found.get(name) for name in names]

    def hgetall(self, key: bytes) -> list[bytes]:
        return [part for pair in (self._have(key, dict) or {}).items() for part in pair]

    def hkeys(self, key: bytes) -> list[bytes]:
        return list(self._have(key, dict) or {})

    def hlen(self, key: bytes) -> int:
        return len(self._have(key, dict) or {})

    def hexists(self, key: bytes, name: bytes) -> int:
        return int(name in (self._have(key, dict) or {}))

    def hset(self, key: bytes, *pairs: bytes) -> int:
        if not pairs or len(pairs) % 2:
            raise CommandRefused("wrong number of arguments")
        held = self._make(key, dict)
        new = 0
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            new += name not in held
            held[name] = value
        return new

    def hdel(self, key: bytes, *names: bytes) -> int:
        held = self._have(key, dict)
        if held is None:
            return 0
        found = [name for name in names if held.pop(name, None) is not None]
        self.changed = self.changed or bool(found)
        self._drop_empty(key, held)
        return len(found)

    def hincrby(self, key: bytes, name: bytes, by: bytes) -> int:
        held = self._make(key, dict)
        after = _integer(held.get(name, b"0")) + _integer(by)
        held[name] = b"%d" % after
        return after

    # sets

    def sadd(self, key: bytes, *members: bytes) -> int:
        held = self._make(key, set)
        before = len(held)
        held.update(members)
        return len(held) - before

    def smembers(self, key: bytes) -> list[bytes]:
        return sorted(self._have(key, set) or ())

    # sorted sets

    def zadd(self, key: bytes, *args: bytes) -> int:
        *options, score, member = args
        held = self._make(key, Scores).by_member
        new = member not in held
        if new or not options or float(score) < held[member]:
            held[member] = float(score)
        return int(new)

    def zrem(self, key: bytes, *members: bytes) -> int:
        held = self._have(key, Scores)
        if held is None:
            return 0
        found = [member for member in members if held.by_member.pop(member, None) is not None]
        self.changed = self.changed or bool(found)
        self._drop_empty(key, held.by_member)
        return len(found)

    def zrangebyscore(self, key: bytes, low: bytes, high: bytes, *limit: bytes) -> list[bytes]:
        held = self._have(key, Scores)
        if held is None:
            return []
        ranked = sorted((score, member) for member, score in held.by_member.items())
        found = [member for score, member in ranked if float(low) <= score <= float(high)]
        if limit:
            _, offset, count = limit
            found = found[_integer(offset) :][: _integer(count)]
        return found

    def zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> int:
        return self.zrem(key, *self.zrangebyscore(key, low, high))

    def zrevrange(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        held = self._have(key, Scores)
        ranked = sorted(((score, member) for member, score in held.by_member.items()), reverse=True) if held else []
        return [member for _, member in ranked][_integer(first) : _integer(last) + 1]

    # streams

    def xadd(self, key: bytes, *args: bytes) -> bytes:
        most: int | None = None
        if args[0].upper() == b"MAXLEN":
            most, args = _integer(args[1]), args[2:]
        held = self._have(key, Stream)
        number = _next_id(args[0], held.last if held is not None else _LOWEST)
        if number <= (held.last if held is not None else _LOWEST):
            raise CommandRefused("The ID specified in XADD is equal or smaller than the target stream top item")
        held = self._make(key, Stream)
        held.rows.append((number, list(args[1:])))
        held.last = number
        if most is not None:
            del held.rows[: max(0, len(held.rows) - most)]
        return b"%d-%d" % number

    def xdel(self, key: bytes, *places: bytes) -> int:
        held = self._have(key, Stream)
        if held is None:
            return 0
        gone = {_stream_id(place, 0) for place in places}
        kept = [row for row in held.rows if row[0] not in gone]
        dropped, held.rows = len(held.rows) - len(kept), kept
        self.changed |= dropped > 0
        return dropped

    def xrange(self, key: bytes, low: bytes, high: bytes, *count: bytes) -> list[Any]:
        return self._rows(key, low, high, count, step=1)

    def xrevrange(self, key: bytes, high: bytes, low: bytes, *count: bytes) -> list[Any]:
        return self._rows(key, low, high, count, step=-1)

    def _rows(self, key: bytes, low: bytes, high: bytes, count: Sequence[bytes], *, step: int) -> list[Any]:
        held = self._have(key, Stream)
        if held is None:
            return []
        above = low.startswith(b"(")
        first = _LOWEST if low == b"-" else _stream_id(low.removeprefix(b"("), 0)
        last = _HIGHEST if high == b"+" else _stream_id(high, _HIGHEST[1])
        found = [
            [b"%d-%d" % number, list(fields)]
            for number, fields in held.rows[::step]
            if first <= number <= last and not (above and number == first)
        ]
        return found[: _integer(count[1])] if count else found


def _integer(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise CommandRefused("value is not an integer or out of range") from None


def _next_id(text: bytes, last: StreamId) -> StreamId:
    """`5-*` has the number counted by the server, after the last one that it gave."""
    milliseconds, _, number = text.partition(b"-")
    if number != b"*":
        return _stream_id(text, 0)
    return (_integer(milliseconds), last[1] + 1 if last[0] == _integer(milliseconds) else 0)


def _stream_id(text: bytes, sequence: int) -> StreamId:
    milliseconds, dash, number = text.partition(b"-")
    return _integer(milliseconds), _integer(number) if dash else sequence


_COMMANDS: dict[bytes, Callable[..., Any]] = {
    b"DEL": Database.delete,
    **{
        name.upper().encode(): getattr(Database, name)
        for name in (
            *("exists", "pexpire", "pexpireat", "pttl", "get", "set", "incrby"),
            *("hget", "hmget", "hgetall", "hkeys", "hlen", "hexists", "hset", "hdel", "hincrby"),
            *(
                "sadd",
                "smembers",
                "zadd",
                "zrem",
                "zrangebyscore",
                "zremrangebyscore",
                "zrevrange",
                "xadd",
                "xdel",
                "xrange",
                "xrevrange",
            ),
        )
    },
}
