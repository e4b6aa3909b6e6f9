"""The step journal: results that were paid for in the middle of a step, kept until the step's commit.

A step may take several completions (a batch of questions, a draft and the one after its refusal, two passes
of a judge). Each is kept before the next is asked for, so that whoever goes on with the step after a crash
asks for none again. What is kept lives and is erased with its session.
"""

from __future__ import annotations

from typing import Protocol

from state.backend import Backend
from state.store import part_key


class PaidResults(Protocol):
    """Results by session, step and name. Both methods raise `StoreUnavailable`."""

    async def find(self, tenant: str, session_id: str, name: str) -> bytes | None: ...

    async def keep(self, tenant: str, session_id: str, name: str, result: bytes) -> None:
        """Nothing happens where the tenant has no such session (any more)."""
        ...


class StoredPaidResults:
    """Implements `PaidResults` beside the session's record."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def find(self, tenant: str, session_id: str, name: str) -> bytes | None:
        found: bytes | None = await self._backend.read("find_paid.lua", _keys(session_id), [tenant, name])
        return found

    async def keep(self, tenant: str, session_id: str, name: str, result: bytes) -> None:
        await self._backend.write("keep_paid.lua", _keys(session_id), [tenant, name, result])


def _keys(session_id: str) -> list[str]:
    return [part_key("session", session_id, part) for part in ("record", "paid")]
