"""The sessions one owner holds: claimed under an epoch, committed one step at a time, dropped in doubt.

What is held in memory is a copy; Redis decides. A commit that is refused (another owner has taken
the session over) or whose fate is unknown (Redis did not answer) drops the copy, and the next request
reads the record back. Nothing is answered from a copy unless the owner's lease stands.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakValueDictionary

from state.codec import Written, pack, pack_documents, pack_entry, pack_session, unpack, unpack_session
from state.errors import AskwellError, Fenced, OwnedElsewhere, StoreUnavailable
from state.events import WITHDRAWALS, Event
from state.lease import Lease
from state.metrics.labels import Labels, Operation, variant_of
from state.metrics.recorder import SILENT, Recorder, Timed
from state.model import Session
from state.outage import Outage
from state.outcomes import OWN_KEY, Outcome, answered, superseded, unanswered
from state.session import SESSION_ITSELF, LogEntry, apply
from state.store import Commit, RecordStore
from state.telling import Telling
from state.workflow import pending, session_pending

MAX_RECENT = 64
GRACE_S = 1.0
"""How long steps under way may go on in a session that another owner wants."""
TAKE_OVER_LEASES = 3.0
"""After this many leases a session that is still held elsewhere is not to be had."""


@dataclass(slots=True, eq=False)
class Held:
    """A session as of its last commit. `recent` are its last log entries by version, as far as this owner wrote
    them; `running` has one task for each question that is being worked on, `asked_by` the request that began it;
    `moved` is set, and replaced, by every commit and by every piece that `telling` is told."""

    owner: str
    epoch: int
    session: Session
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    recent: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    running: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    asked_by: dict[str, str] = field(default_factory=dict)
    committing: asyncio.Lock = field(default_factory=asyncio.Lock)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    telling: Telling = field(default_factory=Telling)
    written: Written = field(default_factory=Written)
    dropped: bool = False

    def entries(self, after: int) -> list[bytes] | None:
        """The log after a version, if this owner wrote all of it."""
        if not self.recent or self.recent[0][0] > after + 1:
            return None
        return [entry for version, entry in self.recent if version > after]


class Ownership:
    """At most `max_held` sessions; beyond that the longest unused idle one is dropped.

    `lease` names this owner and lets it answer, `now_ms` tells Unix milliseconds, `ttl_ms` is how long a
    session lives after its last commit. `new_epoch` gives a number (up to 52 bits) that is not given
    again: a session that was erased may come back under its id, and its former owners must not. `outage`, where
    there is one, takes commits while Redis is away. `recorder` is told what each commit took by `clock_ns`.
    """

    def __init__(
        self,
        *,
        store: RecordStore,
        lease: Lease,
        new_epoch: Callable[[], int],
        now_ms: Callable[[], int],
        ttl_ms: int,
        max_held: int,
        outage: Outage | None = None,
        recorder: Recorder = SILENT,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._clock_ns = clock_ns
        self._lease = lease
        self._outage = outage
        self._new_epoch = new_epoch
        self._now_ms = now_ms
        self._ttl_ms = ttl_ms
        self._max_held = max_held
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._leaving: set[asyncio.Task[None]] = set()
        lease.kept_by(self)
        if outage is not None:
            outage.told_of_conflicts(self._drop_id)

    @asynccontextmanager
    async def gate(self, session_id: str) -> AsyncIterator[None]:
        """One claim, creation or erasure of a session at a time."""
        gate = self._gates.setdefault(session_id, asyncio.Lock())
        async with gate:
            yield

    async def held(self, session_id: str) -> Held | None:
        """The copy, if there is one; asking for it keeps it from being the next one dropped.

        A copy whose record has expired is dropped: Redis has forgotten it by then, and so do we. Raises
        `StoreUnavailable` where the lease has ended and cannot be renewed.
        """
        await self._lease.hold()
        held = self._held.get(session_id)
        if held is None:
            return None
        if held.session.expires_ms <= self._now_ms():
            self.drop(held)
            return None
        self._held.move_to_end(session_id)
        return held

    async def claim(self, session_id: str, tenant: str) -> Held | None:
        """Read the tenant's session under a new epoch; None if there is none. To be called within its gate.

        Raises `OwnedElsewhere` while the lease of its owner stands.
        """
        await self._lease.hold()
        self.require_redis()
        owner = self._lease.owner
        try:
            stored = await self._store.claim(session_id, tenant, owner)
        except OwnedElsewhere as held_by:
            if not await self._lease.ended(held_by.owner):
                raise
            if self._outage is not None:
                await self._outage.require_settled(held_by.owner)
                if not await self._lease.ended(held_by.owner):  # its journal is gone because it has stepped back
                    raise
            stored = await self._store.claim(session_id, tenant, owner, ended=held_by.owner)
        if stored is None:
            return None
        held = Held(
            owner=owner,
            epoch=stored.epoch,
            session=unpack_session(stored.state, stored.documents),
            outcomes={key: unpack(Outcome, record) for key, record in stored.outcomes.items()},
        )
        await self._require_lease(held)
        self._hold(held)
        return held

    async def take_over(self, session_id: str, tenant: str) -> Held | None:
        """As `claim`, but ask the present owner to let go, and wait until it has or its lease is over."""
        deadline = asyncio.get_running_loop().time() + TAKE_OVER_LEASES * self._lease.lease_s
        while True:
            try:
                return await self.claim(session_id, tenant)
            except OwnedElsewhere as held_by:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await self._lease.want(held_by.owner, session_id)
            await asyncio.sleep(self._lease.lease_s / 30)

    async def open(self, session: Session, event: Event, key: str, outcome: Outcome) -> Held:
        """Make the first commit of a new session. To be called within its gate."""
        await self._lease.hold()
        held = Held(owner=self._lease.owner, epoch=self._new_epoch(), session=session)
        await self.commit(held, outcome.target, event, key=key, outcome=outcome)
        self._hold(held)
        return held

    async def commit(
        self, held: Held, target: str, event: Event, *, key: str = "", outcome: Outcome | None = None
    ) -> Session:
        """Commit one event for a question or the session itself; the session after it.

        State, log entry and outcome are written together. With `key` and `outcome` the event begins
        a step; without, it goes on with the step that the target's unanswered outcome began. The
        reply is recorded by the commit that ends the step. One that withdraws it leaves the outcome
        open, or forgets it where nobody can come back with its key.
        """
        async with held.committing:
            await self._require_lease(held)
            now_ms = self._now_ms()
            entry = LogEntry(
                version=held.session.version + 1,
                at_ms=now_ms,
                expires_ms=now_ms + self._ttl_ms,
                question_id=target,
                event=event,
            )
            session = apply(held.session, entry)
            forget: tuple[str, ...] = ()
            if outcome is not None:
                outcome = replace(outcome, started=entry.version)  # others may have committed since it was begun
                forget = superseded(held.outcomes, key, target)
            else:
                key = unanswered(held.outcomes, target) or ""
                outcome = held.outcomes.get(key)
            if isinstance(event, WITHDRAWALS):
                if key.startswith(OWN_KEY):
                    key, outcome, forget = "", None, (key,)
            elif outcome is not None:
                outcome = answered(outcome, session)
            packed = pack_entry(entry)
            useless = self._useless(held, target, event)
            await self._write(held, session, packed, useless=useless, key=key, outcome=outcome, forget=forget)
            held.session = session
            held.recent.append((entry.version, packed))
            for forgotten in forget:
                held.outcomes.pop(forgotten, None)
            if outcome is not None:
                held.outcomes[key] = outcome
            self.stir(held)
            await self._require_lease(held)  # what follows is another's to do if the answer was long on its way
            return session

    def attempt(self, held: Held, target: str) -> str:
        """Names the step that the target is in: the same for whoever goes on with it, another for each new try."""
        begun = held.outcomes.get(unanswered(held.outcomes, target) or "")
        return f"{target}@{0 if begun is None else begun.started}"

    def _useless(self, held: Held, target: str, event: Event) -> str:
        """What begins the names of the paid results that are of no use after the event: those of the work it comes
        from, and no others, for a commit may reach Redis after the results of the step that follows it."""
        attempt = self.attempt(held, target)
        if isinstance(event, WITHDRAWALS):
            return f"{attempt}/"
        if target == SESSION_ITSELF:
            commands: Sequence[str] = session_pending(held.session)
        else:
            commands = pending(held.session.require(target))
        return f"{attempt}/{commands[0].removesuffix('s')}" if commands else ""  # questions have a name each

    def stir(self, held: Held) -> None:
        """Wake the session's watchers."""
        held.moved.set()
        held.moved = asyncio.Event()

    def drop(self, held: Held) -> None:
        """Forget the copy and stop its steps, which cannot commit any more; its waiters ask again."""
        held.dropped = True
        for task in held.running.values():
            if task is not asyncio.current_task():
                task.cancel()
        if self._held.get(held.session.id) is held:
            del self._held[held.session.id]
        held.moved.set()

    async def erase(self, held: Held, receipt: bytes, receipt_ttl_ms: int) -> None:
        """Delete the record with its log and outcomes. Raises `Fenced` if it has another owner now."""
        self.require_redis()
        session_id = held.session.id
        await self._store.erase(session_id, held.epoch, held.owner, receipt=receipt, receipt_ttl_ms=receipt_ttl_ms)
        if self._outage is not None:
            self._outage.forget(session_id)

    async def receipt(self, session_id: str) -> bytes | None:
        return await self._store.receipt(session_id)

    async def entries(self, held: Held, *, after: int) -> list[bytes]:
        """The log after a version, up to the copy's own: what Redis may have beyond that is not confirmed yet."""
        recent = held.entries(after)
        if recent is not None:
            return recent
        return await self._store.entries(held.session.id, after=after, upto=held.session.version)

    def require_redis(self) -> None:
        """Raises `StoreUnavailable` while the journal stands in for Redis: it takes commits and nothing else."""
        if self._lease.standing_in:
            raise StoreUnavailable

    async def ping(self) -> bool:
        """Whether Redis answers, and not the journal in its place. Raises `StoreUnavailable` where neither does."""
        await self._lease.hold()
        if self._lease.standing_in:
            return False
        await self._store.ping()
        if self._outage is not None:
            await self._outage.settle_left_behind()
        return True

    def wanted(self, session_ids: Sequence[str]) -> None:
        """See `state.lease.Keeper`: each is let go once its steps have ended, or shortly."""
        for session_id in session_ids:
            task = asyncio.create_task(self._let_go(session_id))
            self._leaving.add(task)
            task.add_done_callback(self._left)

    def lost(self) -> None:
        """See `state.lease.Keeper`: every copy may be stale."""
        for held in list(self._held.values()):
            self.drop(held)

    async def aclose(self) -> None:
        """Stop all work and stop renewing the lease. What is held is another's once the lease has ended."""
        self.lost()
        await self._lease.aclose()

    async def _let_go(self, session_id: str) -> None:
        """Nothing of ours may come to the record after it is released: no claim, and no commit from the journal."""
        async with self.gate(session_id):
            owner = self._lease.owner
            held = self._held.get(session_id)
            if held is not None and held.running:
                await asyncio.wait(set(held.running.values()), timeout=GRACE_S)
            if self._lease.standing_in:
                return
            if held is None:
                stored = await self._store.read(session_id)
                epoch = 0 if stored is None else stored.epoch
            else:
                self.drop(held)
                epoch = held.epoch
            await self._store.release(session_id, owner, epoch)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()  # seen: who wants the session waits for the lease's end instead

    async def _require_lease(self, held: Held) -> None:
        """Raises `Fenced`, and drops the copy, where the lease that it is held under has been lost; `StoreUnavailable`
        where nobody can tell."""
        try:
            await self._lease.hold()
        except StoreUnavailable:
            self.drop(held)
            raise
        if held.dropped or held.owner != self._lease.owner:
            self.drop(held)
            raise Fenced

    def _drop_id(self, session_id: str) -> None:
        held = self._held.get(session_id)
        if held is not None:
            self.drop(held)

    async def _write(
        self,
        held: Held,
        session: Session,
        entry: bytes,
        *,
        useless: str,
        key: str,
        outcome: Outcome | None,
        forget: tuple[str, ...],
    ) -> None:
        before = session.version - 1
        commit = Commit(
            record_id=session.id,
            tenant=session.tenant,
            owner=held.owner,
            epoch=held.epoch,
            version=before,
            state=pack_session(session, held.written),
            documents=pack_documents(session) if before == 0 else b"",
            entry=entry,
            ttl_ms=self._ttl_ms,
            useless=useless,
            key=key,
            outcome=b"" if outcome is None else pack(outcome),
            forget=forget,
        )
        labels = Labels(Operation.COMMIT, variant=variant_of(session.flags))
        try:
            with Timed(self._recorder, labels, self._clock_ns):
                if self._outage is None:
                    await self._store.commit(commit)
                else:
                    await self._outage.commit(commit, self._lease)
        except (AskwellError, asyncio.CancelledError):
            self.drop(held)
            raise

    def _hold(self, held: Held) -> None:
        self._held[held.session.id] = held
        if len(self._held) > self._max_held:
            idle = (other for other in self._held.values() if not other.running and other is not held)
            if (oldest := next(idle, None)) is not None:
                self.drop(oldest)
