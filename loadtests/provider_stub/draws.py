"""Random figures that repeat: each is a function of the seed, the call and what it is drawn for."""

from __future__ import annotations

from hashlib import blake2b


class Draws:
    """The figures of one call. The order of drawing, and calls that run beside it, change none of them."""

    __slots__ = ("_call",)

    def __init__(self, *, seed: int, operation: str, number: int) -> None:
        self._call = f"{seed}/{operation}/{number}/"

    def uniform(self, purpose: str) -> float:
        """At least 0 and below 1."""
        digest = blake2b((self._call + purpose).encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
