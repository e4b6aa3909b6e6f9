"""What is left of an erased session: that it was erased, and when. Nothing of the candidate."""

from __future__ import annotations

from dataclasses import dataclass

ERASED = ("state", "log", "outcomes", "calls", "paid results", "vectors", "journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`steps` is how many commits the session had; `erased` names what was deleted of it."""

    session_id: str
    tenant: str
    erased_ms: int
    steps: int
    erased: tuple[str, ...] = ERASED
