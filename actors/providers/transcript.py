"""What has come of a reply so far, and what it amounts to in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from actors.providers.port import Fault, ProviderError, Reply
from state.spending import NO_USAGE, Usage

Heard = Callable[[str | None], None]
W = TypeVar("W")


class Transcript:
    """Gathers one reply. `model` is the one asked for, until the provider names another."""

    def __init__(self, *, provider: str, model: str, heard: Heard | None = None) -> None:
        self.provider = provider
        self.model = model
        self.usage: Usage | None = None
        self._heard = heard
        self._pieces: list[str] = []
        self._ended = False
        self._fault: Fault | None = None

    def say(self, piece: str) -> None:
        self._pieces.append(piece)
        if self._heard is not None:
            self._heard(piece)

    def end(self, fault: Fault | None) -> None:
        """The reply is whole, or has ended for `fault`; the first word on it counts."""
        if not self._ended:
            self._ended, self._fault = True, fault

    def reply(self) -> Reply:
        """Raises `ProviderError`: for what it ended, or GARBLED where it has no end or says nothing."""
        text = "".join(self._pieces)
        if self._fault is not None:
            raise self.failed(self._fault)
        if not self._ended or not text:
            raise self.failed(Fault.GARBLED)
        return Reply(text=text, provider=self.provider, model=self.model, usage=self.usage or NO_USAGE)

    def read(self, wire: TypeAdapter[W], body: bytes) -> W:
        """`body` as what the wire promises. Raises `ProviderError` GARBLED."""
        try:
            return wire.validate_json(body)
        except ValidationError:
            raise self.failed(Fault.GARBLED) from None

    def failed(self, fault: Fault, *, status: int | None = None, retry_after_s: float | None = None) -> ProviderError:
        return ProviderError(
            fault,
            provider=self.provider,
            model=self.model,
            status=status,
            retry_after_s=retry_after_s,
            usage=self.usage,
        )
