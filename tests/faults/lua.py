"""The scripts of `state/scripts`, run by a Lua 5.1 of our own on a `Database`: Redis's Lua without Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lupa.lua51 import LuaError, LuaRuntime, lua_type  # type: ignore[import-untyped]

from state.backend import Argument, script_text
from tests.faults.redis_model import CommandRefused, Database, Status

_TEXTS: dict[str, str] = {}
_COMPILED: dict[str, Any] = {}


class Scripts:
    """The package's scripts, or other texts for some of them: a planted fault is another text."""

    def __init__(self, changed: dict[str, str] | None = None) -> None:
        self._changed = changed or {}

    def run(self, database: Database, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """The reply as redis-py gives it. Raises `CommandRefused`; what ran before that stays done."""
        return _LUA.run(self._compiled(script), database, keys, args)

    def _compiled(self, script: str) -> Any:
        text = self._changed.get(script)
        if text is None:
            text = _TEXTS.get(script)
            if text is None:
                text = _TEXTS[script] = script_text(script)
        compiled = _COMPILED.get(text)
        if compiled is None:
            compiled = _COMPILED[text] = _LUA.compiled(text)
        return compiled


class _Lua:
    """One interpreter for the process; scripts leave nothing behind in it."""

    def __init__(self) -> None:
        self._runtime = LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
        self._database: Database | None = None
        self._redis = self._runtime.table_from({b"call": self._call})

    def compiled(self, text: str) -> Callable[..., Any]:
        function: Callable[..., Any] = self._runtime.execute(
            b"return function(KEYS, ARGV, redis) " + text.encode() + b"\nend"
        )
        return function

    def run(self, script: Callable[..., Any], database: Database, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        self._database = database
        try:
            reply = script(
                self._runtime.table_from([key.encode() for key in keys]),
                self._runtime.table_from([_as_bytes(arg) for arg in args]),
                self._redis,
            )
        except LuaError as error:
            raise CommandRefused(str(error)) from None
        finally:
            self._database = None
        return _from_lua(reply)

    def _call(self, name: bytes, *args: Any) -> Any:
        assert self._database is not None
        return self._to_lua(self._database.call(name, *map(_as_bytes, args)))

    def _to_lua(self, reply: Any) -> Any:
        if reply is None:
            return False
        if isinstance(reply, Status):
            return self._runtime.table_from({b"ok": bytes(reply)})
        if isinstance(reply, list):
            return self._runtime.table_from([self._to_lua(part) for part in reply])
        return reply


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int | float):
        return b"%d" % value if value == int(value) else b"%.17g" % value
    raise CommandRefused("Command arguments must be strings or integers")


def _from_lua(reply: Any) -> Any:
    """By Redis's rules: false is nothing, true is 1, numbers lose their fraction, a table ends at its first hole."""
    if reply is None or reply is False:
        return None
    if reply is True:
        return 1
    if isinstance(reply, int | float):
        return int(reply)
    if lua_type(reply) == "table":
        if (status := reply[b"ok"]) is not None:
            return status
        parts, at = [], 1
        while (part := reply[at]) is not None:
            parts.append(_from_lua(part))
            at += 1
        return parts
    return reply


_LUA = _Lua()
