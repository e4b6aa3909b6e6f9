"""Many candidates at once, each of whom asks again until answered, sends too much, too early and too late.

A request keeps its Idempotency-Key for as long as it is repeated. Beside it come copies of it at the same time,
rivals under other keys for the same step, and in the end old keys in any order; watchers resume by version.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from loadtests.chaos.pools import ACHIEVEMENT
from loadtests.chaos.recording import Recording
from serve_app.routing import RoutedSessions
from state.errors import AskwellError, StepNotOpen
from state.events import InputsGiven, QuestionEvent, RefinementGiven, SaidNo, SaidYes, WillLearn
from state.model import Document, Question, Session, Step
from state.outcomes import Caller
from state.receipts import Receipt
from state.session_actor import OpenSession, Reply
from state.workflow import finished

Request = Callable[[], Awaitable[Any]]
TENANT = "chaos"
GIVES_UP_S = 240.0
CV = Document(text="Ada Nowak\nBackend developer, Northgate Ltd, 2021 - 2025\nBuilt REST APIs in Python and Django.")
JOB = Document(text="Platform engineer\nYou will run Kubernetes in production.\nYou will write Terraform.")
PATHS: tuple[type[SaidYes] | type[SaidNo] | type[WillLearn], ...] = (SaidYes, SaidYes, SaidYes, SaidNo, WillLearn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a candidate misbehaves: `copies` and `rivals` are the share of steps that have any, `repeats` how many old
    keys come again at the end, `watched` and `erases` the share of sessions that are; `parked` leaves the questions
    open, `pause_s` is how long one thinks before a step."""

    copies: float = 0.7
    rivals: float = 0.35
    repeats: int = 6
    watched: float = 0.3
    erases: float = 0.03
    pause_s: float = 0.0
    parked: bool = False


@dataclass(slots=True)
class Traffic:
    """What was sent beyond what an interview takes, when what was acknowledged, from when to when each session's
    requests waited, and which requests had no answer, or a refusal that nothing accounts for."""

    counts: Counter[str] = field(default_factory=Counter)
    steps_at: list[float] = field(default_factory=list)
    asked_at: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)


class Candidate:
    """One session from its opening to its end, over any of several routers, as ingress replicas are."""

    def __init__(
        self,
        routers: Sequence[RoutedSessions],
        recording: Recording,
        traffic: Traffic,
        rng: random.Random,
        habits: Habits,
        *,
        number: int,
    ) -> None:
        self._routers = routers
        self._recording = recording
        self._traffic = traffic
        self._rng = rng
        self._habits = habits
        self.session_id = f"s{number}-{new_key(rng)[:12]}"
        self._old: list[tuple[str, str, QuestionEvent | None]] = []
        self._opening: Request
        self._over = asyncio.Event()

    async def interview(self) -> None:
        """Returns once every request has had its answer."""
        session = await self._opened()
        self._traffic.counts["opened"] += 1
        if session is None or self._habits.parked:
            return
        watching = None
        if self._rng.random() < self._habits.watched:
            watching = asyncio.create_task(self._watch())
        questions = self._rng.sample(session.questions, len(session.questions))
        if self._rng.random() < 0.5:
            await asyncio.gather(*map(self._question, questions))
        else:
            for question in questions:
                await self._question(question)
        await self._repeat(self._habits.repeats)
        last = await self._read()
        self._over.set()
        if watching is not None:
            await watching
        if last is not None and self._rng.random() < self._habits.erases:
            await self._erase(last.version)

    async def _opened(self) -> Session | None:
        key = self._new_key()
        opening: Request = partial(self._create, key, self._rng.randint(1, 3))
        self._old.append((key, "", None))
        self._opening = opening
        replies = await self._volley([opening, *self._copies(opening)])
        return next((reply for reply in replies if isinstance(reply, Session)), None)

    async def _question(self, question: Question) -> None:
        while not finished(question.step):
            await asyncio.sleep(self._rng.uniform(0.0, 2 * self._habits.pause_s))
            event = sayable(question, self._rng)
            if event is None:
                await asyncio.sleep(0.05)
            else:
                await self._step(question, event)
                if self._rng.random() < 0.3:
                    await self._repeat(1)
            session = await self._read()
            if session is None:
                return
            question = session.require(question.id)

    async def _step(self, question: Question, event: QuestionEvent) -> None:
        key = self._new_key()
        self._old.append((key, question.id, event))
        first: Request = partial(self._reply, key, question.id, event)
        volley = [first, *self._copies(first)]
        if self._rng.random() < self._habits.rivals and (other := sayable(question, self._rng)) is not None:
            self._traffic.counts["rivals"] += 1
            volley.append(partial(self._reply, self._new_key(), question.id, other))
        self._rng.shuffle(volley)
        await self._volley(volley)

    def _copies(self, request: Request) -> list[Request]:
        if self._rng.random() >= self._habits.copies:
            return []
        copies = self._rng.randint(1, 3)
        self._traffic.counts["copies"] += copies
        return [request] * copies

    async def _volley(self, requests: Sequence[Request]) -> list[Any]:
        """All at once, or shortly after one another."""

        async def one(request: Request) -> Any:
            await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.01, 0.05)))
            return await request()

        return await asyncio.gather(*map(one, requests))

    async def _repeat(self, times: int) -> None:
        """Old keys in any order, some of them together."""
        chosen = [self._rng.choice(self._old) for _ in range(times)]
        self._traffic.counts["repeats"] += times
        await asyncio.gather(
            *(
                self._opening() if event is None else self._reply(key, question_id, event)
                for key, question_id, event in chosen
            )
        )

    async def _create(self, key: str, questions: int) -> Session | None:
        def sent(caller: Caller) -> Awaitable[Session]:
            return self._router().create(
                OpenSession(
                    session_id=self.session_id,
                    caller=caller,
                    user="",
                    cv=CV,
                    job=JOB,
                    gaps=None,
                    max_questions=questions,
                )
            )

        return cast("Session | None", await self._insist("create", key, "", "", sent))

    async def _reply(self, key: str, question_id: str, event: QuestionEvent) -> Question | None:
        def sent(caller: Caller) -> Awaitable[Question]:
            return self._router().reply(
                Reply(session_id=self.session_id, question_id=question_id, caller=caller, event=event)
            )

        answer = await self._insist("reply", key, question_id, type(event).__name__, sent)
        return cast("Question | None", answer)

    async def _read(self) -> Session | None:
        answer = await self._insist("read", "", "", "", lambda _: self._router().read(TENANT, self.session_id))
        return cast("Session | None", answer)

    async def _erase(self, version: int) -> Receipt | None:
        await self._recording.before_erasure(self.session_id, version)
        answer = await self._insist("erase", "", "", "", lambda _: self._router().erase(TENANT, self.session_id))
        return cast("Receipt | None", answer)

    async def _insist(
        self, kind: Any, key: str, question_id: str, event: str, sent: Callable[[Caller], Awaitable[Any]]
    ) -> Any:
        """The answer; None for a refusal that no repetition changes."""
        recording, loop = self._recording, asyncio.get_running_loop()
        began, deadline = recording.now_s(), loop.time() + GIVES_UP_S
        while loop.time() < deadline:
            operation = recording.begin(self.session_id, kind, key=key, question_id=question_id, event=event)
            self._traffic.counts["requests"] += 1
            caller = Caller(tenant=TENANT, key=key, fingerprint=f"{question_id}{event}", request_id=uuid.uuid4().hex)
            try:
                answer = await sent(caller)
            except AskwellError as error:
                if recording.refused(operation, error):
                    self._traffic.counts["refused"] += 1
                    if not isinstance(error, StepNotOpen):
                        self._traffic.unanswered.append(f"{kind} {key} of {self.session_id}: {type(error).__name__}")
                    return None
                self._traffic.counts[f"asked again: {type(error).__name__}"] += 1
                await asyncio.sleep(self._rng.uniform(0.03, 0.15))
                continue
            recording.answered(operation, answer)
            if kind in {"create", "reply"}:
                self._traffic.steps_at.append(recording.now_s())
            self._traffic.asked_at.setdefault(self.session_id, []).append((began, recording.now_s()))
            return answer
        self._traffic.unanswered.append(f"{kind} {key} of {self.session_id}: no answer")
        return None

    async def _watch(self) -> None:
        """Follows the log from its beginning, comes back by version, and now and then looks back."""
        version = heard = 0
        while not self._over.is_set():
            after = version if self._rng.random() < 0.9 else self._rng.randint(0, version)
            operation = self._recording.begin(self.session_id, "watch", after=after)
            try:
                seen = await self._router().watch(TENANT, self.session_id, after=after, heard=heard, wait_s=0.5)
            except AskwellError as error:
                self._recording.refused(operation, error)
                await asyncio.sleep(0.1)
                continue
            heard = seen.heard
            self._recording.answered(operation, seen)
            if seen.entries:
                version = max(version, seen.entries[-1].version)

    def _router(self) -> RoutedSessions:
        return self._rng.choice(self._routers)

    def _new_key(self) -> str:
        return new_key(self._rng)


def sayable(question: Question, rng: random.Random) -> QuestionEvent | None:
    """What a candidate may say now. Inputs tell their sender, so that none is taken for another."""
    inputs = {"context": "Work", ACHIEVEMENT: f"Moved services into a cluster, {new_key(rng)}."}
    match question.step:
        case Step.ASKED:
            return rng.choice(PATHS)()
        case Step.PROMPTED:
            return InputsGiven(inputs=inputs)
        case Step.NEEDS_REFINEMENT:
            return RefinementGiven(inputs=inputs)
        case _:
            return None


def new_key(rng: random.Random) -> str:
    return uuid.UUID(int=rng.getrandbits(128)).hex
