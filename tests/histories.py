"""Histories of sessions for property tests: every one of them is legal, whatever is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from state.codec import pack_documents, pack_entry, pack_session
from state.events import (
    AnswerAccepted,
    AnswerFellShort,
    AnswerKept,
    AnswerWritten,
    Event,
    GapsFound,
    InputsGiven,
    PromptsWritten,
    QuestionEvent,
    RefinementGiven,
    ResourcesFound,
    SessionOpened,
)
from state.messages import WrittenQuestions
from state.model import Document, Priority, Question, RankedResource, Session
from state.session import LogEntry, apply, asked, new_session
from state.store import Stored
from state.workflow import TRANSITIONS, judge
from tests.fakes import PROMPTS, a_gap, a_resource, a_written_question, an_answer, an_evaluation

VERDICTS = (AnswerAccepted, AnswerFellShort, AnswerKept)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.one_of(
    texts, st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.lists(texts, max_size=3).map(tuple)
)
inputs = st.dictionaries(texts, values, max_size=3)
scores = st.integers(10, 100).map(lambda tenths: tenths / 10)
evaluations = scores.map(an_evaluation)
prompts = texts.map(lambda text: (replace(PROMPTS[0], question=text), *PROMPTS[1:]))
answers = texts.map(lambda text: an_answer({"achievement": text}))
resources = scores.map(lambda score: (RankedResource(resource=a_resource(), score=score, match=0.5),))
FIELDS: Mapping[type[QuestionEvent], Mapping[str, st.SearchStrategy[Any]]] = {
    InputsGiven: {"inputs": inputs},
    RefinementGiven: {"inputs": inputs},
    PromptsWritten: {"prompts": prompts},
    ResourcesFound: {"resources": resources},
    AnswerWritten: {"answer": answers},
    AnswerAccepted: {"evaluation": evaluations},
    AnswerFellShort: {"evaluation": evaluations, "follow_ups": prompts},
    AnswerKept: {"evaluation": evaluations},
}


@dataclass(frozen=True)
class History:
    """`log` and `stored` as Redis has them."""

    entries: tuple[LogEntry, ...]
    session: Session

    @property
    def log(self) -> list[bytes]:
        return [pack_entry(entry) for entry in self.entries]

    @property
    def stored(self) -> Stored:
        return Stored(
            epoch=3,
            version=self.session.version,
            state=pack_session(self.session),
            documents=pack_documents(self.session),
        )


def written(*steps: tuple[str, Event]) -> History:
    """The history of these events, each for its question or, with '', for the session itself."""
    history: History | None = None
    for target, event in steps:
        history = _gone_on(history, target, event)
    assert history is not None
    return history


def _gone_on(history: History | None, target: str, event: Event) -> History:
    entries, session = ((), None) if history is None else (history.entries, history.session)
    version = len(entries) + 1
    entry = LogEntry(version=version, at_ms=1000 + version, expires_ms=9000, question_id=target, event=event)
    return History(entries=(*entries, entry), session=apply(session, entry))


def opening(*priorities: Priority, cv: str = "Ada", **flags: bool) -> list[tuple[str, Event]]:
    """How a session begins that has one question for each of these priorities, highest first: q1, q2, ..."""
    gaps = tuple(a_gap(number, priority) for number, priority in enumerate(priorities, 1))
    session = replace(
        new_session(
            session_id="s1",
            tenant="acme",
            user="ada",
            cv=Document(text=cv),
            job=Document(text="Kubernetes"),
            gaps=None,
            max_questions=10,
            rollouts={"dynamic_quality_thresholds": 100, "advanced_quality_evaluation": 0},
            now_ms=1000,
            ttl_ms=8000,
        ),
    )
    session = replace(session, flags={**session.flags, **flags})
    batch = WrittenQuestions(written={gap.id: a_written_question(gap) for gap in gaps}, failed={})
    questions = asked(replace(session, gaps=gaps), batch)
    return [("", SessionOpened(session=session)), ("", GapsFound(gaps=gaps, by="fake:1")), ("", questions)]


@st.composite
def histories(draw: st.DrawFn, *, judged: bool = False) -> History:
    """Any walk through the table; where `judged`, with the verdicts that the thresholds make of the scores."""
    priorities = draw(st.lists(st.sampled_from(Priority), min_size=1, max_size=3))
    history = written(*opening(*priorities, cv=draw(texts), advanced_quality_evaluation=draw(st.booleans())))
    for _ in range(draw(st.integers(0, 25))):
        open_questions = [question for question in history.session.questions if TRANSITIONS[question.step]]
        if not open_questions:
            break
        question = draw(st.sampled_from(open_questions))
        history = _gone_on(history, question.id, draw(_events(question, judged=judged)))
    return history


@st.composite
def _events(draw: st.DrawFn, question: Question, *, judged: bool) -> QuestionEvent:
    kind: Any = draw(st.sampled_from(list(TRANSITIONS[question.step])))
    if kind in VERDICTS and judged:
        return judge(question, draw(evaluations), draw(prompts))
    fields = {name: draw(strategy) for name, strategy in FIELDS.get(kind, {}).items()}
    event: QuestionEvent = kind(**fields)
    return event
