"""Records read back whole, and refuse what they cannot read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.codec import (
    SCHEMA,
    Written,
    pack,
    pack_documents,
    pack_entry,
    pack_session,
    unpack,
    unpack_entry,
    unpack_session,
)
from state.errors import RecordUnreadable
from state.events import EVENTS, SessionOpened
from state.messages import WrittenQuestions
from state.model import Document, Question, Session
from state.session import LogEntry, apply, asked, new_session
from tests.fakes import INPUTS, a_gap, a_written_question
from tests.unit.test_workflow import QUESTION, SAMPLES, walk

texts = st.text(max_size=200)
values = st.one_of(texts, st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.lists(texts).map(tuple))


def a_session(**changes: Any) -> Session:
    session = new_session(
        session_id="s1",
        tenant="acme",
        user="ada",
        cv=Document(text="Ada\nDjango"),
        job=Document(text="Kubernetes"),
        gaps=None,
        max_questions=5,
        rollouts={"dynamic_quality_thresholds": 100},
        now_ms=1,
        ttl_ms=10,
    )
    return replace(session, **changes)


@given(st.dictionaries(texts, values), texts, texts)
def test_what_was_packed_is_unpacked_the_same(inputs: dict[str, Any], cv: str, job: str) -> None:
    question = replace(walk(*list(SAMPLES.values())[:1]), inputs=inputs)
    assert unpack(Question, pack(question)) == question
    session = a_session(cv=Document(text=cv), job=Document(text=job), questions=(question,), gaps=(a_gap(),))
    assert unpack_session(pack_session(session), pack_documents(session)) == session


def test_packing_is_the_same_for_the_same_value() -> None:
    assert pack_session(a_session()) == pack_session(a_session())


@given(st.lists(st.tuples(st.integers(0, 2), texts), max_size=8))
def test_what_is_packed_over_and_over_is_what_is_packed_once(changes: list[tuple[int, str]]) -> None:
    first = walk(*list(SAMPLES.values())[:1])
    session = a_session(gaps=(a_gap(),), questions=tuple(replace(first, id=f"q{n}") for n in range(3)))
    written = Written()
    for place, text in changes:
        questions = list(session.questions)
        questions[place] = replace(questions[place], text=text)
        session = replace(session, questions=tuple(questions), gaps=(replace(session.gaps[0], title=text),))
        assert pack_session(session, written) == pack_session(session)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_survives_the_log(name: str) -> None:
    session = a_session()
    gaps = (a_gap(),)
    questions = asked(
        replace(session, gaps=gaps), WrittenQuestions(written={"g1": a_written_question(a_gap())}, failed={})
    )
    samples: dict[str, Any] = {kind.__name__: event for kind, event in SAMPLES.items()}
    samples["SessionOpened"] = SessionOpened(session=session)
    samples["GapsFound"] = EVENTS["GapsFound"](gaps=gaps, by="x")
    samples["QuestionsAsked"] = questions
    entry = LogEntry(version=3, at_ms=5, expires_ms=9, question_id="q1", event=samples[name])
    read = unpack_entry(pack_entry(entry))
    if name == "SessionOpened":
        empty = Document(text="")
        entry = replace(entry, event=SessionOpened(session=replace(session, cv=empty, job=empty)))
    assert read == entry


def test_the_documents_are_stored_once_and_never_in_the_log() -> None:
    session = a_session(cv=Document(text="MARKED"))
    opened = LogEntry(version=1, at_ms=1, expires_ms=2, question_id="", event=SessionOpened(session=session))
    session = apply(None, opened)
    state, documents = pack_session(session), pack_documents(session)
    assert b"MARKED" in documents
    assert b"MARKED" not in state
    assert b"MARKED" not in pack_entry(opened)


def test_a_record_from_a_newer_schema_is_refused() -> None:
    newer = msgpack.packb([SCHEMA + 1, {}])
    for read in (lambda: unpack(Question, newer), lambda: unpack_entry(newer), lambda: unpack_session(newer, newer)):
        with pytest.raises(RecordUnreadable, match="schema"):
            read()


@given(st.binary(max_size=100))
def test_garbage_is_refused_and_not_half_read(garbage: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        unpack(Question, garbage)
    with pytest.raises(RecordUnreadable):
        unpack_entry(garbage)
    with pytest.raises(RecordUnreadable):
        unpack_session(garbage, garbage)


@given(st.integers(0, 400))
def test_a_record_that_was_cut_is_refused(length: int) -> None:
    whole = pack(replace(QUESTION, inputs=INPUTS))
    if length < len(whole):
        with pytest.raises(RecordUnreadable):
            unpack(Question, whole[:length])


def test_a_refusal_quotes_nothing_of_the_record() -> None:
    broken = msgpack.packb([SCHEMA, {"text": "SECRET"}])
    with pytest.raises(RecordUnreadable) as refused:
        unpack(Question, broken)
    assert "SECRET" not in str(refused.value)
    assert refused.value.__cause__ is None
