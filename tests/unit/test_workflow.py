"""The table: every step, every event, and what code decides about scores."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.errors import StepNotOpen
from state.events import (
    EVENTS,
    WITHDRAWALS,
    AnswerAccepted,
    AnswerFellShort,
    AnswerKept,
    AnswerWritten,
    DraftWithdrawn,
    InputsGiven,
    PromptsWritten,
    QuestionEvent,
    RefinementGiven,
    RefinementWithdrawn,
    ReplyWithdrawn,
    ResourcesFound,
    SaidNo,
    SaidYes,
    WillLearn,
)
from state.model import AnswerType, CriterionName, Priority, Question, Step
from state.workflow import (
    MAX_REFINEMENTS,
    THRESHOLDS,
    TRANSITIONS,
    WEIGHTS,
    WORK,
    advance,
    by_priority,
    finished,
    judge,
    pending,
    threshold,
    total,
    withdrawal,
)
from tests.fakes import INPUTS, PROMPTS, a_gap, an_answer, an_evaluation

QUESTION = Question(id="q1", gap_id="g1", text="?", why="!", answer_type=AnswerType.TEXT, minutes=2, threshold=7.0)
SAMPLES: dict[type[QuestionEvent], QuestionEvent] = {
    type(event): event
    for event in (
        SaidYes(),
        SaidNo(),
        WillLearn(),
        PromptsWritten(prompts=PROMPTS),
        ResourcesFound(resources=()),
        ReplyWithdrawn(),
        InputsGiven(inputs=INPUTS),
        AnswerWritten(answer=an_answer()),
        DraftWithdrawn(),
        AnswerAccepted(evaluation=an_evaluation(9)),
        AnswerFellShort(evaluation=an_evaluation(3), follow_ups=()),
        AnswerKept(evaluation=an_evaluation(3)),
        RefinementGiven(inputs=INPUTS),
        RefinementWithdrawn(),
    )
}
events = st.sampled_from(list(SAMPLES.values()))


def walk(*moves: QuestionEvent, question: Question = QUESTION) -> Question:
    for move in moves:
        question, _ = advance(question, move)
    return question


def drafted() -> Question:
    return walk(SaidYes(), SAMPLES[PromptsWritten], SAMPLES[InputsGiven], SAMPLES[AnswerWritten])


def test_every_step_is_a_key_and_every_target_is_a_step() -> None:
    assert set(TRANSITIONS) == set(Step)
    assert {target for moves in TRANSITIONS.values() for target in moves.values()} <= set(Step)


def test_every_event_has_a_sample_and_a_place_in_the_table() -> None:
    placed = {kind for moves in TRANSITIONS.values() for kind in moves}
    assert placed == set(SAMPLES) == {kind for kind in EVENTS.values() if kind in SAMPLES}


def test_every_step_can_be_reached_from_asked() -> None:
    reached = {Step.ASKED}
    while more := {target for step in reached for target in TRANSITIONS[step].values()} - reached:
        reached |= more
    assert reached == set(Step)


def test_a_step_that_is_not_finished_waits_for_the_candidate_or_has_work() -> None:
    for step, moves in TRANSITIONS.items():
        waits = any(kind in (SaidYes, InputsGiven, RefinementGiven) for kind in moves)
        assert finished(step) + waits + (step in WORK) == 1, step


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("kind", SAMPLES)
def test_an_event_the_table_does_not_hold_changes_nothing_and_names_the_open_step(
    step: Step, kind: type[QuestionEvent]
) -> None:
    question = replace(QUESTION, step=step, draft=an_answer())
    if kind in TRANSITIONS[step]:
        assert advance(question, SAMPLES[kind])[0].step is TRANSITIONS[step][kind]
        return
    with pytest.raises(StepNotOpen, match=step.value) as refused:
        advance(question, SAMPLES[kind])
    assert refused.value.step == step.value
    assert question == replace(QUESTION, step=step, draft=an_answer())


@given(st.lists(events, max_size=40))
def test_no_walk_refines_more_than_twice_or_accepts_below_the_threshold(moves: list[QuestionEvent]) -> None:
    question = QUESTION
    for move in moves:
        scored = isinstance(move, AnswerAccepted | AnswerFellShort | AnswerKept)
        event = judge(question, move.evaluation, ()) if scored else move
        try:
            question, commands = advance(question, event)
        except StepNotOpen:
            continue
        assert commands == pending(question)
        assert question.refinements <= MAX_REFINEMENTS
        if question.step is Step.ACCEPTED:
            assert question.evaluation is not None
            assert question.evaluation.score >= question.threshold
        if question.answer is not None:
            assert question.evaluation is not None


def test_a_draft_is_no_answer_until_it_is_scored() -> None:
    question = drafted()
    assert (question.answer, question.draft) == (None, an_answer())
    scored = walk(SAMPLES[AnswerFellShort], question=question)
    assert (scored.answer, scored.draft) == (an_answer(), None)


def test_an_answer_that_falls_short_is_refined_twice_and_then_kept_but_not_accepted() -> None:
    question = drafted()
    seen = []
    while not finished(question.step):
        verdict = judge(question, an_evaluation(5), ())
        seen.append(type(verdict))
        question = walk(verdict, question=question)
        if not finished(question.step):
            question = walk(SAMPLES[RefinementGiven], SAMPLES[AnswerWritten], question=question)
    assert seen == [AnswerFellShort, AnswerFellShort, AnswerKept]
    assert (question.step, question.refinements) == (Step.BEST_EFFORT, 2)


def test_best_effort_keeps_the_better_of_the_last_two_answers() -> None:
    question = walk(AnswerFellShort(evaluation=an_evaluation(6), follow_ups=()), question=drafted())
    worse = an_answer({"achievement": "worse"})
    question = walk(SAMPLES[RefinementGiven], AnswerWritten(answer=worse), question=question)
    kept = walk(AnswerKept(evaluation=an_evaluation(4)), question=question)
    assert kept.answer == an_answer()
    assert kept.evaluation == an_evaluation(6)


def test_a_failed_judge_leaves_the_first_draft_unaccepted_and_its_prompts_open() -> None:
    question = drafted()
    opened = walk(withdrawal(question), question=question)
    assert (opened.step, opened.answer, opened.draft) == (Step.PROMPTED, None, None)


def test_a_failed_refinement_leaves_the_scored_answer_and_its_count() -> None:
    question = walk(SAMPLES[AnswerFellShort], SAMPLES[RefinementGiven], question=drafted())
    for working in (question, walk(SAMPLES[AnswerWritten], question=question)):
        opened = walk(withdrawal(working), question=working)
        assert (opened.step, opened.answer, opened.refinements) == (Step.NEEDS_REFINEMENT, an_answer(), 0)


@pytest.mark.parametrize("step", WORK)
def test_every_step_with_work_can_be_withdrawn_to_one_that_waits_for_the_candidate(step: Step) -> None:
    for scored in (None, an_answer()):
        question = replace(QUESTION, step=step, answer=scored)
        event = withdrawal(question)
        assert isinstance(event, WITHDRAWALS)
        if type(event) in TRANSITIONS[step]:
            assert not pending(walk(event, question=question))


@pytest.mark.parametrize(("priority", "score"), [*THRESHOLDS.items()])
def test_the_threshold_is_the_priority_s_unless_the_flag_is_off(priority: Priority, score: float) -> None:
    assert threshold(priority, dynamic=True) == score
    assert threshold(priority, dynamic=False) == 7.0


@given(st.dictionaries(st.sampled_from(CriterionName), st.floats(1, 10), min_size=4))
def test_the_total_lies_between_the_criteria_and_weighs_them(scores: dict[CriterionName, float]) -> None:
    assert min(scores.values()) - 0.05 <= total(scores) <= max(scores.values()) + 0.05
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_a_total_without_one_of_the_criteria_is_refused() -> None:
    with pytest.raises(KeyError):
        total({CriterionName.EVIDENCE: 9.0})


@given(st.lists(st.sampled_from(Priority), max_size=30))
def test_gaps_come_highest_priority_first_and_otherwise_in_their_order(priorities: list[Priority]) -> None:
    gaps = [a_gap(number, priority) for number, priority in enumerate(priorities)]
    ordered = by_priority(gaps)
    assert [(gap.priority.rank, int(gap.id[1:])) for gap in ordered] == sorted(
        (gap.priority.rank, int(gap.id[1:])) for gap in gaps
    )
