"""Pools and providers whose every move a test decides."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.llm import Completion, Judgement, R, Request, Written, validated
from state.messages import (
    Delta,
    EvaluateAnswer,
    FindGaps,
    FindResources,
    FindSimilar,
    FoundGaps,
    Heard,
    JudgedAnswer,
    Owner,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestion,
    WriteQuestions,
    WrittenPrompts,
    WrittenQuestion,
    WrittenQuestions,
)
from state.model import (
    Addressability,
    Answer,
    AnswerType,
    Bullet,
    BulletKind,
    Claim,
    Cost,
    Criterion,
    CriterionName,
    Difficulty,
    Evaluation,
    Experience,
    Gap,
    Priority,
    Prompt,
    PromptType,
    Question,
    RankedResource,
    Resource,
    ResourceType,
)


def a_gap(number: int = 1, priority: Priority = Priority.HIGH, title: str = "Kubernetes") -> Gap:
    return Gap(
        id=f"g{number}",
        title=title,
        description=f"The job asks for {title}.",
        priority=priority,
        cv_shows="nothing of it",
        job_asks=f"{title} in production",
        impact="asked for in the first round",
        addressability=Addressability.LEARNABLE,
        skills=(title,),
    )


def a_resource(number: int = 1, kind: ResourceType = ResourceType.COURSE, days: int = 2) -> Resource:
    return Resource(
        id=f"r{number}",
        field="software",
        title=f"Resource {number}",
        description="Teaches it.",
        type=kind,
        provider="Provider",
        url=f"https://example.com/{number}",
        duration_days=days,
        difficulty=Difficulty.BEGINNER,
        cost=Cost.FREE,
        skills=("Kubernetes",),
        rating=4.5,
        certificate=False,
    )


def an_answer(inputs: dict[str, object] | None = None) -> Answer:
    key, value = next(iter((inputs or {"achievement": "built it"}).items()))
    claim = Claim(text=str(value), source=f"input:{key}", quote=str(value))
    return Answer(
        title=str(value),
        bullets=tuple(Bullet(kind=kind, text=str(value), claims=(claim,)) for kind in BulletKind),
    )


PROMPTS = (
    Prompt(id="context", type=PromptType.SELECT, question="Where?", options=("Work", "Side Project")),
    Prompt(id="duration", type=PromptType.NUMBER, question="How many months?"),
    Prompt(id="tools", type=PromptType.MULTISELECT, question="With what?", options=("Helm", "kubectl")),
    Prompt(id="achievement", type=PromptType.TEXTAREA, question="What did you do?", required=True),
)
INPUTS = {"achievement": "Moved five services into a cluster."}


@dataclass
class FakeGenerator:
    """`gate`, once set by a test, holds every answer back until it is released; `fail` raises first."""

    calls: Counter[str] = field(default_factory=Counter)
    gaps: tuple[Gap, ...] = field(default_factory=lambda: (a_gap(),))
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    fail: Callable[[str], None] = lambda _: None

    async def _call(self, name: str) -> None:
        self.calls[name] += 1
        self.entered.set()
        self.fail(name)
        if self.gate is not None:
            await self.gate.wait()

    async def find_gaps(self, request: FindGaps) -> FoundGaps:
        await self._call("find_gaps")
        return FoundGaps(gaps=self.gaps[: request.limit], by="fake")

    async def write_questions(self, request: WriteQuestions) -> WrittenQuestions:
        await self._call("write_questions")
        return WrittenQuestions(written={gap.id: a_written_question(gap) for gap in request.gaps}, failed={})

    async def write_prompts(self, request: WritePrompts, heard: Heard | None = None) -> WrittenPrompts:
        await self._call("write_prompts")
        return WrittenPrompts(prompts=PROMPTS, by="fake")

    async def write_answer(self, request: WriteAnswer, heard: Heard | None = None) -> Answer:
        if heard is not None:
            heard(Delta(operation="write_answer", field="title", text="Moved"))
        await self._call("write_answer")
        return an_answer(dict(request.inputs))

    async def refine_answer(self, request: RefineAnswer, heard: Heard | None = None) -> Answer:
        await self._call("refine_answer")
        return an_answer(dict(request.inputs))

    async def here(self) -> None: ...

    async def ready(self) -> None:
        self.fail("ready")


def a_written_question(gap: Gap) -> WrittenQuestion:
    return WrittenQuestion(
        text=f"Have you used {gap.title}?", why=gap.impact, answer_type=AnswerType.BOTH, minutes=3, by="fake"
    )


def an_evaluation(score: float) -> Evaluation:
    criteria = tuple(Criterion(name=name, score=score, reason="because") for name in CriterionName)
    return Evaluation(score=score, criteria=criteria, by="fake")


@dataclass
class FakeEvaluator:
    """Gives `scores` one after another, the last one for ever."""

    scores: list[float] = field(default_factory=lambda: [9.0])
    calls: int = 0
    fail: Callable[[str], None] = lambda _: None

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer:
        self.calls += 1
        self.fail("evaluate")
        score = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        follow_up = Prompt(id=f"refine{request.round}-1-evidence", type=PromptType.TEXTAREA, question="And?")
        return JudgedAnswer(evaluation=an_evaluation(score), follow_ups=(follow_up,))

    async def here(self) -> None: ...

    async def ready(self) -> None:
        self.fail("ready")


@dataclass
class FakeRetriever:
    remembered: list[tuple[Owner, str]] = field(default_factory=list)
    forgotten: list[Owner] = field(default_factory=list)
    searches: list[FindResources] = field(default_factory=list)
    fail: Callable[[str], None] = lambda _: None

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]:
        self.fail("find_similar")
        return tuple(() for _ in request.texts)

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        self.fail("find_resources")
        self.searches.append(request)
        return (RankedResource(resource=a_resource(), score=90.0, match=0.8),)

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None:
        self.fail("remember")
        self.remembered.append((owner, question.id))

    async def forget(self, owner: Owner) -> None:
        self.fail("forget")
        self.forgotten.append(owner)

    async def ready(self) -> None:
        self.fail("ready")


@dataclass
class CountingLLM:
    """A provider that counts what it is asked and answers well enough to go on."""

    calls: Counter[str] = field(default_factory=Counter)
    slow: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    score: float = 9.0

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        self.calls[type(request).__name__] += 1
        return Completion(result=validated(result, await self._decide(request)), by="counting:1")

    async def aclose(self) -> None:
        return None

    async def _decide(self, request: Request) -> object:
        match request:
            case FindGaps():
                return FoundGaps(gaps=tuple(a_gap(n) for n in range(request.limit)))
            case WriteQuestion(gap=gap):
                if gap.title in self.slow:
                    await asyncio.Event().wait()
                if gap.title in self.broken:
                    return {"text": "no such shape"}
                return a_written_question(gap)
            case WritePrompts():
                return WrittenPrompts(prompts=PROMPTS)
            case WriteAnswer() | RefineAnswer():
                return an_answer(dict(request.inputs))
            case EvaluateAnswer():
                return Judgement(criteria=an_evaluation(self.score).criteria)
