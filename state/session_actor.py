"""The session-state actor: owns a shard of the sessions and drives their workflow.

Every step runs in a task of the actor's own, so that a caller who goes away loses nothing; different
questions of one session move at once, while each question moves alone.

    reply ── known key? ── running? ── advance (pure) ── commit ── work ── commit ── ... ── outcome
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from state.codec import pack, unpack, unpack_entry
from state.errors import Degraded, Fenced, KeyReused, NotFound, SessionFull, StillRunning
from state.events import QuestionEvent, SessionOpened
from state.inputs import check_inputs
from state.lease import Lease
from state.messages import Delta, Heard, Origin
from state.metrics.erasures import Erasures
from state.metrics.recorder import SILENT, Recorder
from state.metrics.verdicts import record_verdict
from state.model import Document, Gap, Question, Session
from state.outage import Outage
from state.outcomes import OWN_KEY, Caller, Outcome, begun, known, question_reply, session_reply, unanswered
from state.ownership import Held, Ownership
from state.receipts import Receipt
from state.session import SESSION_ITSELF, new_session
from state.steps import StepWork
from state.store import RecordStore
from state.sweep import Sweep
from state.telling import Seen
from state.workflow import advance, pending, session_pending, withdrawal

T = TypeVar("T")
SWEEP_EVERY_S = 30.0
MAX_VERSION = 2_000
"""Far above what an interview takes; keeps a session's log bounded whatever a client repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A new session. `gaps` are the caller's own; None has them found. `session_id` follows from the
    Idempotency-Key, so that the same key leads to the same session."""

    session_id: str
    caller: Caller
    user: str
    cv: Document
    job: Document
    gaps: tuple[Gap, ...] | None
    max_questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One event for one question."""

    session_id: str
    question_id: str
    caller: Caller
    event: QuestionEvent


class SessionState:
    """One shard's owner. All methods raise `StoreUnavailable` or `Fenced` where the session cannot be
    held now; the same request then finds it whole, here or at its new owner. `recorder` is told of commits and of
    verdicts; `erasures`, where there are metrics, of erased sessions."""

    def __init__(
        self,
        *,
        store: RecordStore,
        work: StepWork,
        lease: Lease,
        sweep: Sweep,
        new_epoch: Callable[[], int],
        now_ms: Callable[[], int],
        ttl_s: float,
        rollouts: Mapping[str, float],
        outage: Outage | None = None,
        max_held: int = 10_000,
        erasures: Erasures | None = None,
        recorder: Recorder = SILENT,
    ) -> None:
        self._ttl_ms = int(ttl_s * 1000)
        self._sessions = Ownership(
            store=store,
            lease=lease,
            outage=outage,
            new_epoch=new_epoch,
            now_ms=now_ms,
            ttl_ms=self._ttl_ms,
            max_held=max_held,
            recorder=recorder,
        )
        self._erasures = erasures
        self._recorder = recorder
        self._work = work
        self._lease = lease
        self._sweep = sweep
        self._now_ms = now_ms
        self._rollouts = rollouts

    async def create(self, request: OpenSession) -> Session:
        """Open a session and write its questions; with a key seen before, its recorded outcome.

        After a `RetryLater` the same key goes on where the creation stopped.
        """
        async with self._sessions.gate(request.session_id):
            found = await self._find(request.session_id, request.caller.tenant)
            held = found or await self._open(request)
        outcome = known(held.outcomes, request.caller)
        if outcome is None:
            raise KeyReused
        if outcome.reply:
            return session_reply(outcome, held.session)
        if task := held.running.get(SESSION_ITSELF):
            return await _attached(task, None, outcome, request.caller)
        return await _kept(self._start(held, SESSION_ITSELF, self._prepare(held, again=found is not None)))

    async def read(self, tenant: str, session_id: str) -> Session:
        """The session as of its last commit. Raises `NotFound` for an unknown or a foreign id."""
        return (await self._owned(tenant, session_id)).session

    async def reply(self, request: Reply) -> Question:
        """Apply the candidate's event and carry out all it leads to, up to the next open step.

        Raises `NotFound`, `StepNotOpen`, `InvalidField`, `StillRunning`, `KeyReused`, `SessionFull`, or a
        `RetryLater` after which the question is open where it was.
        """
        held = await self._owned(request.caller.tenant, request.session_id)
        question = held.session.require(request.question_id)
        outcome = known(held.outcomes, request.caller)
        if outcome is not None and outcome.reply:
            return question_reply(outcome)
        if task := held.running.get(question.id):
            return await _attached(task, held.asked_by.get(question.id), outcome, request.caller)
        advance(question, request.event)
        check_inputs(question, request.event)
        if held.session.version >= MAX_VERSION:
            raise SessionFull
        task = self._start(held, question.id, self._take(held, request))
        held.asked_by[question.id] = request.caller.request_id
        return await _kept(task)

    async def watch(self, tenant: str, session_id: str, *, after: int, heard: int, wait_s: float) -> Seen:
        """The log after version `after` and the pieces after `heard`; if there is neither yet, what comes
        within `wait_s`."""
        held = await self._owned(tenant, session_id)
        with held.telling.watching(self._now_ms), suppress(TimeoutError):
            if held.session.version <= after and not held.telling.after(heard)[0]:
                async with asyncio.timeout(wait_s):
                    await held.moved.wait()
        if held.dropped:  # taken over, read back or erased meanwhile: what is it now?
            held = await self._owned(tenant, session_id)
        found: list[bytes] = []
        if held.session.version > after:
            found = await self._sessions.entries(held, after=after)
            if not found:
                if not held.dropped:
                    self._sessions.drop(held)  # the log is behind the copy: Redis has lost what we hold
                raise Fenced
        pieces, heard = held.telling.after(heard)
        return Seen(entries=tuple(map(unpack_entry, found)), pieces=pieces, heard=heard)

    async def erase(self, tenant: str, session_id: str) -> Receipt:
        """Stop the session's work and delete all that is kept of it, vectors first.

        The receipt, which a repetition gets again. Raises `NotFound` where there never was such a session.
        """
        async with self._sessions.gate(session_id):
            held = await self._find(session_id, tenant)
            if held is None:
                return await self._receipt(tenant, session_id)
            self._sessions.require_redis()
            tasks = list(held.running.values())
            self._sessions.drop(held)
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._sweep.erased(tenant, session_id)
            if self._erasures is not None:
                await self._erasures.note(session_id, held.session.created_ms)
            await self._work.forget(held.session)
            steps = held.session.version
            receipt = Receipt(session_id=session_id, tenant=tenant, erased_ms=self._now_ms(), steps=steps)
            await self._sessions.erase(held, pack(receipt), self._ttl_ms)
            return receipt

    async def take_over(self, tenant: str, session_id: str) -> None:
        """Have the session, though another owner may hold it whom nobody reaches: it is asked to let go, and its
        lease waited for. Nothing happens where there is no such session."""
        async with self._sessions.gate(session_id):
            if await self._sessions.held(session_id) is None:
                self._go_on(await self._sessions.take_over(session_id, tenant))

    async def here(self) -> str:
        """The owner's id, without asking anybody: that this actor answers."""
        return self._lease.owner

    async def ready(self) -> None:
        """Raises `StoreUnavailable` where Redis does not answer, `Degraded` while the journal stands in for it."""
        self._sweep.start(SWEEP_EVERY_S)
        if not await self._sessions.ping():
            raise Degraded("Redis does not answer; sessions that are held go into this machine's journal.")

    async def aclose(self) -> None:
        """Stop all work; nothing is held any more, and the lease ends."""
        await self._sweep.aclose()
        await self._sessions.aclose()

    async def _owned(self, tenant: str, session_id: str) -> Held:
        held = await self._sessions.held(session_id)
        if held is None:
            async with self._sessions.gate(session_id):
                held = await self._find(session_id, tenant)
        if held is None or held.session.tenant != tenant:
            raise NotFound
        return held

    async def _find(self, session_id: str, tenant: str) -> Held | None:
        """The tenant's session, claimed if it is not held; steps that its last owner left undone go on."""
        held = await self._sessions.held(session_id)
        if held is not None:
            return held if held.session.tenant == tenant else None
        held = await self._sessions.claim(session_id, tenant)
        self._go_on(held)
        return held

    def _go_on(self, held: Held | None) -> None:
        """Take up the work that the last owner left undone."""
        if held is None:
            return
        if session_pending(held.session):
            self._start(held, SESSION_ITSELF, self._prepare(held, again=True))
        for question in filter(pending, held.session.questions):
            self._start(held, question.id, self._finish(held, question.id, again=True))

    async def _receipt(self, tenant: str, session_id: str) -> Receipt:
        """Of an erasure that the caller may not have heard of. Raises `NotFound`."""
        kept = await self._sessions.receipt(session_id)
        receipt = None if kept is None else unpack(Receipt, kept)
        if receipt is None or receipt.tenant != tenant:
            raise NotFound
        return receipt

    async def _open(self, request: OpenSession) -> Held:
        session = new_session(
            session_id=request.session_id,
            tenant=request.caller.tenant,
            user=request.user,
            cv=request.cv,
            job=request.job,
            gaps=request.gaps,
            max_questions=request.max_questions,
            rollouts=self._rollouts,
            now_ms=self._now_ms(),
            ttl_ms=self._ttl_ms,
        )
        outcome = begun(request.caller, SESSION_ITSELF, version=0)
        opened = SessionOpened(session=session)
        await self._sweep.opened(session.tenant, session.id, self._ttl_ms)
        return await self._sessions.open(session, opened, request.caller.key, outcome)

    def _start(self, held: Held, target: str, step: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a step in a task of its own; no other event gets to the target until it ends."""
        task = asyncio.create_task(step)
        held.running[target] = task

        def ended(done: asyncio.Task[T]) -> None:
            del held.running[target]
            held.asked_by.pop(target, None)
            if not done.cancelled():
                done.exception()  # marks it as seen: the caller may be gone, and the record tells

        task.add_done_callback(ended)
        return task

    async def _prepare(self, held: Held, *, again: bool) -> Session:
        """Find the gaps and write the questions, as far as that is not done yet.

        A session that cannot be prepared waits for its key to come again; without a key nobody ever
        will, and it is erased.
        """
        try:
            while commands := session_pending(held.session):
                origin = self._origin(held, SESSION_ITSELF, again=again)
                event = await self._work.prepare(commands[0], held.session, origin)
                await self._sessions.commit(held, SESSION_ITSELF, event)
        except Exception:
            if held.dropped:
                raise
            if (unanswered(held.outcomes, SESSION_ITSELF) or "").startswith(OWN_KEY):
                self._sessions.drop(held)
                await self._sweep.erased(held.session.tenant, held.session.id)
                await self._sessions.erase(held, b"", 0)
            raise
        return held.session

    async def _take(self, held: Held, request: Reply) -> Question:
        """Commit the candidate's event under its key, then do all that follows from it."""
        key, target = request.caller.key, request.question_id
        outcome = begun(request.caller, target, version=held.session.version)
        await self._sessions.commit(held, target, request.event, key=key, outcome=outcome)
        return await self._finish(held, target)

    async def _finish(self, held: Held, target: str, *, again: bool = False) -> Question:
        """Do the question's work until it waits for the candidate or is finished.

        Where the work cannot be done, the question is opened again and the error passed on. Where a commit
        failed, the copy has been dropped: what is stored decides, at the next request.
        """
        question = held.session.require(target)
        try:
            while commands := pending(question):
                origin = self._origin(held, target, again=again)
                heard = self._teller(held, target)
                event = await self._work.perform(commands[0], held.session, question, origin, heard)
                session = await self._sessions.commit(held, target, event)
                held.telling.end(target)
                question = session.require(target)
                record_verdict(self._recorder, session, question, event)
        except Exception as error:
            held.telling.end(target)
            if not held.dropped:
                await self._sessions.commit(held, target, withdrawal(question))
            elif isinstance(error, Fenced) and error.data.get("reason") == "gone":
                # What the step had remembered may be in no index: the record went with it, or was lost.
                await self._sweep.erased(held.session.tenant, held.session.id)
            raise
        return question

    def _origin(self, held: Held, target: str, *, again: bool) -> Origin:
        """On whose behalf the target's work is done, and for which of its steps."""
        session, step = held.session, self._sessions.attempt(held, target)
        return Origin(tenant=session.tenant, session_id=session.id, flags=session.flags, step=step, again=again)

    def _teller(self, held: Held, target: str) -> Heard | None:
        """Passes pieces of the question's work on to the session's watchers; None if there are none."""
        if not held.telling.watched(self._now_ms()):
            return None

        def heard(delta: Delta) -> None:
            held.telling.tell(target, delta)
            self._sessions.stir(held)

        return heard


async def _kept(task: asyncio.Task[T]) -> T:
    """The task's result; a caller that is cancelled leaves the task running."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled():
            raise Fenced from None  # the copy was dropped, or the session erased: ask again
        raise


async def _attached(task: asyncio.Task[T], asked_by: str | None, outcome: Outcome | None, caller: Caller) -> T:
    """The running step's result, if this is the request that began it, delivered once more: while `asked_by` tells
    so, or, at an owner that goes on with another's work, the record."""
    begun_by = asked_by or (outcome.request_id if outcome is not None else None)
    if begun_by != caller.request_id:
        raise StillRunning
    return await _kept(task)
