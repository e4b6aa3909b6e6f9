"""A log folded again is the state, what is wrong with it is named, and what-ifs follow the workflow honestly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.prompted import PromptedLLM
from actors.prompts.library import DATA, load
from serve_app.reasking import pinned
from serve_app.replay import run, thresholds_in
from serve_app.settings import Settings
from state.codec import SCHEMA, pack_entry, pack_session, unpack_session
from state.errors import BrokenReply, InvalidField, RecordUnreadable
from state.events import (
    AnswerAccepted,
    AnswerFellShort,
    AnswerKept,
    AnswerWritten,
    DraftWithdrawn,
    Event,
    InputsGiven,
    PromptsWritten,
    RefinementGiven,
    ResourcesFound,
    SaidNo,
    SaidYes,
    WillLearn,
)
from state.fork import Fork, Repriced, Thresholds, fork, repriced
from state.messages import WriteAnswer
from state.model import Answer, Document, Priority, Step
from state.replay import FaultKind, asked_steps, replay
from state.spending import CallRecord
from state.workflow import QuestionCommand, SessionCommand
from tests.fake_provider import FakeProvider, Says
from tests.fakes import INPUTS, PROMPTS, a_gap, an_answer, an_evaluation
from tests.histories import History, histories, opening, written
from tests.unit.test_costs import PRICES, a_call, calls


def scored(*scores: float, threshold: float = 7.0) -> list[tuple[str, Event]]:
    """A question's way with these scores, refined after each but the last one, as its threshold has it."""
    steps: list[Event] = [SaidYes(), PromptsWritten(prompts=PROMPTS), InputsGiven(inputs=INPUTS)]
    for number, score in enumerate(scores):
        evaluation = an_evaluation(score)
        steps.append(AnswerWritten(answer=an_answer(dict(INPUTS))))
        if score >= threshold:
            steps.append(AnswerAccepted(evaluation=evaluation))
        elif number == 2:
            steps.append(AnswerKept(evaluation=evaluation))
        else:
            steps.append(AnswerFellShort(evaluation=evaluation, follow_ups=()))
            if number < len(scores) - 1:
                steps.append(RefinementGiven(inputs={"more": "words"}))
    return [("q1", step) for step in steps]


def a_history(*scores: float, priority: Priority = Priority.HIGH, **flags: bool) -> History:
    return written(*opening(priority, **flags), *scored(*scores))


def forked(history: History, thresholds: Thresholds) -> Fork:
    return fork(replay(history.log, history.stored).moves, thresholds)


class TestFolding:
    @settings(deadline=None)
    @given(histories())
    def test_the_fold_of_any_legal_history_is_the_stored_state(self, history: History) -> None:
        replayed = replay(history.log, history.stored)
        assert replayed.fault is None
        assert replayed.session == history.session
        assert replayed.stored_schema == SCHEMA
        assert [move.entry for move in replayed.moves[1:]] == list(history.entries[1:])

    @settings(deadline=None)
    @given(histories(), st.data())
    def test_a_log_that_lacks_an_entry_is_told_from_there_on(self, history: History, data: st.DataObject) -> None:
        lost = data.draw(st.integers(1, len(history.entries)))
        log = history.log
        del log[lost - 1]
        fault = replay(log, history.stored).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.MISSING, lost)

    @settings(deadline=None)
    @given(histories(), st.data())
    def test_no_changed_byte_of_the_state_goes_unseen(self, history: History, data: st.DataObject) -> None:
        stored = history.stored
        place = data.draw(st.integers(0, len(stored.state) - 1))
        changed = bytearray(stored.state)
        changed[place] ^= data.draw(st.integers(1, 255))
        fault = replay(history.log, replace(stored, state=bytes(changed))).fault
        assert fault is not None
        assert fault.kind in {FaultKind.DIFFERENT, FaultKind.UNREADABLE}

    def test_the_field_that_differs_is_named_and_what_it_holds_is_not(self) -> None:
        history = written(*opening(Priority.HIGH), *scored(8.0))
        session = history.session
        question = session.questions[0]
        assert question.evaluation is not None
        other = replace(question, evaluation=replace(question.evaluation, score=9.0, by="SECRET"))
        state = pack_session(replace(session, questions=(other,)))
        fault = replay(history.log, replace(history.stored, state=state)).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.DIFFERENT, session.version)
        assert "questions.0.evaluation.score" in fault.about
        assert "SECRET" not in fault.about

    def test_a_difference_among_inputs_names_no_key_of_theirs(self) -> None:
        history = written(*opening(Priority.HIGH), *scored(8.0))
        other = replace(history.session.questions[0], inputs={"SECRET": 1})
        state = pack_session(replace(history.session, questions=(other,)))
        fault = replay(history.log, replace(history.stored, state=state)).fault
        assert fault is not None
        assert fault.about.endswith("questions.0.inputs")

    def test_the_same_values_in_other_bytes_are_not_the_same(self) -> None:
        history = written(*opening(Priority.HIGH))
        payload = msgpack.unpackb(history.stored.state)
        state = msgpack.packb(payload, use_single_float=True)
        fault = replay(history.log, replace(history.stored, state=state)).fault
        assert fault is not None
        assert "its values in other bytes" in fault.about

    def test_an_event_that_was_not_open_is_named_with_the_step(self) -> None:
        history = written(*opening(Priority.HIGH), ("q1", SaidNo()))
        late = replace(history.entries[-1], version=5, event=SaidYes())
        fault = replay([*history.log, pack_entry(late)], replace(history.stored, version=5)).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.ILLEGAL, 5)
        assert "SaidYes" in fault.about
        assert "SKIPPED" in fault.about

    @pytest.mark.parametrize("target", ["SECRET", "q9"])
    def test_an_event_for_a_question_that_is_not_there_is_illegal(self, target: str) -> None:
        history = written(*opening(Priority.HIGH))
        stray = replace(history.entries[-1], version=4, question_id=target, event=SaidYes())
        fault = replay([*history.log, pack_entry(stray)], replace(history.stored, version=4)).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.ILLEGAL, 4)
        assert target not in fault.about

    def test_a_session_is_opened_once_and_first(self) -> None:
        history = written(*opening(Priority.HIGH))
        again = replace(history.entries[0], version=4)
        fault = replay([*history.log, pack_entry(again)], replace(history.stored, version=4)).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.ILLEGAL, 4)
        never = replace(history.entries[1], version=1)
        first = replay([pack_entry(never)], history.stored).fault
        assert first is not None
        assert (first.kind, first.version) == (FaultKind.ILLEGAL, 1)

    @pytest.mark.parametrize("entry", [b"", b"\x00", msgpack.packb([SCHEMA + 1, {"text": "SECRET"}])])
    def test_an_entry_that_cannot_be_read_is_named(self, entry: bytes) -> None:
        history = written(*opening(Priority.HIGH))
        log = history.log
        log[1] = entry
        fault = replay(log, history.stored).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.UNREADABLE, 2)
        assert "SECRET" not in fault.about

    def test_a_log_that_goes_beyond_the_state_is_not_its_log(self) -> None:
        before = written(*opening(Priority.HIGH))
        after = written(*opening(Priority.HIGH), ("q1", SaidNo()))
        fault = replay(after.log, before.stored).fault
        assert fault is not None
        assert (fault.kind, fault.version) == (FaultKind.DIFFERENT, 4)

    def test_without_a_log_there_is_nothing_to_fold(self) -> None:
        replayed = replay([], written(*opening(Priority.HIGH)).stored)
        assert replayed.session is None
        assert replayed.fault is not None
        assert (replayed.fault.kind, replayed.fault.version) == (FaultKind.MISSING, 1)

    def test_a_state_of_a_newer_schema_is_told_and_documents_of_one_are_refused(self) -> None:
        history = written(*opening(Priority.HIGH))
        newer = msgpack.packb([SCHEMA + 1, {}])
        replayed = replay(history.log, replace(history.stored, state=newer))
        assert replayed.fault is not None
        assert replayed.fault.kind is FaultKind.UNREADABLE
        assert replayed.stored_schema is None
        with pytest.raises(RecordUnreadable, match="schema"):
            replay(history.log, replace(history.stored, documents=newer))

    def test_the_documents_stand_in_the_folded_session(self) -> None:
        history = written(*opening(Priority.HIGH, cv="Ada\nDjango"))
        session = replay(history.log, history.stored).session
        assert session is not None
        assert session == unpack_session(history.stored.state, history.stored.documents)
        assert session.cv.text == "Ada\nDjango"


def test_the_steps_that_a_model_was_asked_in_are_found_with_the_session_before_them() -> None:
    q2: list[Event] = [WillLearn(), ResourcesFound(resources=())]
    q3: list[Event] = [SaidYes(), PromptsWritten(prompts=PROMPTS), InputsGiven(inputs=INPUTS), DraftWithdrawn()]
    history = written(
        *opening(Priority.HIGH, Priority.MEDIUM, Priority.LOW),
        *scored(5.0, 8.0),
        *(("q2", event) for event in q2),
        *(("q3", event) for event in q3),
    )
    steps = asked_steps(replay(history.log, history.stored).moves)
    assert [(step.question_id, step.command) for step in steps] == [
        ("", SessionCommand.FIND_GAPS),
        ("", SessionCommand.WRITE_QUESTIONS),
        ("q1", QuestionCommand.WRITE_PROMPTS),
        ("q1", QuestionCommand.WRITE_ANSWER),
        ("q1", QuestionCommand.EVALUATE_ANSWER),
        ("q1", QuestionCommand.REFINE_ANSWER),
        ("q1", QuestionCommand.EVALUATE_ANSWER),
        ("q3", QuestionCommand.WRITE_PROMPTS),
    ]
    judged = steps[4]
    assert judged.session.version == judged.version - 1
    assert judged.session.require("q1").draft == an_answer(dict(INPUTS))


class TestThresholds:
    @settings(deadline=None)
    @given(histories(judged=True))
    def test_the_recorded_thresholds_lead_to_what_is_recorded(self, history: History) -> None:
        told = forked(history, Thresholds())
        assert [(question.then, question.now) for question in told.questions] == [
            (question.then, question.then) for question in told.questions
        ]
        assert [question.then.step for question in told.questions] == [
            question.step for question in history.session.questions
        ]
        assert told.now.refinements == sum(question.refinements for question in history.session.questions)

    @settings(deadline=None)
    @given(histories(judged=True), st.floats(1, 10), st.floats(1, 10))
    def test_a_higher_threshold_accepts_no_answer_that_a_lower_one_does_not(
        self, history: History, one: float, other: float
    ) -> None:
        low, high = (forked(history, Thresholds(others=score)) for score in sorted((one, other)))
        for lower, higher in zip(low.questions, high.questions, strict=True):
            assert higher.now.step is not Step.ACCEPTED or lower.now.step is Step.ACCEPTED
            assert lower.now.scored <= higher.now.scored <= len(higher.scores)

    @settings(deadline=None)
    @given(histories(judged=True))
    def test_the_lowest_threshold_accepts_every_answer_at_its_first_score(self, history: History) -> None:
        for question in forked(history, Thresholds(others=1)).questions:
            if question.scores:
                assert (question.now.step, question.now.scored) == (Step.ACCEPTED, 1)
                assert question.now.refinements == 0

    @pytest.mark.parametrize(
        ("scores", "threshold", "steps", "given"),
        [
            ((8.0,), 9, (Step.ACCEPTED, Step.NEEDS_REFINEMENT), 1),
            ((5.0, 8.0), 9, (Step.ACCEPTED, Step.NEEDS_REFINEMENT), 2),
            ((5.0, 6.0, 7.5), 9, (Step.ACCEPTED, Step.BEST_EFFORT), 3),
            ((5.0, 8.0), 5, (Step.ACCEPTED, Step.ACCEPTED), 1),
            ((5.0, 6.0, 4.0), 6, (Step.BEST_EFFORT, Step.ACCEPTED), 2),
            ((5.0, 6.0, 4.0), 9, (Step.BEST_EFFORT, Step.BEST_EFFORT), 3),
            ((5.0,), 9, (Step.NEEDS_REFINEMENT, Step.NEEDS_REFINEMENT), 1),
            ((5.0,), 4, (Step.NEEDS_REFINEMENT, Step.ACCEPTED), 1),
            ((), 4, (Step.DRAFTING, Step.DRAFTING), 0),
        ],
    )
    def test_what_the_same_scores_come_to_by_another_threshold(
        self, scores: Sequence[float], threshold: float, steps: tuple[Step, Step], given: int
    ) -> None:
        (question,) = forked(a_history(*scores), Thresholds(others=threshold)).questions
        assert (question.then.step, question.now.step) == steps
        assert (question.scores, question.now.scored) == (tuple(scores), given)
        assert question.now.refinements == max(given - 1, 0)
        assert question.asks_further is (steps == (Step.ACCEPTED, Step.NEEDS_REFINEMENT))

    def test_totals_count_every_question_then_and_now(self) -> None:
        two = [(f"q{number}", event) for number in (1, 2) for _, event in scored(5.0, 8.0)]
        told = forked(
            written(*opening(Priority.HIGH, Priority.IMPORTANT), *two), Thresholds(by_priority={Priority.HIGH: 9.0})
        )
        assert (told.then.accepted, told.then.to_refine, told.then.refinements) == (2, 0, 2)
        assert (told.now.accepted, told.now.to_refine, told.now.refinements) == (1, 1, 2)
        assert [question.now.threshold for question in told.questions] == [9.0, 7.0]

    @pytest.mark.parametrize(
        ("scores", "threshold", "doubtful"),
        [((8.0,), 7.5, True), ((8.0,), 6, False), ((8.0,), 7, False), ((6.5, 8.0), 6, True), ((8.0,), 9, False)],
    )
    def test_an_acceptance_that_another_pass_might_have_refused_is_doubtful(
        self, scores: Sequence[float], threshold: float, doubtful: bool
    ) -> None:
        for twice in (True, False):
            history = a_history(*scores, advanced_quality_evaluation=twice)
            (question,) = forked(history, Thresholds(others=threshold)).questions
            assert question.doubtful is (twice and doubtful)

    def test_a_score_for_all_or_for_some_is_read(self) -> None:
        assert thresholds_in([]) is None
        assert thresholds_in(["7"]) == Thresholds(others=7.0)
        wanted = thresholds_in(["CRITICAL=9", "6.5", "LOW=1"])
        assert wanted == Thresholds(by_priority={Priority.CRITICAL: 9.0, Priority.LOW: 1.0}, others=6.5)
        assert [wanted.instead_of(8.0, priority) for priority in (Priority.CRITICAL, Priority.HIGH)] == [9.0, 6.5]
        assert Thresholds(by_priority={Priority.CRITICAL: 9.0}).instead_of(7.0, Priority.HIGH) == 7.0

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            (["0.9"], "1 to 10"),
            (["11"], "1 to 10"),
            (["nan"], "1 to 10"),
            (["many"], "1 to 10"),
            (["CRITICAL="], "1 to 10"),
            (["URGENT=7"], "the priorities are CRITICAL, HIGH"),
            (["7", "8"], "one number"),
            (["LOW=7", "LOW=8"], "once"),
        ],
    )
    def test_what_is_no_threshold_is_refused_with_the_fix(self, asked: list[str], told: str) -> None:
        with pytest.raises(InvalidField, match="--threshold") as refused:
            thresholds_in(asked)
        assert told in refused.value.fix


class TestPrices:
    @settings(deadline=None)
    @given(st.lists(calls(), max_size=20))
    def test_by_the_prices_they_were_recorded_at_calls_cost_what_they_did(self, recorded: list[CallRecord]) -> None:
        total = sum(repriced(recorded, PRICES).values(), Repriced())
        assert total.calls == len(recorded)
        assert (total.then_usd, total.unpriced_then) == (total.now_usd, total.unpriced_now)
        assert total.difference_usd == 0

    def test_a_call_without_a_price_on_one_side_is_in_no_difference(self) -> None:
        recorded = [a_call(), a_call(cost_usd=None), a_call(usage=None, cost_usd=None), a_call(operation="find_gaps")]
        told = repriced(recorded, PRICES)
        assert list(told) == ["write_answer", "find_gaps"]
        written_ = told["write_answer"]
        assert (written_.calls, written_.unpriced_then, written_.unpriced_now, written_.unmeasured) == (3, 1, 0, 1)
        assert written_.now_usd == 2 * written_.then_usd == Decimal("0.002650")
        assert written_.difference_usd == 0


class TestPrompts:
    OPENAI = Settings(openai_api_key="k")  # type: ignore[arg-type]

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for path in DATA.glob("*.md"):
            (tmp_path / path.name).write_text(path.read_text())
        second_version(tmp_path, "write_answer")
        second_version(tmp_path, "evaluate_answer")
        second_version(tmp_path, "repair")
        return tmp_path

    def test_a_version_of_one_prompt_leaves_the_others_at_their_highest(self, folder: Path) -> None:
        wordings = load(folder, {"write_answer": 1})
        assert (wordings["write_answer"].version, wordings["evaluate_answer"].version) == (1, 2)
        assert load(folder)["write_answer"].label == "write_answer/2"

    def test_a_bare_version_is_that_of_every_prompt_that_has_it(self, folder: Path) -> None:
        pins = pinned(["2"], folder, self.OPENAI)
        assert pins is not None
        assert dict(pins.versions) == {"write_answer": 2, "evaluate_answer": 2, "repair": 2}
        both = pinned(["write_answer/1", "2"], folder, self.OPENAI)
        assert both is not None
        assert dict(both.versions) == {"write_answer": 1, "evaluate_answer": 2, "repair": 2}

    def test_nothing_asked_for_is_nothing_pinned(self, folder: Path) -> None:
        assert pinned([], folder, Settings()) is None

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ("write_answer/3", "write_answer/3 is no prompt; there are write_answer/1, write_answer/2"),
            ("nonsense/1", "nonsense/1 is no prompt; there are evaluate_answer/1, evaluate_answer/2"),
            ("7", "no prompt has version 7; there are evaluate_answer/1"),
            ("newest", "write a version"),
            ("/2", "write a version"),
            ("repair/2", "name another prompt"),
        ],
    )
    def test_a_version_that_is_not_there_is_refused_naming_those_that_are(
        self, folder: Path, asked: str, told: str
    ) -> None:
        with pytest.raises(InvalidField, match="--prompt-version") as refused:
            pinned([asked], folder, self.OPENAI)
        assert told in refused.value.fix

    async def test_a_model_is_told_the_pinned_version_and_asked_for_a_repair_in_its(self, folder: Path) -> None:
        provider = FakeProvider(Says(text="no JSON"), Says(text="nor this"))
        llm = PromptedLLM(provider, deadline_s=5, wordings=load(folder, {"write_answer": 2, "repair": 2}))
        request = WriteAnswer(gap=a_gap(), question="?", prompts=PROMPTS, inputs=INPUTS, cv=Document(text="Ada"))
        with pytest.raises(BrokenReply):
            await llm.complete(request, Answer)
        first, second = provider.calls
        assert [first.prompt, second.prompt] == ["write_answer/2", "write_answer/2+repair/2"]
        assert "This is the second wording." in first.task
        assert "This is the second wording." in second.turns[-1].text

    def test_the_offline_provider_is_told_no_prompts(self, folder: Path) -> None:
        with pytest.raises(InvalidField, match="offline provider"):
            pinned(["2"], folder, Settings())


def second_version(folder: Path, name: str) -> None:
    """Another version of a prompt, whose last words say so."""
    text = (folder / f"{name}.1.md").read_text().replace("version: 1\n", "version: 2\n", 1)
    (folder / f"{name}.2.md").write_text(text.replace("# Task\n\n", "# Task\n\nThis is the second wording. ", 1))


def test_what_is_asked_for_is_refused_before_redis_is_looked_for(tmp_path: Path) -> None:
    nowhere = Settings(data_dir=tmp_path)
    wrong: list[dict[str, Any]] = [
        {"thresholds": ["11"]},
        {"prompt_versions": ["1"]},
        {"prices": tmp_path / "gone.json"},
    ]
    for asked, option in zip(wrong, ("--threshold", "--prompt-version", "--prices"), strict=True):
        with pytest.raises(InvalidField, match=option):
            run(None, nowhere, session_id="s1", tenant=None, **asked)  # type: ignore[arg-type]
