"""The history of a run with real processes, in the shape that the simulation's checker judges (`tests.faults`)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any

from redis.asyncio import Redis

from loadtests.chaos.notes import CALLED, CLAIMED, COMMITTED, KEPT, NOT_LOOKED, Note, of_kind
from state.backend import RedisBackend, translated
from state.codec import pack, pack_entry, pack_session
from state.errors import AskwellError, RetryLater, StillRunning, StoreUnavailable
from state.model import Session
from state.receipts import Receipt
from state.store import PARTS, RecordStore, part_key
from state.telling import Seen
from tests.faults.history import OK, REFUSED, FinalLife, History, Kind, ModelCall, Operation, digest


class Recording:
    """Who asked what and when. `clock` is one that all processes of the machine share, in seconds."""

    def __init__(self, redis: Redis, clock: Callable[[], float]) -> None:
        self.now_s = clock
        self._redis = redis
        self._store = RecordStore(RedisBackend(redis), kind="session")
        self._operations: list[Operation] = []
        self._asked: set[str] = set()
        self._erased: dict[str, FinalLife] = {}

    def begin(self, session_id: str, kind: Kind, *, client: str = "candidate", **fields: Any) -> Operation:
        return Operation(client=client, session_id=session_id, kind=kind, invoked=_micros(self.now_s()), **fields)

    def answered(self, operation: Operation, answer: object) -> None:
        self._end(operation, OK)
        match answer:
            case Session():
                operation.version = answer.version
                operation.digest = digest(pack_session(answer))
            case Receipt():
                operation.version = answer.steps
            case Seen():
                operation.entries = tuple((entry.version, digest(pack_entry(entry))) for entry in answer.entries)
            case _:
                operation.digest = digest(pack(answer))

    def refused(self, operation: Operation, error: AskwellError) -> bool:
        """False where the same request may yet succeed; of those under one key the first is kept."""
        if isinstance(error, RetryLater | StillRunning):
            if operation.key and operation.key not in self._asked:
                self._asked.add(operation.key)
                self._operations.append(operation)
            return False
        self._end(operation, REFUSED)
        operation.error = type(error).__name__
        operation.step = getattr(error, "step", "")
        return True

    async def before_erasure(self, session_id: str, version: int) -> None:
        """Keeps the log up to this version, its last one, once Redis has all of it."""
        while True:
            with suppress(StoreUnavailable):
                life = await self._life(session_id, erased=True)
                if len(life.entries) == version:
                    self._erased[session_id] = life
                    return
            await asyncio.sleep(0.1)

    async def history(self, session_ids: Iterable[str], notes: list[Note]) -> History:
        """With what Redis holds in the end. To be called once nothing is under way."""
        await self._redis.connection_pool.disconnect()  # of connections from before the last fault none is of use
        history = History(operations=self._operations, model_calls=list(_model_calls(notes)), kept=_kept(notes))
        stale = stale_commits(notes)
        for session_id in session_ids:
            life = self._erased.get(session_id) or await self._life(session_id, erased=False, stale=stale[session_id])
            if life.entries:
                history.lives[session_id] = [life]
            if life.erased:
                history.leftovers[session_id] = await self._parts(session_id)
        return history

    async def _parts(self, session_id: str) -> tuple[str, ...]:
        keys = {part: part_key("session", session_id, part) for part in PARTS}
        return tuple([part for part, key in keys.items() if await self._redis.exists(key)])

    async def _life(self, session_id: str, *, erased: bool, stale: int = 0) -> FinalLife:
        entries = await self._store.entries(session_id, after=0, limit=100_000)  # first: the rest is no older then
        stored = await self._store.read(session_id)
        async with translated():
            outcomes: dict[Any, Any] = await self._redis.hgetall(part_key("session", session_id, "outcomes"))
        return FinalLife(
            entries=tuple(entries),
            outcomes={key.decode(): packed for key, packed in outcomes.items()},
            state=b"" if stored is None else stored.state,
            erased=erased,
            stale=stale,
        )

    def _end(self, operation: Operation, outcome: str) -> None:
        operation.outcome = outcome
        operation.returned = _micros(self.now_s())
        self._operations.append(operation)


def stale_commits(notes: list[Note]) -> dict[str, int]:
    """By session: commits that Redis took although their owner had been replaced. A version that was written twice,
    or an epoch that is lower than one before it in the order of versions."""
    by_session: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for note in of_kind(notes, COMMITTED):
        session_id, of, after, answer = note.told
        if answer == "ok":
            by_session[session_id].append((int(after), int(of)))
    stale: defaultdict[str, int] = defaultdict(int)
    for session_id, commits in by_session.items():
        commits.sort()
        for (at, epoch), (next_at, next_epoch) in pairwise(commits):
            stale[session_id] += next_at == at or next_epoch < epoch
    return stale


def _kept(notes: list[Note]) -> dict[tuple[str, int, str], int]:
    kept: dict[tuple[str, int, str], int] = {}
    for note in of_kind(notes, KEPT):
        session_id, name = note.told
        kept.setdefault((session_id, 0, name), _micros(note.at_s))
    return kept


def _model_calls(notes: list[Note]) -> Iterable[ModelCall]:
    owner: dict[str, tuple[int, str]] = {}
    not_looked: set[tuple[str, ...]] = set()
    for note in notes:
        if note.kind == NOT_LOOKED:
            not_looked.add((note.worker, *note.told))
        elif note.kind == CLAIMED or (note.kind == COMMITTED and note.told[-1] == "ok"):
            session_id, epoch = note.told[:2]
            owner[session_id] = max(owner.get(session_id, (0, "")), (int(epoch), note.worker))
        elif note.kind == CALLED:
            session_id, name = note.told
            by_owner = owner.get(session_id, (0, note.worker))[1] == note.worker
            looked = "failed" if (note.worker, *note.told) in not_looked else "no"
            yield ModelCall(
                session_id=session_id, life=0, name=name, started=_micros(note.at_s), looked=looked, by_owner=by_owner
            )


def _micros(at_s: float) -> int:
    return int(at_s * 1_000_000)
