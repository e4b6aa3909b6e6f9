"""In-process pools with the real generator and evaluator over a model that costs, and that is counted."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
from dataclasses import replace

from actors.llm import Completion, Judgement, R, Request, Written, validated
from loadtests.chaos.notes import CALLED, KEPT, NOT_LOOKED, Notebook
from state.errors import StoreUnavailable, WorkUnavailable
from state.messages import (
    EvaluateAnswer,
    FindGaps,
    FindResources,
    FindSimilar,
    FoundGaps,
    Owner,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestion,
    WrittenPrompts,
    WrittenQuestion,
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
from state.paid import PaidResults

ACHIEVEMENT = "achievement"
INVENTED = "Saved 4711 hours."
PROMPTS = (
    Prompt(id="context", type=PromptType.SELECT, question="Where?", options=("Work", "Side Project")),
    Prompt(id="duration", type=PromptType.NUMBER, question="How many months?"),
    Prompt(id="tools", type=PromptType.MULTISELECT, question="With what?", options=("Helm", "kubectl")),
    Prompt(id=ACHIEVEMENT, type=PromptType.TEXTAREA, question="What did you do?", required=True),
)


class MeteredLLM:
    """Implements `actors.llm.LLM`: takes its time, fails now and then, invents now and then. Without a notebook it
    costs nothing.

    Every completion differs from every other one, so that a step that was worked on twice shows. Scores follow
    from the session and the round alone.
    """

    def __init__(
        self,
        notebook: Notebook | None,
        rng: random.Random,
        *,
        latency_s: float = 0.0,
        failing_share: float = 0.0,
        inventing_share: float = 0.0,
    ) -> None:
        self._notebook = notebook
        self._rng = rng
        self._latency_s = latency_s
        self._failing_share = failing_share
        self._inventing_share = inventing_share

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        if self._notebook is not None:
            self._notebook.note(CALLED, request.origin.session_id, call_name(request))
        await asyncio.sleep(self._rng.uniform(0.5, 1.5) * self._latency_s)
        if self._rng.random() < self._failing_share:
            raise WorkUnavailable("The model is out of order.")
        return Completion(result=validated(result, self._decide(request)), by=f"chaos:{uuid.uuid4().hex}")

    async def aclose(self) -> None:
        return None

    def _decide(self, request: Request) -> object:
        match request:
            case FindGaps():
                return FoundGaps(gaps=tuple(a_gap(number) for number in range(1, request.limit + 1)))
            case WriteQuestion(gap=gap):
                return WrittenQuestion(text=f"{gap.title}?", why=gap.impact, answer_type=AnswerType.BOTH, minutes=3)
            case WritePrompts():
                hint = uuid.uuid4().hex
                return WrittenPrompts(prompts=tuple(replace(prompt, help=hint) for prompt in PROMPTS))
            case WriteAnswer() | RefineAnswer():
                invents = not request.refused and self._rng.random() < self._inventing_share
                return _answer(str(request.inputs[ACHIEVEMENT]), INVENTED if invents else "")
            case EvaluateAnswer():
                session = request.origin.session_id
                score = 9.0 if _share(session, request.gap.id, str(request.round)) < 0.5 else 4.0
                return Judgement(
                    criteria=tuple(Criterion(name=name, score=score, reason="because") for name in CriterionName)
                )


class NotedResults:
    """Implements `state.paid.PaidResults` over another, and notes what is recorded."""

    def __init__(self, inner: PaidResults, notebook: Notebook) -> None:
        self._inner = inner
        self._notebook = notebook

    async def find(self, tenant: str, session_id: str, name: str) -> bytes | None:
        try:
            return await self._inner.find(tenant, session_id, name)
        except (StoreUnavailable, asyncio.CancelledError):
            self._notebook.note(NOT_LOOKED, session_id, name)
            raise

    async def keep(self, tenant: str, session_id: str, name: str, result: bytes) -> None:
        await self._inner.keep(tenant, session_id, name, result)
        self._notebook.note(KEPT, session_id, name)


class PlainRetriever:
    """Implements `state.messages.Retriever` and keeps nothing."""

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]:
        return tuple(() for _ in request.texts)

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        await asyncio.sleep(0.01)
        return (RankedResource(resource=replace(_RESOURCE, id=uuid.uuid4().hex), score=90.0, match=0.8),)

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None:
        return None

    async def forget(self, owner: Owner) -> None:
        return None


def call_name(request: Request) -> str:
    """The name that the step journal (`actors.paid`) gives the call; the reckoning holds one against the other."""
    match request:
        case FindGaps():
            call = "find_gaps"
        case WriteQuestion(gap=gap):
            call = f"write_question/{gap.id}"
        case WritePrompts():
            call = "write_prompts"
        case WriteAnswer(refused=refused):
            call = "write_answer/again" if refused else "write_answer"
        case RefineAnswer(refused=refused):
            call = "refine_answer/again" if refused else "refine_answer"
        case EvaluateAnswer(reverse=reverse):
            call = "evaluate_answer/reverse" if reverse else "evaluate_answer"
    return f"{request.origin.step}/{call}"


def a_gap(number: int) -> Gap:
    title = f"Skill {number}"
    return Gap(
        id=f"g{number}",
        title=title,
        description=f"The job asks for {title}.",
        priority=Priority.HIGH,
        cv_shows="nothing of it",
        job_asks=f"{title} in production",
        impact="asked for in the first round",
        addressability=Addressability.LEARNABLE,
        skills=(title,),
    )


def _answer(text: str, invented: str) -> Answer:
    claim = Claim(text=text, source=f"input:{ACHIEVEMENT}", quote=text)
    said = f"{text} {invented}".strip()
    return Answer(title=text, bullets=tuple(Bullet(kind=kind, text=said, claims=(claim,)) for kind in BulletKind))


def _share(*parts: str) -> float:
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


_RESOURCE = Resource(
    id="r1",
    field="software",
    title="A course",
    description="Teaches it.",
    type=ResourceType.COURSE,
    provider="Provider",
    url="https://example.com/1",
    duration_days=2,
    difficulty=Difficulty.BEGINNER,
    cost=Cost.FREE,
    skills=("Skill 1",),
    rating=4.5,
    certificate=False,
)
