"""Server-sent events, as the providers stream their replies."""

from __future__ import annotations


class EventStream:
    """Takes a body chunk by chunk, cut anywhere, and gives the data of every event that is whole.

    Only `data` is kept; lines end with LF or CRLF.
    """

    def __init__(self) -> None:
        self._line = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, self._line = (self._line + chunk).split(b"\n")
        events: list[bytes] = []
        for line in lines:
            events += self._take(line.removesuffix(b"\r"))
        return events

    def end(self) -> list[bytes]:
        """The last event, where the body ends without the empty line after it."""
        last, self._line = self._line, b""
        return [*self._take(last.removesuffix(b"\r")), *self._take(b"")]

    def _take(self, line: bytes) -> list[bytes]:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return []
        data, self._data = self._data, []
        return [b"\n".join(data)] if data else []
