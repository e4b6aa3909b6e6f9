"""One record under one key, with a version: written by whoever has read the version before."""

from __future__ import annotations

from typing import NamedTuple

from state.backend import Argument, Backend

NEW = 0
"""The version of a record that is not there yet."""
NEVER_MS = 253_402_300_799_000
"""When the record expires, in Unix milliseconds: with the year 9999."""


class Versioned(NamedTuple):
    """`record` is None where it is the one that the caller has."""

    version: int
    record: bytes | None


class VersionedRecord:
    """`key` is in the hash slot of its braces. Both methods raise `StoreUnavailable`."""

    def __init__(self, backend: Backend, key: str) -> None:
        self._backend = backend
        self._key = key

    async def read(self, known: int | None = None) -> Versioned | None:
        """None where there is no record; `known` is the version that the caller holds."""
        (row,) = await self._backend.read("buckets.lua", [self._key], ["" if known is None else known]) or [None]
        if row is None:
            return None
        return Versioned(int(row[0]), row[1]) if isinstance(row, list) else Versioned(int(row), None)

    async def keep(self, version: int, record: bytes) -> bool:
        """Write what was made of `version`; False where another has written since. After a `StoreUnavailable` it is
        unknown whether it was written."""
        args: list[Argument] = [version, record, NEVER_MS, ""]
        return bool(await self._backend.write("keep_bucket.lua", [self._key, self._key], args))
