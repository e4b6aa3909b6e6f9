"""Questions and deep-dive prompts written by rules: specific to the gap, different for each kind."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.llm import validated
from actors.offline.kinds import Kind, kind_of
from actors.offline.lexicon import Lexicon
from actors.offline.prompts import CONTEXTS, write_prompts
from actors.offline.questions import write_question
from state.events import InputsGiven
from state.inputs import check_inputs
from state.messages import WritePrompts, WriteQuestion, WrittenPrompts, WrittenQuestion
from state.model import (
    Addressability,
    AnswerType,
    Document,
    Experience,
    Gap,
    Priority,
    Prompt,
    PromptType,
    Question,
)

NOTHING = "The CV shows nothing on this."
USUAL = ("context", "duration", "tools", "achievement", "metrics")


@cache
def lexicon() -> Lexicon:
    return Lexicon.shipped()


def a_gap(
    title: str,
    asks: str,
    *,
    skills: tuple[str, ...] = (),
    priority: Priority = Priority.HIGH,
    addressability: Addressability = Addressability.LEARNABLE,
    cv_shows: str = NOTHING,
) -> Gap:
    return Gap(
        id="g1",
        title=title,
        description="It is asked for.",
        priority=priority,
        cv_shows=cv_shows,
        job_asks=asks,
        impact="It is required, so a reader will look for evidence of it.",
        addressability=addressability,
        skills=skills,
    )


GAPS = {
    Kind.TOOL: a_gap("Kubernetes", "Kubernetes: running services on a cluster.", skills=("Kubernetes",)),
    Kind.METHOD: a_gap("Route planning", "Route planning for vans.", skills=("Route planning",)),
    Kind.KNOWLEDGE: a_gap("CDM regulations", "Knowledge of CDM regulations", skills=("CDM Regulations",)),
    Kind.SOFT: a_gap("Communication skills", "Excellent communication skills", skills=("Communication skills",)),
    Kind.YEARS: a_gap(
        "Five years of acute nursing",
        "At least five years of acute nursing.",
        addressability=Addressability.TIME_DEPENDENT,
        cv_shows="The CV shows “Nurse with three years' experience”.",
    ),
    Kind.CERTIFICATION: a_gap("ACLS certificate", "ACLS certificate, current", skills=("Advanced life support",)),
    Kind.LICENCE: a_gap(
        "Driving licence",
        "A full driving licence is required.",
        priority=Priority.LOGISTICAL,
        addressability=Addressability.LOGISTICAL,
    ),
    Kind.LANGUAGE: a_gap("German", "German: good enough for the phone", skills=("German",)),
    Kind.EDUCATION: a_gap("Degree in physics", "A degree in physics", addressability=Addressability.TIME_DEPENDENT),
    Kind.LOGISTICS: a_gap(
        "Night shifts",
        "Night shifts: about five a month.",
        priority=Priority.LOGISTICAL,
        addressability=Addressability.LOGISTICAL,
    ),
    Kind.PLAIN: a_gap("Femoral sheath removal", "Femoral sheath removal and aftercare."),
}
CASES = [pytest.param(kind, gap, id=kind.value) for kind, gap in GAPS.items()]


def question_for(gap: Gap) -> WrittenQuestion:
    document = Document(text="")
    return write_question(WriteQuestion(gap=gap, cv=document, job=document))


def prompts_for(gap: Gap, similar: tuple[Experience, ...] = ()) -> tuple[Prompt, ...]:
    return write_prompts(WritePrompts(gap=gap, question="?", similar=similar), lexicon=lexicon()).prompts


def prompt(prompts: tuple[Prompt, ...], prompt_id: str) -> Prompt:
    return next(one for one in prompts if one.id == prompt_id)


def test_every_kind_of_gap_is_recognised_from_its_own_words() -> None:
    assert {kind: kind_of(gap) for kind, gap in GAPS.items()} == {kind: kind for kind in Kind}


@pytest.mark.parametrize(("kind", "gap"), CASES)
def test_a_question_names_the_gap_the_jobs_wording_and_what_the_cv_shows(kind: Kind, gap: Gap) -> None:
    question = question_for(gap)
    assert gap.job_asks.rstrip(".") in question.text
    assert gap.title.casefold().split()[0] in question.text.casefold()
    shows = "Nurse with three years' experience" if kind is Kind.YEARS else "your CV does not mention it"
    assert shows in question.text
    assert question.text.endswith("?")
    assert len(re.findall(r"[.?!](?:\s|$)", question.text)) <= 2
    assert gap.impact in question.why
    assert question.by == ""
    assert validated(WrittenQuestion, question) == question


def test_no_two_kinds_of_gap_read_alike() -> None:
    same = {kind: question_for(gap) for kind, gap in GAPS.items()}
    last_words = {question.text.split("”")[-1] for question in same.values()}
    assert len(last_words) == len({question.why for question in same.values()}) == len(GAPS)


def test_minutes_and_answer_type_follow_the_kind_and_the_priority() -> None:
    night = question_for(GAPS[Kind.LOGISTICS])
    assert (night.minutes, night.answer_type) == (1, AnswerType.TEXT)
    assert question_for(GAPS[Kind.TOOL]).minutes == 4
    critical = a_gap("Kubernetes", "Kubernetes", skills=("Kubernetes",), priority=Priority.CRITICAL)
    assert question_for(critical).minutes == 5
    assert question_for(GAPS[Kind.CERTIFICATION]).answer_type is AnswerType.STRUCTURED


def test_a_question_quotes_the_line_of_the_cv_that_comes_nearest() -> None:
    gap = a_gap("SAP TM", "SAP TM", skills=("SAP TM",), cv_shows="The nearest the CV shows: “Manhattan WMS, daily”")
    assert "the nearest your CV comes to it is “Manhattan WMS, daily”" in question_for(gap).text


def test_a_gap_brought_by_a_client_without_any_detail_still_makes_a_question() -> None:
    gap = a_gap("Falconry", "", cv_shows="")
    assert "“Falconry”, and your CV does not mention it" in question_for(gap).text


def test_a_long_line_of_the_job_is_cut_at_a_word() -> None:
    question = question_for(a_gap("Falconry", "falcons and hawks " * 60))
    assert len(question.text) < 500
    assert " …”" in question.text


@pytest.mark.parametrize(("kind", "gap"), CASES)
def test_the_deep_dive_asks_the_usual_things_and_one_of_its_own(kind: Kind, gap: Gap) -> None:
    prompts = prompts_for(gap)
    ids = [one.id for one in prompts]
    assert tuple(ids[:5]) == USUAL
    assert len(ids) == len(set(ids)) == 6
    assert [one.id for one in prompts if one.required] == ["achievement"]
    assert prompt(prompts, "context").options == CONTEXTS
    assert prompt(prompts, "achievement").type is PromptType.TEXTAREA
    assert not any(re.search(r"\d", one.placeholder) for one in prompts)
    assert "if you have none" in prompt(prompts, "metrics").help
    for one in prompts:
        choice = one.type in {PromptType.SELECT, PromptType.MULTISELECT}
        assert (len(one.options) >= 2) == choice
        assert "{" not in one.question
    written = WrittenPrompts(prompts=prompts)
    assert validated(WrittenPrompts, written) == written


@pytest.mark.parametrize(
    ("kind", "sixth"),
    [
        (Kind.LANGUAGE, "level"),
        (Kind.CERTIFICATION, "valid_until"),
        (Kind.LICENCE, "valid_until"),
        (Kind.LOGISTICS, "availability"),
        (Kind.PLAIN, "scale"),
        (Kind.EDUCATION, "qualification"),
    ],
)
def test_the_sixth_prompt_belongs_to_the_kind(kind: Kind, sixth: str) -> None:
    assert prompts_for(GAPS[kind])[5].id == sixth


def test_no_two_kinds_ask_for_the_achievement_alike() -> None:
    assert len({prompt(prompts_for(gap), "achievement").question for gap in GAPS.values()}) == len(GAPS)


def test_related_tools_come_from_the_jobs_line_and_the_lexicon_to_choose_from() -> None:
    gap = a_gap("AWS", "AWS: core services such as S3, IAM and RDS", skills=("Amazon Web Services",))
    related = prompt(prompts_for(gap), "related")
    assert related.type is PromptType.MULTISELECT
    assert {"Amazon S3", "Amazon RDS"} <= set(related.options)
    assert "Amazon Web Services" not in related.options
    assert not related.required


def test_any_tool_may_be_named_whatever_the_lexicon_holds() -> None:
    gap = GAPS[Kind.TOOL]
    written = question_for(gap)
    question = Question(
        id="q1",
        gap_id=gap.id,
        text=written.text,
        why=written.why,
        answer_type=written.answer_type,
        minutes=written.minutes,
        threshold=7,
        prompts=prompts_for(gap),
    )
    inputs = {"context": "Hackathon", "tools": "kind, k3s, Helm", "achievement": "Moved a site to k3s.", "metrics": ""}
    check_inputs(question, InputsGiven(inputs=inputs))


def test_what_the_candidate_told_before_is_recalled() -> None:
    similar = (
        Experience(source="cv:7", text="Ran  Docker\nin production", similarity=0.5),
        Experience(source="cv:9", text="Wrote Bash", similarity=0.2),
        Experience(source="answer:q3", text="Built a k3s cluster", similarity=0.4),
    )
    recalled = prompt(prompts_for(GAPS[Kind.TOOL], similar), "achievement").help
    assert "You wrote before: “Built a k3s cluster”" in recalled
    assert "Your CV mentions: “Ran Docker in production”" in recalled
    assert "Bash" not in recalled


TEXT = st.text(max_size=60)
ANY_GAP = st.builds(
    Gap,
    id=st.just("g1"),
    title=TEXT,
    description=TEXT,
    priority=st.sampled_from(Priority),
    cv_shows=TEXT,
    job_asks=TEXT,
    impact=TEXT,
    addressability=st.sampled_from(Addressability),
    skills=st.lists(st.sampled_from(["Kubernetes", "Wound care", "{name}", "German", ""]) | TEXT, max_size=3).map(
        tuple
    ),
)


@settings(deadline=None)
@given(gap=ANY_GAP)
def test_any_gap_makes_a_valid_question_and_valid_prompts(gap: Gap) -> None:
    question = question_for(gap)
    assert validated(WrittenQuestion, question).text.strip()
    prompts = WrittenPrompts(prompts=prompts_for(gap))
    assert len(validated(WrittenPrompts, prompts).prompts) == 6
