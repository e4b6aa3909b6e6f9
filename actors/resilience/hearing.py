"""Keeps whoever listens to a reply from hearing two of them mixed."""

from __future__ import annotations

from dataclasses import replace

from actors.providers.port import Call


class Hearing:
    """`call` is the given call with an ear between it and its listener, or the same where nobody listens."""

    def __init__(self, call: Call) -> None:
        self._heard = call.heard
        self._said = False
        self.call = call if call.heard is None else replace(call, heard=self._hear)

    def take_back(self) -> None:
        """To be called before another reply begins: tells the listener so if there is anything to take back."""
        if self._said:
            self._hear(None)

    def end(self) -> None:
        """The listener has gone; nothing is passed on any more."""
        self._heard = None

    def _hear(self, piece: str | None) -> None:
        self._said = piece is not None
        if self._heard is not None:
            self._heard(piece)
