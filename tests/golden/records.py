"""A record of every kind that is stored, how each is read, and how its value is put down for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from actors.llm import Judgement
from actors.paid import Paid
from state.calls import Call
from state.codec import pack, pack_documents, pack_entry, pack_session, unpack, unpack_entry, unpack_session
from state.events import (
    AnswerAccepted,
    AnswerFellShort,
    AnswerKept,
    AnswerWritten,
    DraftWithdrawn,
    Event,
    GapsFound,
    InputsGiven,
    PromptsWritten,
    QuestionsAsked,
    RefinementGiven,
    RefinementWithdrawn,
    ReplyWithdrawn,
    ResourcesFound,
    SaidNo,
    SaidYes,
    SessionOpened,
    WillLearn,
)
from state.messages import FoundGaps, WrittenPrompts, WrittenQuestion
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
    Document,
    Evaluation,
    Gap,
    Note,
    Priority,
    Prompt,
    PromptType,
    Question,
    RankedResource,
    Resource,
    ResourceType,
    Session,
    Suggestion,
)
from state.outcomes import Outcome
from state.plans import Plan, PlanItem, Progress
from state.receipts import Receipt
from state.session import LogEntry, apply
from state.spending import CallRecord, CallStatus, Usage
from state.store import Commit

FOLDER = Path(__file__).parent


def _session_kept(session: Session) -> dict[str, bytes]:
    return {"state": pack_session(session), "documents": pack_documents(session)}


@dataclass(frozen=True)
class Kind:
    """`pack` gives a record's parts by name; `unpack` takes them."""

    pack: Callable[[Any], dict[str, bytes]]
    unpack: Callable[[dict[str, bytes]], Any]


def _plain(kind: type[Any]) -> Kind:
    return Kind(lambda value: {"record": pack(value)}, lambda parts: unpack(kind, parts["record"]))


KINDS: Mapping[str, Kind] = {
    "session": Kind(_session_kept, lambda parts: unpack_session(parts["state"], parts["documents"])),
    "session in an outcome": Kind(
        lambda value: {"record": pack_session(value)}, lambda parts: unpack(Session, parts["record"])
    ),
    "entry": Kind(lambda value: {"record": pack_entry(value)}, lambda parts: unpack_entry(parts["record"])),
    **{
        kind.__name__: _plain(kind)
        for kind in (
            *(Question, Outcome, Plan, CallRecord, Call, Receipt, Commit, Paid),
            *(FoundGaps, WrittenQuestion, WrittenPrompts, Answer, Judgement),
        )
    },
}


def readable(value: Any) -> Any:
    """A value as JSON has it; bytes in hexadecimal."""
    if is_dataclass(value):
        return {field.name: readable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: readable(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [readable(inner) for inner in value]
    return value


def samples() -> dict[str, tuple[str, Any]]:
    """Kind and value by name; every field has something in it."""
    entries = log()
    session = folded(entries)
    answered = session.require("q1")
    reply = pack(answered)
    outcome = Outcome(fingerprint="f" * 64, request_id="r1", target="q1", started=6, reply=reply)
    return {
        **{f"entry-{entry.version:02}-{type(entry.event).__name__}": ("entry", entry) for entry in entries},
        "session": ("session", session),
        "reply-session": ("session in an outcome", replace(session, cv=Document(text=""), job=Document(text=""))),
        "reply-question": ("Question", answered),
        "outcome": ("Outcome", outcome),
        "outcome-unanswered": ("Outcome", replace(outcome, reply=b"")),
        "plan": ("Plan", PLAN),
        "call": ("Call", Call(fingerprint="f" * 64, started_ms=AT_MS, reply=b'{"resources":[]}')),
        "call-record": ("CallRecord", CALL_RECORD),
        "call-record-given-up": (
            "CallRecord",
            replace(CALL_RECORD, status=CallStatus.GIVEN_UP, usage=None, cost_usd=None),
        ),
        "receipt": ("Receipt", Receipt(session_id="s1", tenant="acme", erased_ms=AT_MS, steps=12)),
        "commit": ("Commit", COMMIT),
        "paid": ("Paid", Paid(by="openai:gpt-5-mini", result=pack(ANSWER))),
        "paid-gaps": ("FoundGaps", FoundGaps(gaps=GAPS, by="openai:gpt-5-mini")),
        "paid-question": ("WrittenQuestion", _written(GAPS[0])),
        "paid-prompts": ("WrittenPrompts", WrittenPrompts(prompts=PROMPTS, by="openai:gpt-5-mini")),
        "paid-answer": ("Answer", ANSWER),
        "paid-judgement": ("Judgement", JUDGEMENT),
    }


def log() -> list[LogEntry]:
    """A session's log in which every event happens."""
    opened = Session(
        id="s1",
        tenant="acme",
        user="ada",
        flags={"use_batch_generation": True, "advanced_quality_evaluation": False},
        created_ms=AT_MS,
        updated_ms=AT_MS,
        expires_ms=AT_MS + TTL_MS,
        max_questions=7,
    )
    q1: list[Event] = [
        SaidYes(),
        ReplyWithdrawn(),
        SaidYes(),
        PromptsWritten(prompts=PROMPTS),
        InputsGiven(inputs=INPUTS),
        DraftWithdrawn(),
        InputsGiven(inputs=INPUTS),
        AnswerWritten(answer=ANSWER),
        AnswerFellShort(evaluation=_evaluation(5.5), follow_ups=FOLLOW_UPS),
        RefinementGiven(inputs={"refine1-1-evidence": "Three services."}),
        RefinementWithdrawn(),
        RefinementGiven(inputs={"refine1-1-evidence": "Five services."}),
        AnswerWritten(answer=ANSWER),
        AnswerAccepted(evaluation=_evaluation(8.4)),
    ]
    q2: list[Event] = [WillLearn(), ResourcesFound(resources=(RESOURCE,))]
    q3: list[Event] = [SaidNo()]
    q4: list[Event] = [
        SaidYes(),
        PromptsWritten(prompts=PROMPTS),
        InputsGiven(inputs=INPUTS),
        AnswerWritten(answer=ANSWER),
        AnswerKept(evaluation=_evaluation(3.1)),
    ]
    q5 = q4[:4]
    steps: list[tuple[str, Event]] = [
        ("", SessionOpened(session=opened)),
        ("", GapsFound(gaps=GAPS, by="openai:gpt-5-mini")),
        ("", QuestionsAsked(questions=QUESTIONS, unasked={"g6": "StepTimedOut"})),
        *((f"q{number}", event) for number, events in enumerate((q1, q2, q3, q4, q5), 1) for event in events),
    ]
    return [
        LogEntry(
            version=version,
            at_ms=AT_MS + version,
            expires_ms=AT_MS + version + TTL_MS,
            question_id=target,
            event=event,
        )
        for version, (target, event) in enumerate(steps, 1)
    ]


def folded(entries: list[LogEntry]) -> Session:
    session: Session | None = None
    for entry in entries:
        session = apply(session, entry)
        if session.version == 1:
            session = replace(session, cv=CV, job=JOB)
    assert session is not None
    return session


AT_MS, TTL_MS = 1_795_000_000_000, 2_592_000_000
CV = Document(text="Ada Nowak\nDjango developer, Northgate Ltd, 2021 - 2025\nGrüße aus Łódź")
JOB = Document(text="You need:\n- Kubernetes in production\n- Terraform")
GAPS = tuple(
    Gap(
        id=f"g{number}",
        title=f"Skill {number}",
        description="The job asks for it.",
        priority=priority,
        cv_shows="nothing of it",
        job_asks="it, in production",
        impact="asked for in the first round",
        addressability=Addressability.TIME_DEPENDENT if number == 3 else Addressability.LEARNABLE,
        skills=("Kubernetes", "Helm"),
    )
    for number, priority in enumerate(list(Priority)[:6], 1)
)
QUESTIONS = tuple(
    Question(
        id=f"q{number}",
        gap_id=gap.id,
        text=f"Have you used {gap.title}?",
        why=gap.impact,
        answer_type=AnswerType.BOTH,
        minutes=3,
        threshold=7.0,
        by="openai:gpt-5-mini",
    )
    for number, gap in enumerate(GAPS[:5], 1)
)
PROMPTS = (
    Prompt(id="context", type=PromptType.SELECT, question="Where?", options=("Work", "Side Project"), required=True),
    Prompt(id="duration", type=PromptType.NUMBER, question="How many months?", help="About."),
    Prompt(id="share", type=PromptType.NUMBER, question="How much of your time?"),
    Prompt(id="tools", type=PromptType.MULTISELECT, question="With what?", options=("Helm", "kubectl")),
    Prompt(id="achievement", type=PromptType.TEXTAREA, question="What?", placeholder="what you did", required=True),
)
FOLLOW_UPS = (Prompt(id="refine1-1-evidence", type=PromptType.TEXTAREA, question="How many?", help="A number."),)
INPUTS = {
    "context": "Work",
    "duration": 18,
    "share": 0.5,
    "tools": ("Helm", "kubectl"),
    "achievement": "Moved five services into a cluster – ohne Ausfall.",
}
ANSWER = Answer(
    title="Kubernetes with Helm",
    bullets=tuple(
        Bullet(
            kind=kind,
            text="Moved five services into a cluster",
            claims=(Claim(text="five services", source="input:achievement", quote="five services"),),
        )
        for kind in BulletKind
    ),
    by="openai:gpt-5-mini",
)
CRITERIA = tuple(
    Criterion(name=name, score=score, reason="It says how many.", quote="five services")
    for name, score in zip(CriterionName, (8.0, 7.5, 9.0, 6.0), strict=True)
)
JUDGEMENT = Judgement(
    criteria=CRITERIA,
    issues=(Note(label="No figures", description="No outcome is told."),),
    strengths=(Note(label="Clear", description="What was done is told."),),
    suggestions=(
        Suggestion(type=CriterionName.EVIDENCE, title="How many?", examples=("five",), help="Tell the number."),
    ),
)


def _evaluation(score: float) -> Evaluation:
    return Evaluation(
        score=score,
        criteria=JUDGEMENT.criteria,
        issues=JUDGEMENT.issues,
        strengths=JUDGEMENT.strengths,
        suggestions=JUDGEMENT.suggestions,
        by="openai:gpt-5-mini",
    )


def _written(gap: Gap) -> WrittenQuestion:
    return WrittenQuestion(text="Have you?", why=gap.impact, answer_type=AnswerType.TEXT, minutes=2, by="openai:m")


RESOURCE = RankedResource(
    resource=Resource(
        id="r1",
        field="software",
        title="Kubernetes basics",
        description="Teaches it.",
        type=ResourceType.COURSE,
        provider="Provider",
        url="https://example.com/1",
        duration_days=2,
        difficulty=Difficulty.BEGINNER,
        cost=Cost.FREEMIUM,
        skills=("Kubernetes",),
        rating=4.5,
        certificate=True,
    ),
    score=92.5,
    match=0.81,
)
PLAN = Plan(
    id="p1",
    fingerprint="f" * 64,
    tenant="acme",
    user="ada",
    need="Kubernetes",
    items=(
        PlanItem(
            resource=RESOURCE.resource, first_day=1, last_day=2, progress=Progress.IN_PROGRESS, started_ms=AT_MS + 5
        ),
        PlanItem(resource=replace(RESOURCE.resource, id="r2"), first_day=3, last_day=4),
    ),
    created_ms=AT_MS,
    updated_ms=AT_MS + 5,
)
CALL_RECORD = CallRecord(
    at_ms=AT_MS,
    tenant="acme",
    session_id="s1",
    operation="write_answer",
    prompt="write_answer/1+repair/1",
    provider="openai",
    model="gpt-5-mini",
    status=CallStatus.ANSWERED,
    fault="",
    usage=Usage(
        input_tokens=4_000, cached_tokens=3_000, cache_write_tokens=100, output_tokens=500, thinking_tokens=200
    ),
    cost_usd=0.001325,
    legacy_input_tokens=600,
    latency_ms=912.5,
)
COMMIT = Commit(
    record_id="s1",
    tenant="acme",
    owner="node/1-abc",
    epoch=7,
    version=3,
    state=b"\x92\x01\x80",
    documents=b"\x92\x01\x80",
    entry=b"\x92\x01\x80",
    ttl_ms=TTL_MS,
    useless="q1@",
    key="first",
    outcome=b"\x92\x01\x80",
    forget=("second",),
)
