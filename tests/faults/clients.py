"""Who uses the service in a simulation: candidates that race each other, readers, watchers, and one who erases.

A client keeps its Idempotency-Key until it has a definite answer. Everything it asks and gets is recorded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from serve_app.routing import RoutedSessions
from state.codec import pack, pack_entry, pack_session
from state.errors import AskwellError, FixRequest, StepNotOpen, StillRunning
from state.events import InputsGiven, QuestionEvent, RefinementGiven, SaidNo, SaidYes, WillLearn
from state.model import Document, Question, Session, Step
from state.outcomes import Caller
from state.receipts import Receipt
from state.session_actor import OpenSession, Reply
from state.telling import Seen
from state.workflow import finished
from tests.fakes import a_gap
from tests.faults.history import OK, REFUSED, UNKNOWN, Operation, Recorder, digest

T = TypeVar("T")
TENANT = "acme"
PATIENCE_S = 9.0


@dataclass(slots=True)
class Counts:
    requests: int = 0
    repeated: int = 0
    concurrent: int = 0


@dataclass(slots=True, kw_only=True)
class Front:
    """The service as clients see it, and how long they go on: `until` is a time of the loop, `busy` counts
    the candidates of each session that have not finished."""

    ingresses: Sequence[RoutedSessions]
    recorder: Recorder
    rng: Random
    until: float = 0.0
    busy: Counter[str] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)


class Client:
    def __init__(self, front: Front, name: str, session_id: str, *, questions: int, gaps_given: bool) -> None:
        self._front = front
        self._rng = front.rng
        self._name = name
        self.session_id = session_id
        self._questions = questions
        self._gaps_given = gaps_given
        self.open_keys: dict[str, Callable[[], Awaitable[Any]]] = {}

    async def create(self) -> Session | None:
        gaps = tuple(a_gap(n) for n in range(1, self._questions + 1)) if self._gaps_given else None

        async def call(service: RoutedSessions, request_id: str) -> Session:
            return await service.create(
                OpenSession(
                    session_id=self.session_id,
                    caller=Caller(tenant=TENANT, key=f"{self.session_id}-open", fingerprint="f", request_id=request_id),
                    user="ada",
                    cv=Document(text="Ada"),
                    job=Document(text="Kubernetes"),
                    gaps=gaps,
                    max_questions=self._questions,
                )
            )

        def told(session: Session) -> dict[str, Any]:
            return {"version": session.version, "digest": digest(pack_session(session))}

        return await self._persist(call, told, kind="create", key=f"{self.session_id}-open")

    async def read(self, *, tries: int = 1) -> Session | None:
        def told(session: Session) -> dict[str, Any]:
            return {"version": session.version, "digest": digest(pack_session(session))}

        return await self._persist(
            lambda service, _: service.read(TENANT, self.session_id), told, kind="read", tries=tries
        )

    async def reply(self, question_id: str, event: QuestionEvent, key: str) -> Question | None:
        async def call(service: RoutedSessions, request_id: str) -> Question:
            caller = Caller(tenant=TENANT, key=key, fingerprint=key, request_id=request_id)
            return await service.reply(
                Reply(session_id=self.session_id, question_id=question_id, caller=caller, event=event)
            )

        return await self._persist(
            call,
            lambda question: {"digest": digest(pack(question))},
            kind="reply",
            key=key,
            question_id=question_id,
            event=type(event).__name__,
        )

    async def watch(self, after: int, heard: int, wait_s: float = 1.0) -> Seen | None:
        def told(seen: Seen) -> dict[str, Any]:
            return {"entries": tuple((entry.version, digest(pack_entry(entry))) for entry in seen.entries)}

        async def call(service: RoutedSessions, _: str) -> Seen:
            return await service.watch(TENANT, self.session_id, after=after, heard=heard, wait_s=wait_s)

        return await self._persist(call, told, kind="watch", after=after, tries=1)

    async def erase(self) -> Receipt | None:
        return await self._persist(
            lambda service, _: service.erase(TENANT, self.session_id),
            lambda receipt: {"version": receipt.steps, "digest": digest(pack(receipt))},
            kind="erase",
        )

    async def _persist(
        self,
        call: Callable[[RoutedSessions, str], Awaitable[T]],
        told: Callable[[T], dict[str, Any]],
        *,
        tries: int = 1000,
        **about: Any,
    ) -> T | None:
        """Ask until there is a definite answer, `tries` times at most or until the client gives up."""
        loop = asyncio.get_running_loop()
        key = about.get("key", "")
        for attempt in range(tries):
            if self._rng.random() < 0.08 and about["kind"] in {"create", "reply"}:
                self._front.counts.concurrent += 1
                first, second = await asyncio.gather(self._once(call, told, about), self._once(call, told, about))
                answer = second if first[0].outcome == UNKNOWN else first
            else:
                answer = await self._once(call, told, about)
            operation, result = answer
            if operation.outcome != UNKNOWN:
                self.open_keys.pop(key, None)
                return result
            if attempt + 1 == tries:
                break
            if loop.time() > self._front.until:
                if key:
                    self.open_keys[key] = lambda: self._persist(call, told, **about)
                break
            self._front.counts.repeated += 1
            await asyncio.sleep(self._rng.random() * (0.3 if attempt < 3 else 1.0))
        return None

    async def _once(
        self, call: Callable[[RoutedSessions, str], Awaitable[T]], told: Callable[[T], dict[str, Any]], about: Any
    ) -> tuple[Operation, T | None]:
        recorder = self._front.recorder
        service = self._rng.choice(self._front.ingresses)
        self._front.counts.requests += 1
        operation = recorder.begin(client=self._name, session_id=self.session_id, **about)
        try:
            async with asyncio.timeout(PATIENCE_S if self._rng.random() < 0.9 else 0.05):
                result = await call(service, f"r{recorder.tick()}")
        except StepNotOpen as error:
            recorder.end(operation, REFUSED, error="StepNotOpen", step=error.step)
        except StillRunning:
            operation.error = "StillRunning"
        except FixRequest as error:
            recorder.end(operation, REFUSED, error=type(error).__name__)
        except (AskwellError, TimeoutError) as error:
            operation.error = type(error).__name__
        else:
            recorder.end(operation, OK, **told(result))
            return operation, result
        return operation, None


class Candidate(Client):
    """Answers what is open until nothing is; `shares` is the likelihood of using the key that others use too."""

    def __init__(self, *args: Any, shares: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._shares = shares
        self._asked = 0
        self._thinks_s = self._rng.choice((0.4, 1.0, 2.0))
        self._front.busy[self.session_id] += 1

    async def run(self) -> None:
        await self._interview()
        self._front.busy[self.session_id] -= 1

    async def _interview(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._rng.random() * 0.3)
        session = await self.create()
        while loop.time() < self._front.until:
            await asyncio.sleep(self._rng.random() * self._thinks_s)
            if session is None or self._rng.random() < 0.7:
                session = await self.read() or session
            if session is None:
                if self._front.until - loop.time() < 2.0 and self._rng.random() < 0.3:
                    return  # it may have been erased
                continue
            left = [question for question in session.questions if not finished(question.step)]
            if not left:
                if session.questions:
                    return
                continue
            question = self._rng.choice(left)
            event, key = self._event(question)
            if event is not None:
                await self.reply(question.id, event, key)

    def _event(self, question: Question) -> tuple[QuestionEvent | None, str]:
        if self._rng.random() < self._shares:
            key = f"{self.session_id}-{question.id}-{question.step.value}-{question.refinements}"
            drawn = sum(key.encode()) % 10 / 10  # the same for all who share it
        else:
            self._asked += 1
            key = f"{self._name}-{self._asked}"
            drawn = self._rng.random()
        match question.step:
            case Step.ASKED:
                return (SaidNo() if drawn < 0.1 else WillLearn() if drawn < 0.2 else SaidYes()), key
            case Step.PROMPTED:
                return InputsGiven(inputs={"achievement": key}), key
            case Step.NEEDS_REFINEMENT:
                return RefinementGiven(inputs={"achievement": key}), key
        return None, ""


class Reader(Client):
    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._front.until and self._front.busy[self.session_id]:
            await asyncio.sleep(self._rng.random() * 1.2)
            await self.read()


class Watcher(Client):
    """Resumes from the last version it has, and begins anew where the session is gone."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        after = heard = 0
        await asyncio.sleep(self._rng.random())
        while loop.time() < self._front.until and self._front.busy[self.session_id]:
            seen = await self.watch(after, heard)
            if seen is None:
                await asyncio.sleep(self._rng.random() * 0.5)
                if self._front.recorder.operations and self._rng.random() < 0.2:
                    after = heard = 0
                continue
            heard = seen.heard
            if seen.entries:
                after = seen.entries[-1].version


class Eraser(Client):
    async def run(self) -> None:
        await asyncio.sleep(1.0 + self._rng.random() * 4.0)
        await self.erase()
        with suppress(AskwellError):
            await self.read()
        if self._rng.random() < 0.3:
            await self.create()
