"""Parts of the engine with a check left out or an order turned round, to be planted in the place of the right ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from state.errors import AskwellError, Fenced, StoreUnavailable
from state.events import Event
from state.lease import Lease
from state.lease import _keys as lease_keys
from state.messages import Owner
from state.model import Question, Session
from state.outage import Outage
from state.outcomes import Outcome
from state.ownership import Held, Ownership
from state.paid import StoredPaidResults
from state.receipts import Receipt
from state.session_actor import Reply, SessionState
from state.store import Commit, RecordStore
from tests.faults.network import Link
from tests.faults.sim_redis import Unconfirmed


def owning(ownership: type[Ownership]) -> type[SessionState]:
    """A session-state actor with another kind of ownership."""

    class Planted(SessionState):
        def __init__(self, **ports: Any) -> None:
            super().__init__(**ports)
            self._sessions = ownership(
                ttl_ms=self._ttl_ms,
                **{name: ports[name] for name in ("store", "lease", "outage", "new_epoch", "now_ms", "max_held")},
            )

    return Planted


class LeaseForEver(Lease):
    """Never ends by its owner's own clock."""

    def valid(self) -> bool:
        return self._began or super().valid()


class LeaseAnew(Lease):
    """Begins again under the same id where it has ended, as if nothing could have happened meanwhile."""

    async def _renew(self) -> None:
        await self._asked_to_renew(anew=True)
        self._began = True


class NobodysLease(Lease):
    """Takes every other lease for ended."""

    async def ended(self, owner: str) -> bool:
        return True


class LeaseHearsay(Lease):
    """Believes any server about another's lease, also one that was replaced as the primary."""

    async def ended(self, owner: str) -> bool:
        stands: int = await self._backend.read("want.lua", lease_keys(owner), ["", 0])
        return not stands


class UncheckedWait(Link):
    """Takes a short reply to WAIT for a whole one."""

    def checked(self, reply: Any) -> Any:
        return reply.reply if isinstance(reply, Unconfirmed) else reply


class ForgottenOutcomes(RecordStore):
    """Keeps no outcome of any key."""

    async def commit(self, commit: Commit) -> None:
        await super().commit(replace(commit, key="", outcome=b""))


class UnknownIsSuccess(RecordStore):
    """Takes no answer for a good one."""

    async def commit(self, commit: Commit) -> None:
        try:
            await super().commit(commit)
        except StoreUnavailable:
            return


class CommitsAgain(RecordStore):
    """Commits again, under the next version that Redis will take, where it got no answer."""

    async def commit(self, commit: Commit) -> None:
        try:
            await super().commit(commit)
        except StoreUnavailable:
            await self._again(commit)

    async def _again(self, commit: Commit) -> None:
        stored = await self.read(commit.record_id)
        if stored is None:
            raise StoreUnavailable
        await super().commit(replace(commit, version=stored.version))


class ReplaysTwice(Outage):
    """Gives Redis what it may have already, as another step."""

    async def _settled(self, commit: Commit) -> None:
        try:
            await self._store.commit(commit)
        except Fenced:
            stored = await self._store.read(commit.record_id)
            if stored is not None and stored.epoch == commit.epoch:
                await self._store.commit(replace(commit, version=stored.version))


class ReplaysNothing(Outage):
    """Deletes the journal without giving it to Redis."""

    async def _settled(self, commit: Commit) -> None:
        return


class ReplaysBackwards(Outage):
    """The last commit first."""

    async def settle(self) -> None:
        await self.settle_left_behind()
        while self._pending:
            await self._settled(self._pending[-1])
            self._pending.pop()


class ForeignJournals(Outage):
    """Claims sessions whatever their former owner has left in its journal."""

    async def require_settled(self, owner: str) -> None:
        return


class AnswersFirst(Ownership):
    """Acknowledges a step, then commits it."""

    async def _write(self, held: Held, session: Session, entry: bytes, **about: Any) -> None:
        task = asyncio.create_task(super()._write(held, session, entry, **about))
        self._leaving.add(task)
        task.add_done_callback(self._left)


class KeepsCopy(Ownership):
    """Goes on with its copy after a refusal, one version on."""

    async def commit(
        self, held: Held, target: str, event: Event, *, key: str = "", outcome: Outcome | None = None
    ) -> Session:
        try:
            return await super().commit(held, target, event, key=key, outcome=outcome)
        except AskwellError:
            held.dropped = False
            self._hold(held)
            raise


class ReadsAhead(Ownership):
    """Shows watchers all that the log has, confirmed or not."""

    async def entries(self, held: Held, *, after: int) -> list[bytes]:
        return await self._store.entries(held.session.id, after=after)


class LetsGoAtOnce(Ownership):
    """Releases a session while the journal holds commits of it."""

    async def _let_go(self, session_id: str) -> None:
        held = self._held.get(session_id)
        if held is not None:
            self.drop(held)
            await self._store.release(session_id, held.owner, held.epoch)


class RepliesAnew(SessionState):
    """Answers a repeated key with the question as it is now, not as it was."""

    async def reply(self, request: Reply) -> Question:
        question = await super().reply(request)
        held = await self._sessions.held(request.session_id)
        return question if held is None else held.session.require(question.id)


class ErasesNothing(SessionState):
    async def erase(self, tenant: str, session_id: str) -> Receipt:
        session = await self.read(tenant, session_id)
        return Receipt(session_id=session_id, tenant=tenant, erased_ms=self._now_ms(), steps=session.version)


class LeavesVectors(SessionState):
    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self._work.forget = _nothing  # type: ignore[method-assign,assignment]
        self._sweep.erased = _nothing  # type: ignore[method-assign,assignment]


class NothingPaid(StoredPaidResults):
    """Finds no paid result again."""

    async def find(self, tenant: str, session_id: str, name: str) -> bytes | None:
        await super().find(tenant, session_id, name)
        return None


async def _nothing(*_: Session | Owner | str) -> None:
    return
