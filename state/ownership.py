"""The sessions one owner holds: claimed under an epoch, committed one step at a time, dropped in doubt.

What is held in memory is a copy; Redis decides. A commit that is refused (another owner has taken
the session over) or whose fate is unknown (Redis did not answer) drops the copy, and the next request
reads the record back.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from state.codec import pack, pack_entry, pack_session, unpack, unpack_session
from state.errors import AskwellError, Fenced
from state.events import WITHDRAWALS, Event
from state.model import Session
from state.outcomes import OWN_KEY, Outcome, answered, superseded, unanswered
from state.session import LogEntry, apply
from state.store import Commit, RecordStore
from state.telling import Telling


@dataclass(slots=True, eq=False)
class Held:
    """A session as of its last commit. `running` has one task for each question that is being worked
    on; `moved` is set, and replaced, by every commit and by every piece that `telling` is told."""

    epoch: int
    session: Session
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    running: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    committing: asyncio.Lock = field(default_factory=asyncio.Lock)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    telling: Telling = field(default_factory=Telling)
    dropped: bool = False


class Ownership:
    """At most `max_held` sessions; beyond that the longest unused idle one is dropped.

    `owner` is unique to this incarnation, `now_ms` tells Unix milliseconds, `ttl_ms` is how long a
    session lives after its last commit. `new_epoch` gives a number (up to 52 bits) that is not given
    again: a session that was erased may come back under its id, and its former owners must not.
    """

    def __init__(
        self,
        *,
        store: RecordStore,
        owner: str,
        new_epoch: Callable[[], int],
        now_ms: Callable[[], int],
        ttl_ms: int,
        max_held: int,
    ) -> None:
        self._store = store
        self._owner = owner
        self._new_epoch = new_epoch
        self._now_ms = now_ms
        self._ttl_ms = ttl_ms
        self._max_held = max_held
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def gate(self, session_id: str) -> AsyncIterator[None]:
        """One claim, creation or erasure of a session at a time."""
        gate = self._gates.setdefault(session_id, asyncio.Lock())
        async with gate:
            yield

    def held(self, session_id: str) -> Held | None:
        """The copy, if there is one; asking for it keeps it from being the next one dropped.

        A copy whose record has expired is dropped: Redis has forgotten it by then, and so do we.
        """
        held = self._held.get(session_id)
        if held is None:
            return None
        if held.session.expires_ms <= self._now_ms():
            self.drop(held)
            return None
        self._held.move_to_end(session_id)
        return held

    async def claim(self, session_id: str, tenant: str) -> Held | None:
        """Read the tenant's session under a new epoch; None if there is none. To be called within its gate."""
        stored = await self._store.claim(session_id, tenant, self._owner)
        if stored is None:
            return None
        held = Held(
            epoch=stored.epoch,
            session=unpack_session(stored.state, stored.documents),
            outcomes={key: unpack(Outcome, record) for key, record in stored.outcomes.items()},
        )
        self._hold(held)
        return held

    async def open(self, session: Session, event: Event, key: str, outcome: Outcome) -> Held:
        """Make the first commit of a new session. To be called within its gate."""
        held = Held(epoch=self._new_epoch(), session=session)
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
            if held.dropped:
                raise Fenced
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
                forget = superseded(held.outcomes, key, target)
            else:
                key = unanswered(held.outcomes, target) or ""
                outcome = held.outcomes.get(key)
            if isinstance(event, WITHDRAWALS):
                if key.startswith(OWN_KEY):
                    key, outcome, forget = "", None, (key,)
            elif outcome is not None:
                outcome = answered(outcome, session)
            await self._write(held, session, entry, key=key, outcome=outcome, forget=forget)
            held.session = session
            for forgotten in forget:
                held.outcomes.pop(forgotten, None)
            if outcome is not None:
                held.outcomes[key] = outcome
            self.stir(held)
            return session

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

    async def erase(self, held: Held) -> None:
        """Delete the record with its log and outcomes. Raises `Fenced` if it has another owner now."""
        await self._store.erase(held.session.id, held.epoch)

    async def entries(self, session_id: str, *, after: int) -> list[bytes]:
        return await self._store.entries(session_id, after=after)

    async def ping(self) -> None:
        await self._store.ping()

    async def _write(
        self,
        held: Held,
        session: Session,
        entry: LogEntry,
        *,
        key: str,
        outcome: Outcome | None,
        forget: tuple[str, ...],
    ) -> None:
        state, documents = pack_session(session)
        before = entry.version - 1
        commit = Commit(
            record_id=session.id,
            tenant=session.tenant,
            epoch=held.epoch,
            version=before,
            state=state,
            documents=documents if before == 0 else b"",
            entry=pack_entry(entry),
            ttl_ms=self._ttl_ms,
            key=key,
            outcome=b"" if outcome is None else pack(outcome),
            forget=forget,
        )
        try:
            await self._store.commit(commit)
        except (AskwellError, asyncio.CancelledError):
            self.drop(held)
            raise

    def _hold(self, held: Held) -> None:
        self._held[held.session.id] = held
        if len(self._held) > self._max_held:
            idle = (other for other in self._held.values() if not other.running and other is not held)
            if (oldest := next(idle, None)) is not None:
                self.drop(oldest)
