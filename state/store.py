"""Where records are kept: Redis, one Lua script a commit.

A record's parts are keys under one hash tag: its state with owner, epoch and version, the outcomes by
idempotency key, and its log, which is also the outbox. The script checks owner and epoch (is this writer
still the owner?) and the version (is this write based on the last one?) and writes all of it or nothing,
so that a writer that was replaced without knowing can do no harm. Beside them stand the calls that were
made for a session (`state.ledger`) and the paid results of steps that have not ended (`state.paid`): they
live as long as the record and are erased with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from state.backend import Argument, Backend
from state.codec import SCHEMA
from state.errors import Erased, Fenced, OwnedElsewhere, RecordUnreadable

PARTS = ("record", "outcomes", "log", "calls", "paid")
RECEIPT = "receipt"
NOBODY = ""
"""Owner of a record that has none: of every kind but sessions, and of a session that was let go."""
_REFUSALS = {
    "exists": "The record exists already.",
    "gone": "The record is gone.",
    "fenced": "Another owner has claimed the record.",
    "stale": "The record has moved on.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A record as it was read. `outcomes` are by idempotency key."""

    epoch: int
    version: int
    state: bytes
    documents: bytes
    outcomes: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One step. `version` is the one the step is based on; 0 makes a new record, whose `tenant` and
    `documents` are kept as they are. `useless` begins the names of the paid results that are of no use after
    it, `forget` names keys whose outcomes are of none."""

    record_id: str
    tenant: str
    epoch: int
    version: int
    state: bytes
    ttl_ms: int
    owner: str = NOBODY
    entry: bytes = b""
    documents: bytes = b""
    useless: str = ""
    key: str = ""
    outcome: bytes = b""
    forget: tuple[str, ...] = ()


class RecordStore:
    """Records of one kind; those of another kind are never found, whatever their ids.

    All methods raise `StoreUnavailable` where Redis does not answer in time.
    """

    def __init__(self, backend: Backend, *, kind: str) -> None:
        self._backend = backend
        self._kind = kind

    async def claim(self, record_id: str, tenant: str, owner: str, *, ended: str = "") -> Stored | None:
        """Become the record's owner under a new epoch. None, and no change, if the tenant has no such record.

        Raises `OwnedElsewhere` while it has another owner than `ended`, whose lease the caller knows to be over,
        and `RecordUnreadable` for a record of a newer schema, which stays as it is.
        """
        seen = b""
        while True:
            args: list[Argument] = [tenant, owner, ended, SCHEMA, seen]
            row = await self._backend.write("claim.lua", self._keys(record_id)[:2], args)
            if row is None:
                return None
            word, *fields = row
            if word == b"ok":
                break
            if word == b"held":
                raise OwnedElsewhere(owner=fields[0].decode())
            if word == b"newer":
                known = f"this version reads up to {SCHEMA}"
                raise RecordUnreadable(f"A stored record has schema {int(fields[0])}; {known}.")
            seen = fields[0]
        epoch, version, state, documents, outcomes = fields
        pairs = zip(outcomes[::2], outcomes[1::2], strict=True)
        return Stored(
            epoch=int(epoch),
            version=int(version),
            state=state,
            documents=documents,
            outcomes={key.decode(): outcome for key, outcome in pairs},
        )

    async def release(self, record_id: str, owner: str, epoch: int) -> None:
        """Let go of the record, if it is this owner's under this epoch: whoever claims it next need not wait."""
        await self._backend.write("release.lua", self._keys(record_id)[:1], [owner, epoch])

    async def read(self, record_id: str) -> Stored | None:
        """The record without its outcomes, and without taking it over; as durable as if it had just been written."""
        row = await self._backend.write("read.lua", self._keys(record_id)[:1])
        if row[0] is None:
            return None
        return Stored(epoch=int(row[0]), version=int(row[1]), state=row[2], documents=row[3])

    async def commit(self, commit: Commit) -> None:
        """Write one step. Raises `Fenced`, with nothing written, if the record is not as assumed, and `Erased` for a
        new record in the place of one that was erased."""
        verdict = await self._backend.write(
            "commit.lua",
            [*self._keys(commit.record_id), part_key(self._kind, commit.record_id, RECEIPT)],
            [
                commit.epoch,
                commit.owner,
                commit.version,
                commit.version + 1,
                commit.ttl_ms,
                SCHEMA,
                commit.tenant,
                commit.documents,
                commit.state,
                commit.entry,
                commit.useless,
                commit.key,
                commit.outcome,
                *commit.forget,
            ],
        )
        _require_ok(verdict)

    async def erase(
        self, record_id: str, epoch: int, owner: str = NOBODY, *, receipt: bytes = b"", receipt_ttl_ms: int = 0
    ) -> None:
        """Delete the record with all its parts, and leave the receipt in their place.

        Raises `Fenced` if it is not this owner's.
        """
        keys = [part_key(self._kind, record_id, RECEIPT), *self._keys(record_id)]
        _require_ok(await self._backend.write("erase.lua", keys, [epoch, owner, receipt, receipt_ttl_ms]))

    async def receipt(self, record_id: str) -> bytes | None:
        """What an erasure left, as long as that is kept and nothing new stands under the id."""
        found: bytes | None = await self._backend.write("receipt.lua", [part_key(self._kind, record_id, RECEIPT)])
        return found

    async def entries(self, record_id: str, *, after: int, upto: int | None = None, limit: int = 1000) -> list[bytes]:
        """The log's entries with a version above `after` and at most `upto`, oldest first."""
        last = 2**53 if upto is None else upto
        found: list[bytes] = await self._backend.write("entries.lua", [self._keys(record_id)[2]], [after, last, limit])
        return found

    async def ping(self) -> None:
        await self._backend.ping()

    async def aclose(self) -> None:
        await self._backend.aclose()

    def _keys(self, record_id: str) -> list[str]:
        return [part_key(self._kind, record_id, part) for part in PARTS]


def part_key(kind: str, record_id: str, part: str) -> str:
    """The Redis key of one part of a record; all parts of a record share a hash slot."""
    return f"askwell:{{{kind}:{record_id}}}:{part}"


def _require_ok(verdict: Any) -> None:
    word = verdict.decode()
    if word == "erased":
        raise Erased
    if word != "ok":
        raise Fenced(_REFUSALS[word], reason=word)
