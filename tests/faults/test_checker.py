"""The checker passes what a session may have done, and names the rule where a history breaks one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from state.codec import pack, pack_entry, pack_session
from state.events import (
    AnswerFellShort,
    AnswerWritten,
    DraftWithdrawn,
    Event,
    InputsGiven,
    PromptsWritten,
    QuestionsAsked,
    RefinementGiven,
    SaidYes,
    SessionOpened,
)
from state.flags import DEFAULT_ROLLOUTS
from state.messages import WrittenQuestions
from state.model import Document, Question, Session
from state.outcomes import Outcome
from state.session import SESSION_ITSELF, LogEntry, apply, asked, new_session
from tests.fakes import INPUTS, PROMPTS, a_gap, a_written_question, an_answer, an_evaluation
from tests.faults.checker import check
from tests.faults.history import OK, REFUSED, FinalLife, History, Kind, ModelCall, Operation, digest

OPENED = new_session(
    session_id="s1",
    tenant="acme",
    user="ada",
    cv=Document(text=""),
    job=Document(text=""),
    gaps=(a_gap(),),
    max_questions=1,
    rollouts=DEFAULT_ROLLOUTS,
    now_ms=1,
    ttl_ms=1000,
)
ASKED = asked(OPENED, WrittenQuestions(written={"g1": a_written_question(a_gap())}, failed={}))
FELL_SHORT = AnswerFellShort(evaluation=an_evaluation(5.0), follow_ups=())
WRITTEN = AnswerWritten(answer=an_answer())
EVENTS: Sequence[Event] = (
    SessionOpened(session=OPENED),
    ASKED,
    SaidYes(),
    PromptsWritten(prompts=PROMPTS),
    InputsGiven(inputs=INPUTS),
    WRITTEN,
    FELL_SHORT,
)


class Recorded:
    """A session's log, the outcomes of 'open', 'yes' and 'inputs', and operations added one after another."""

    def __init__(self, events: Sequence[Event] = EVENTS, *, erased: bool = False) -> None:
        self.states: list[Session] = []
        entries = []
        session = None
        for version, event in enumerate(events, 1):
            target = SESSION_ITSELF if isinstance(event, SessionOpened | QuestionsAsked) else "q1"
            entry = LogEntry(version=version, at_ms=version, expires_ms=version + 1000, question_id=target, event=event)
            session = apply(session, entry)
            self.states.append(session)
            entries.append(pack_entry(entry))
        self.outcomes = {
            "open": self._outcome("open", SESSION_ITSELF, 1, self.packed(2)),
            "yes": self._outcome("yes", "q1", 3, pack(self.question(4))),
            "inputs": self._outcome("inputs", "q1", 5, pack(self.question(7))),
        }
        self.life = FinalLife(
            entries=tuple(entries), outcomes=self._packed_outcomes(), state=self.packed(), erased=erased
        )
        self.history = History()
        self._now = 0

    def question(self, version: int) -> Question:
        return self.states[version - 1].require("q1")

    def packed(self, version: int = 0) -> bytes:
        return pack_session(self.states[version - 1])

    def entry(self, version: int) -> tuple[int, str]:
        return version, digest(self.life.entries[version - 1])

    def change(self, **changes: object) -> None:
        self.life = replace(self.life, **changes)  # type: ignore[arg-type]

    def outcome(self, key: str, **changes: object) -> None:
        self.outcomes[key] = replace(self.outcomes.get(key, self.outcomes["yes"]), **changes)  # type: ignore[arg-type]
        self.change(outcomes=self._packed_outcomes())

    def did(self, kind: Kind, *, outcome: str = OK, long: bool = False, **about: object) -> Operation:
        """Invoked after all before has returned; a long one returns after all that follows."""
        self._now += 2
        operation = Operation(
            client="c",
            session_id="s1",
            kind=kind,
            invoked=self._now,
            outcome=outcome,
            **about,  # type: ignore[arg-type]
        )
        operation.returned = 10_000 if long else self._now + 1
        self.history.operations.append(operation)
        return operation

    def created(self) -> None:
        self.did("create", key="open", version=2, digest=digest(self.packed(2)))

    def read(self, version: int) -> None:
        self.did("read", version=version, digest=digest(self.packed(version)))

    def replied(self, key: str, version: int, *, long: bool = False) -> Operation:
        reply = digest(pack(self.question(version)))
        return self.did("reply", key=key, question_id="q1", digest=reply, long=long)

    def broken(self) -> list[str]:
        self.history.lives = {"s1": [self.life]}
        return [violation.check for violation in check(self.history)]

    @staticmethod
    def _outcome(key: str, target: str, started: int, reply: bytes) -> Outcome:
        return Outcome(fingerprint=key, request_id=key, target=target, started=started, reply=reply)

    def _packed_outcomes(self) -> dict[str, bytes]:
        return {key: pack(outcome) for key, outcome in self.outcomes.items()}


def test_an_interview_in_order_breaks_nothing() -> None:
    recorded = Recorded()
    recorded.did("read", outcome=REFUSED, error="NotFound")
    recorded.created()
    recorded.read(2)
    recorded.replied("yes", 4)
    recorded.did("watch", entries=tuple(map(recorded.entry, (1, 2, 3))))
    recorded.did("watch", after=3, entries=tuple(map(recorded.entry, (4,))))
    recorded.did("reply", key="late", question_id="q1", outcome=REFUSED, error="StepNotOpen", step="PROMPTED")
    recorded.replied("inputs", 7)
    recorded.did("watch", after=7)
    recorded.replied("yes", 4)
    assert recorded.broken() == []


def test_what_overlaps_may_be_seen_or_not() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.replied("yes", 4, long=True)
    recorded.replied("inputs", 7, long=True)
    for version in (2, 2, 3, 4, 6):
        recorded.read(version)
    assert recorded.broken() == []


def test_an_acknowledged_step_that_is_not_there_is_lost() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.replied("other", 4)
    assert recorded.broken() == ["lost"]


def test_two_replies_to_one_key_are_one_too_many() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.replied("yes", 4)
    recorded.replied("yes", 7)
    assert recorded.broken() == ["one outcome"]


def test_a_recorded_reply_is_what_the_log_says() -> None:
    recorded = Recorded()
    recorded.outcome("yes", reply=pack(recorded.question(5)))
    assert recorded.broken() == ["outcome"]


def test_a_read_sees_every_step_that_was_acknowledged_before_it() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.replied("yes", 4)
    recorded.read(3)
    assert recorded.broken() == ["real time"]


def test_versions_do_not_go_back_from_one_reader_to_the_next() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.replied("yes", 4, long=True)
    recorded.read(4)
    recorded.read(3)
    assert recorded.broken() == ["real time"]


def test_nothing_is_seen_before_it_was_asked_for() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.read(4)
    recorded.replied("yes", 4)
    assert recorded.broken() == ["real time"]


def test_a_state_that_the_log_does_not_hold_was_never_there() -> None:
    recorded = Recorded()
    recorded.did("read", version=2, digest="of something else")
    assert recorded.broken() == ["read"]


def test_a_session_that_stands_is_found() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.did("read", outcome=REFUSED, error="NotFound")
    assert recorded.broken() == ["real time"]


def test_a_step_that_was_never_open_is_no_reason_to_refuse() -> None:
    recorded = Recorded()
    recorded.did("reply", key="late", question_id="q1", outcome=REFUSED, error="StepNotOpen", step="ACCEPTED")
    assert recorded.broken() == ["refusal"]


def test_a_log_that_does_not_fold_is_none() -> None:
    recorded = Recorded()
    recorded.change(entries=(*recorded.life.entries, recorded.life.entries[-1]))
    assert recorded.broken() == ["log"]


def test_the_state_is_the_log_folded() -> None:
    recorded = Recorded()
    recorded.change(state=recorded.packed(6))
    assert recorded.broken() == ["state"]


def test_the_same_inputs_are_taken_once() -> None:
    more = RefinementGiven(inputs={"achievement": "More of it."})
    assert Recorded((*EVENTS, more, WRITTEN, FELL_SHORT, more)).broken() == ["doubled"]


def test_the_same_inputs_are_taken_again_after_a_withdrawal() -> None:
    again = (EVENTS[4], DraftWithdrawn(), *EVENTS[4:])
    recorded = Recorded((*EVENTS[:4], *again))
    recorded.outcome("inputs", started=7, reply=pack(recorded.question(9)))
    assert recorded.broken() == []


def test_two_keys_cannot_have_begun_one_transition() -> None:
    recorded = Recorded()
    recorded.outcome("other", started=3)
    assert recorded.broken() == ["one key a transition"]


@pytest.mark.parametrize("versions", [(1, 3), (2, 3), (1, 2, 2)])
def test_a_watcher_misses_nothing_and_gets_nothing_twice(versions: tuple[int, ...]) -> None:
    recorded = Recorded()
    recorded.created()
    recorded.did("watch", entries=tuple(map(recorded.entry, versions)))
    assert recorded.broken() == ["watch"]


def test_a_watcher_gets_what_is_in_the_log() -> None:
    recorded = Recorded()
    recorded.did("watch", entries=(recorded.entry(1), (2, "of something else")))
    assert recorded.broken() == ["watch"]


def test_a_watcher_that_gets_nothing_has_everything() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.replied("yes", 4)
    recorded.did("watch", after=2)
    assert recorded.broken() == ["real time"]


def test_an_erased_session_is_gone_for_good() -> None:
    recorded = Recorded(erased=True)
    recorded.created()
    recorded.did("erase", version=7)
    recorded.did("read", outcome=REFUSED, error="NotFound")
    assert recorded.broken() == []
    recorded.read(7)
    assert recorded.broken() == ["real time"]


def test_an_acknowledged_erasure_that_was_not_done_is_lost() -> None:
    recorded = Recorded()
    recorded.created()
    recorded.did("erase", version=7)
    assert recorded.broken() == ["lost"]


def test_nothing_stays_of_an_erased_session() -> None:
    recorded = Recorded(erased=True)
    recorded.history.vectors = {"s1": ("q1",)}
    recorded.history.leftovers = {"s1": ("outcomes",)}
    assert recorded.broken() == ["erased", "erased"]


def test_a_commit_of_a_replaced_owner_is_stale() -> None:
    recorded = Recorded()
    recorded.change(stale=1)
    assert recorded.broken() == ["stale commit"]


@pytest.mark.parametrize(
    ("looked", "by_owner", "broken"),
    [("no", True, True), ("missed", True, True), ("failed", True, False), ("no", False, False)],
)
def test_an_owner_asks_for_no_kept_result_again_unless_it_could_not_look(
    looked: str, *, by_owner: bool, broken: bool
) -> None:
    recorded = Recorded()
    name = "q1@3/write_prompts"
    recorded.history.kept = {("s1", 1, name): 5}
    call = ModelCall(session_id="s1", life=1, name=name, started=9, looked=looked, by_owner=by_owner)
    recorded.history.model_calls = [replace(call, started=3), call]
    assert recorded.broken() == (["repeated model call"] if broken else [])
