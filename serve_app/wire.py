"""Calls between processes as msgpack, typed by the method that is called.

Both sides have the ports' classes, so that a message tells no types: arguments go as one array, a result as it is.
msgspec writes and reads a question of three kilobytes in 18 us, where pickle takes 320. Imports no Ray.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

import msgspec

NOT_SENT = frozenset({"heard", "return"})
"""Of a method's annotations; what is heard comes back by a stream of its own."""

encode = msgspec.msgpack.Encoder().encode


@cache
def arguments(port: type, method: str) -> msgspec.msgpack.Decoder[tuple[Any, ...]]:
    """Reads the method's arguments, a tuple. Raises `TypeError` where one of its types is not for the wire."""
    hints = _hints(port, method)
    sent = tuple(hint for name, hint in hints.items() if name not in NOT_SENT)
    return msgspec.msgpack.Decoder(tuple.__class_getitem__(sent))


@cache
def result(port: type, method: str) -> msgspec.msgpack.Decoder[Any]:
    """Reads what the method returns; as `arguments`."""
    return msgspec.msgpack.Decoder(_hints(port, method)["return"])


def _hints(port: type, method: str) -> dict[str, Any]:
    return get_type_hints(getattr(port, method))
