"""The alternative that Askwell is measured against: it asks a model the same, so that the two compare."""

from __future__ import annotations

import pytest

from actors.llm import Request
from actors.prompts import WORDINGS, rendered
from loadtests.alternative import prompts, shapes
from loadtests.alternative.comparing import ALTERNATIVE, ASKWELL, COMPARED, SHOWN, compared, figures_of
from state.messages import EvaluateAnswer, RefineAnswer, WriteAnswer, WritePrompts, WriteQuestion
from state.model import (
    Addressability,
    Answer,
    Bullet,
    BulletKind,
    Claim,
    Criterion,
    CriterionName,
    Document,
    Evaluation,
    Gap,
    Note,
    Priority,
    Prompt,
    PromptType,
    Suggestion,
)

CV, JOB = Document(text="Ada Nowak\n\n  Developer, 2021 - 2025\n"), Document(text="Platform engineer\n- Kafka")
GAP = Gap(
    id="g1",
    title="Kafka",
    description="Streams of events",
    priority=Priority.HIGH,
    cv_shows="Nothing",
    job_asks="Kafka in production",
    impact="High",
    addressability=Addressability.LEARNABLE,
    skills=("Kafka", "Streams"),
)
PROMPTS = (Prompt(id="context", type=PromptType.TEXT, question="Where was that?"),)
INPUTS = {"context": "Work", "months": 8, "tools": ("kind", "Helm")}
CLAIM = Claim(text="at work", source="input:context", quote="")
ANSWER = Answer(
    title="Kafka", bullets=tuple(Bullet(kind=kind, text=f"{kind} it.", claims=(CLAIM,)) for kind in BulletKind)
)
EVALUATION = Evaluation(
    score=5,
    criteria=tuple(Criterion(name=name, score=5, reason=f"{name} is open.") for name in CriterionName),
    issues=(Note(label="evidence", description="No figure."),),
    suggestions=(Suggestion(type=CriterionName.EVIDENCE, title="What came of it?", help="A figure."),),
)

GAP_BLOCK = prompts.gap_block(
    shapes.Gap(
        title="Kafka",
        description="Streams of events",
        priority="HIGH",
        cv_shows="Nothing",
        job_asks="Kafka in production",
        impact="High",
        skills=["Kafka", "Streams"],
    ).model_dump()
)
QUESTION_BLOCK = prompts.question_block("Have you used Kafka?")
PROMPTS_BLOCK = prompts.prompts_block([{"id": "context", "question": "Where was that?"}])
INPUTS_BLOCK = prompts.inputs_block({"context": "Work", "months": 8, "tools": ["kind", "Helm"]})
ANSWER_BLOCK = prompts.answer_block(
    {
        "title": "Kafka",
        "bullets": [
            {"kind": kind.value, "text": f"{kind} it.", "claims": [{"text": "at work", "source": "input:context"}]}
            for kind in BulletKind
        ],
    }
)
EVALUATION_BLOCK = prompts.evaluation_block(
    {
        "criteria": [{"name": name.value, "reason": f"{name} is open."} for name in CriterionName],
        "issues": [{"label": "evidence", "description": "No figure."}],
        "suggestions": [{"title": "What came of it?", "help": "A figure."}],
    }
)

ASKED = "Have you used Kafka?"
SAME: list[tuple[Request, list[str]]] = [
    (WriteQuestion(gap=GAP, cv=CV, job=JOB), [GAP_BLOCK]),
    (
        WritePrompts(gap=GAP, question=ASKED, similar=(), cv=CV, job=JOB),
        [GAP_BLOCK, QUESTION_BLOCK, prompts.similar_block()],
    ),
    (
        WriteAnswer(gap=GAP, question=ASKED, prompts=PROMPTS, inputs=INPUTS, cv=CV, job=JOB),
        [GAP_BLOCK, QUESTION_BLOCK, PROMPTS_BLOCK, INPUTS_BLOCK],
    ),
    (
        RefineAnswer(
            gap=GAP,
            question=ASKED,
            prompts=PROMPTS,
            inputs=INPUTS,
            cv=CV,
            job=JOB,
            answer=ANSWER,
            evaluation=EVALUATION,
        ),
        [GAP_BLOCK, QUESTION_BLOCK, PROMPTS_BLOCK, INPUTS_BLOCK, ANSWER_BLOCK, EVALUATION_BLOCK],
    ),
    (
        EvaluateAnswer(gap=GAP, question=ASKED, answer=ANSWER, inputs=INPUTS, round=1, cv=CV, job=JOB),
        [GAP_BLOCK, QUESTION_BLOCK, INPUTS_BLOCK, ANSWER_BLOCK],
    ),
]


@pytest.mark.parametrize(("request_", "blocks"), SAME, ids=[type(request).__name__ for request, _ in SAME])
def test_both_ask_the_model_in_the_same_words(request_: Request, blocks: list[str]) -> None:
    ours = rendered(request_)
    theirs = prompts.messages(ours.operation, CV.text, JOB.text, blocks)
    texts = [message["content"] for message in theirs]
    task = ours.task.replace(' quote=""', "")  # what a claim quotes is what the alternative does not look up
    assert texts == [ours.system, ours.context, task]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("write_question", shapes.WrittenQuestion),
        ("write_prompts", shapes.WrittenPrompts),
        ("write_answer", shapes.Answer),
        ("evaluate_answer", shapes.Judgement),
    ],
)
def test_the_alternatives_shapes_have_the_fields_that_its_requests_ask_for(
    operation: str, kind: type[shapes.BaseModel]
) -> None:
    asked = prompts.options(operation)["response_format"]["json_schema"]["schema"]
    assert asked == WORDINGS[operation].schema
    assert kind.model_json_schema()["required"] == asked["required"]


def test_ratios_are_of_medians_and_only_where_both_were_measured() -> None:
    turn = dict.fromkeys(SHOWN, 10.0)
    rounds = {10: {ASKWELL: [turn | {"questions/s": each} for each in (30.0, 10.0, 20.0)], ALTERNATIVE: [turn]}}
    ratios = [figure for figure in figures_of(rounds) if figure.workload == f"{ASKWELL} / {ALTERNATIVE}"]
    assert {figure.name: figure.median for figure in ratios} == dict.fromkeys(COMPARED, 1.0) | {"questions/s": 2.0}
    unfinished = {10: {ASKWELL: [turn], ALTERNATIVE: []}}
    assert {figure.workload for figure in figures_of(unfinished)} == {ASKWELL}
    assert [len(list(compared(each))) for each in (rounds, unfinished)] == [1, 1]
