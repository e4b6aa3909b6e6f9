"""How the load's users behave and come, without Locust and without a service."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.documents import GAPS, INPUTS, documents
from loadtests.load.following import Event, event_of
from loadtests.load.interview import Interview, incomplete
from loadtests.load.samples import kind_of, outcome
from loadtests.load.scenarios import SCENARIOS, Scenario
from loadtests.load.standing import lost
from loadtests.provider_stub.traces import new_mark
from state.errors import InvalidField
from state.model import Step


def question(id_: str, step: str, *, refinements: int = 0, finished: bool = False) -> dict[str, Any]:
    prompts = [{"id": name} for name in INPUTS]
    return {
        "id": id_,
        "step": step,
        "refinements": refinements,
        "finished": finished,
        "prompts": prompts,
        "follow_ups": [{"id": "follow_up_1"}],
    }


def interview(*questions: dict[str, Any]) -> Interview:
    return Interview.of({"id": "s1", "questions": questions}, new_mark())


def test_the_four_scenarios_are_those_of_the_domain() -> None:
    told = {name: (one.users, one.length_s / 60, one.limits.p95_ms) for name, one in SCENARIOS.items()}
    assert told == {
        "baseline": (100, 5, 2_000),
        "peak": (500, 10, 3_000),
        "stress": (1_000, 20, 5_000),
        "batch": (200, 5, 5_000),
    }
    assert {name: one.limits.error_share for name, one in SCENARIOS.items()} == {
        "baseline": 0.01,
        "peak": 0.02,
        "stress": 0.05,
        "batch": 0.01,
    }
    assert SCENARIOS["batch"].limits.hit_share == 0.8


def test_a_scenario_ends_when_its_time_is_over() -> None:
    peak = SCENARIOS["peak"]
    assert peak.users_at(0) == peak.users_at(599.9) == 500
    assert peak.users_at(600) is None


def test_batches_all_come_at_once() -> None:
    assert SCENARIOS["batch"].arriving_per_s == 200


def test_stress_steps_up_from_the_end_of_its_ramp_on() -> None:
    stress = SCENARIOS["stress"]
    assert [stress.users_at(at_s) for at_s in (0, 299, 300, 359, 360, 1199)] == [1000, 1000, 1000, 1000, 1100, 2400]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_a_tenth_of_a_scenario_takes_minutes_and_keeps_its_limits(scenario: Scenario) -> None:
    small = scenario.scaled(0.1)
    assert small.users == scenario.users / 10
    assert 30 <= small.length_s <= 120
    assert small.ramp_s < small.length_s
    assert small.limits == scenario.limits


@given(st.floats(0.001, 10))
def test_a_scaled_scenario_has_users_and_ends(factor: float) -> None:
    for scenario in SCENARIOS.values():
        small = scenario.scaled(factor)
        assert small.users >= 1
        assert small.users_at(small.length_s) is None
        assert small.arriving_per_s > 0


@pytest.mark.parametrize("factor", [0, -1, 11, float("nan")])
def test_a_scale_that_is_none_is_refused_by_name(factor: float) -> None:
    with pytest.raises(InvalidField, match="--scale"):
        SCENARIOS["peak"].scaled(factor)


@pytest.mark.parametrize(
    ("status", "kind", "retry_after", "said"),
    [
        (201, "", None, ("", "")),
        (503, "Overloaded", "1", ("503 Overloaded", "")),
        (429, "TenantOverloaded", "1", ("429 TenantOverloaded", "")),
        (409, "StillRunning", "1", ("409 StillRunning", "")),
        (503, "text/plain", None, ("", "503 text/plain, without Retry-After")),
        (409, "StepNotOpen", None, ("", "409 StepNotOpen")),
        (502, "BrokenReply", "1", ("", "502 BrokenReply")),
        (0, "ConnectionRefusedError", None, ("", "ConnectionRefusedError")),
    ],
)
def test_a_refusal_is_one_that_says_when_to_come_back(
    status: int, kind: str, retry_after: str | None, said: tuple[str, str]
) -> None:
    assert outcome(status, kind, retry_after) == said


def test_a_problem_s_kind_is_the_end_of_its_type() -> None:
    assert kind_of('{"type": "urn:askwell:problem:Overloaded"}', "application/problem+json") == "Overloaded"
    assert kind_of("upstream died", "text/plain; charset=utf-8") == "text/plain"
    assert kind_of('["no", "problem"]', "application/json") == "application/json"
    assert kind_of(None, "") == "no reply"


def test_nobody_sends_a_cv_that_another_one_has_sent() -> None:
    mark = new_mark()
    assert documents(mark)["cv"].startswith(f"Candidate {mark}\n")
    assert documents(new_mark())["cv"] != documents(new_mark())["cv"]
    assert len(GAPS) == 10


def test_a_candidate_replies_to_what_is_asked_now() -> None:
    chance = random.Random(1)
    one = interview(question("q1", "ASKED"))
    replies = [one.reply_to(question("q1", "ASKED"), chance) for _ in range(200)]
    said = {reply.body["response"] for reply in replies if reply is not None}
    assert said == {"yes", "no", "willing_to_learn"}
    given = one.reply_to(question("q1", "PROMPTED"), chance)
    assert given is not None
    assert (given.route, given.body) == ("inputs", {"inputs": INPUTS})


def test_a_prompt_that_nobody_expected_is_answered_too() -> None:
    asked = question("q1", "PROMPTED") | {"prompts": [{"id": "setting"}]}
    reply = interview(asked).reply_to(asked, random.Random(1))
    assert reply is not None
    assert list(reply.body["inputs"]) == ["setting"]


def test_some_answers_that_fell_short_are_left_as_they_are() -> None:
    chance = random.Random(1)
    short = question("q1", "NEEDS_REFINEMENT")
    told = [interview(short).reply_to(short, chance) is not None for _ in range(500)]
    assert 0.7 < sum(told) / len(told) < 0.9


def test_an_interview_goes_on_with_the_first_question_that_is_open() -> None:
    one = interview(question("q1", "SKIPPED", finished=True), question("q2", "ASKED"), question("q3", "ASKED"))
    following = one.next()
    assert following is not None
    assert following["id"] == "q2"
    one.acknowledged(question("q2", "LEARNING", finished=True))
    one.left.add("q3")
    assert one.next() is None


def test_a_session_that_fell_back_is_lost_and_one_that_went_on_is_not() -> None:
    one = interview(question("q1", "PROMPTED"))
    assert one.trouble({"questions": [question("q1", "ASKED")]}) == "lost"
    assert one.trouble({"questions": []}) == "lost"
    assert one.trouble({"questions": [question("q1", "DRAFTING")]}) == ""
    assert one.trouble({"questions": [question("q1", "ACCEPTED", finished=True)]}) == ""


@pytest.mark.parametrize("now", [("NEEDS_REFINEMENT", 0), ("BEST_EFFORT", 2), ("PROMPTED", 0)])
def test_an_accepted_answer_stays_accepted(now: tuple[str, int]) -> None:
    assert lost({"q1": ("ACCEPTED", 1)}, {"q1": now}) == ["q1"]


def test_a_refinement_that_was_acknowledged_is_not_forgotten() -> None:
    assert lost({"q1": ("NEEDS_REFINEMENT", 1)}, {"q1": ("NEEDS_REFINEMENT", 0)}) == ["q1"]
    assert lost({"q1": ("NEEDS_REFINEMENT", 1)}, {"q1": ("NEEDS_REFINEMENT", 2)}) == []


@given(st.sampled_from(Step), st.integers(0, 2))
def test_a_session_that_stands_where_it_was_left_has_lost_nothing(step: Step, refinements: int) -> None:
    standing = {"q1": (step.value, refinements)}
    assert lost(standing, standing) == []


def test_a_reader_resumes_from_events_and_not_from_what_is_still_being_written() -> None:
    block = b'id: 7\nevent: PromptsWritten\ndata: {"version": 7, "at_ms": 12, "step": "PROMPTED"}\n\n'
    assert event_of(block) == Event(number=7, name="PromptsWritten", at_ms=12)
    delta = event_of(b'event: Delta\ndata: {"question_id": "q1", "text": "id: 9"}\n\n')
    assert delta == Event(number=None, name="Delta", at_ms=0)
    assert event_of(b": keep-alive\n\n") is None
    assert event_of(b"retry: 1000\n\n") is None


def test_questions_that_are_missing_are_an_error_though_the_others_came() -> None:
    assert incomplete({"questions": [], "failed": {"g1": "StepTimedOut", "g2": "StepTimedOut"}}) == (
        "questions missing, StepTimedOut"
    )
    assert incomplete({"unasked": {"g1": "WorkUnavailable"}}) == "questions missing, WorkUnavailable"
    assert incomplete({"questions": [], "failed": {}}) == incomplete({"unasked": {}}) == ""


def test_a_shorter_run_has_all_its_users() -> None:
    peak = SCENARIOS["peak"]
    short = peak.shortened(180.0)
    assert (short.users, short.ramp_s, short.length_s) == (peak.users, peak.ramp_s, 180.0)
    assert peak.shortened(None) is peak


@pytest.mark.parametrize("seconds", [60.0, 601.0])
def test_a_run_that_ends_within_its_ramp_or_is_longer_than_its_own_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidField, match="--seconds"):
        SCENARIOS["peak"].shortened(seconds)
