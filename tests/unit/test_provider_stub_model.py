"""What the scripted model says: of the shape that is asked for, and in the words of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.grounding import ungrounded
from actors.llm import RESULTS, Judgement, Result, schema, validated
from loadtests.provider_stub.calls import Generation, Operation, Provider
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.draws import Draws
from loadtests.provider_stub.scripted_model import reply_fields
from state.messages import FoundGaps, WrittenPrompts, WrittenQuestion
from state.model import Answer, BulletKind, CriterionName, Document, Inputs

CV = Document(text="Ward nurse\nNorthfield R&D Hospital, 2019 to 2024\nMentored two students")
JOB = """# Site reliability engineer

We are a friendly team of nine people.

## What you will do
- Look after the cluster together with two colleagues.

## What you need
- You must have run Kubernetes in production for at least 3 years.
- You must have run Kubernetes in production for at least 3 years.
- Terraform & Ansible, or another tool of that kind
- Mentored two students

## Nice to have
- Some Go
"""
INPUTS: Inputs = {
    "context": "Side Project",
    "tools": "Helm <3, Argo CD & R&D",
    "achievement": 'Moved 12 services to one cluster and called it "done". Wrote all of the charts myself.',
    "metrics": "Releases went from 2 a month to 3 a week",
}
ANSWER = "Moved 12 services to one cluster."


def escaped(text: str) -> str:
    return text.replace("&lt;", "&amp;lt;").replace("<", "&lt;")


def told(*, inputs: Inputs = INPUTS, job: str = JOB, limit: int = 10, more: str = "") -> str:
    """The text of a request, all blocks that any operation sends."""
    cv = "\n".join(f"{number}: {escaped(line)}" for number, line in CV.lines())
    lines = "\n".join(escaped(line.strip()) for line in job.splitlines() if line.strip())
    given = "\n".join(f'<input id="{name}">{escaped(str(value))}</input>' for name, value in inputs.items())
    answer = f'<answer>\n<title>Cluster</title>\n<bullet kind="build">\n<text>{ANSWER}</text>\n</bullet>\n</answer>'
    return (
        f"<cv>\n{cv}\n</cv>\n\n<job>\n{lines}\n</job>\n\n<limit>{limit}</limit>\n\n"
        f"<gap>\n<title>Kubernetes &lt; 2</title>\n<description>It is missing.</description>\n</gap>\n\n"
        f"<inputs>\n{given}\n</inputs>\n\n{answer}{more}"
    )


def said(
    operation: Operation,
    text: str,
    *,
    config: StubConfig | None = None,
    number: int = 1,
    fields: Mapping[str, Any] | None = None,
) -> Any:
    asked = Generation(
        provider=Provider.OPENAI,
        model="gpt-5-mini",
        operation=operation,
        prompt=b"",
        told=text,
        cache_scope="",
        schema=fields,
        stream=False,
        usage_in_stream=False,
        max_output_tokens=None,
    )
    config = config or StubConfig()
    return reply_fields(asked, config, Draws(seed=config.seed, operation=operation, number=number))[0]


def asked_for(kind: type[Result]) -> dict[str, Any]:
    """The schema of a result, closed, all fields required, without what code fills in."""

    def closed(node: Any, owner: str) -> Any:
        if isinstance(node, list):
            return [closed(inner, owner) for inner in node]
        if not isinstance(node, dict):
            return node
        node = {key: closed(inner, key if key in ("Claim", "Criterion") else owner) for key, inner in node.items()}
        if isinstance(node.get("properties"), dict):
            left_out = {"by", "quote"} if owner == "Claim" else {"by"}
            node["properties"] = {name: inner for name, inner in node["properties"].items() if name not in left_out}
            node |= {"required": list(node["properties"]), "additionalProperties": False}
        return node

    found: dict[str, Any] = closed(schema(kind), "")
    return found


KINDS = {
    Operation.FIND_GAPS: FoundGaps,
    Operation.WRITE_QUESTION: WrittenQuestion,
    Operation.WRITE_PROMPTS: WrittenPrompts,
    Operation.WRITE_ANSWER: Answer,
    Operation.REFINE_ANSWER: Answer,
    Operation.EVALUATE_ANSWER: Judgement,
}


def with_quotes(answer: Any, inputs: Inputs) -> Answer:
    """As code fills them in: here, the whole of the source."""
    for bullet in answer["bullets"]:
        for claim in bullet["claims"]:
            kind, _, name = claim["source"].partition(":")
            claim["quote"] = str(inputs[name]) if kind == "input" else dict(CV.lines())[int(name)]
    return validated(Answer, answer)


def test_every_operation_is_known() -> None:
    assert set(KINDS.values()) == set(RESULTS.values())


@pytest.mark.parametrize("operation", KINDS)
@pytest.mark.parametrize("text", [told(), "", told(inputs={}, job="")])
def test_every_reply_has_exactly_the_shape_that_is_asked_for(operation: Operation, text: str) -> None:
    jsonschema.validate(said(operation, text), asked_for(KINDS[operation]))


def test_gaps_are_lines_of_the_job_under_different_titles() -> None:
    gaps = validated(FoundGaps, said(Operation.FIND_GAPS, told())).gaps
    assert [gap.job_asks for gap in gaps] == [
        "You must have run Kubernetes in production for at least 3 years.",
        "Terraform & Ansible, or another tool of that kind",
        "Some Go",
    ]
    assert [gap.priority for gap in gaps] == ["CRITICAL", "IMPORTANT", "NICE_TO_HAVE"]
    assert len({gap.title for gap in gaps}) == 3


def test_no_more_gaps_come_than_are_asked_for() -> None:
    assert len(said(Operation.FIND_GAPS, told(limit=2))["gaps"]) == 2


def test_a_job_without_a_list_is_read_sentence_by_sentence() -> None:
    gaps = said(Operation.FIND_GAPS, told(job="You have run Kubernetes in production.\nShort"))["gaps"]
    assert [gap["job_asks"] for gap in gaps] == ["You have run Kubernetes in production."]


def test_a_question_names_the_gap() -> None:
    assert "Kubernetes < 2" in said(Operation.WRITE_QUESTION, told())["text"]


def test_prompts_have_ids_of_their_own() -> None:
    prompts = validated(WrittenPrompts, said(Operation.WRITE_PROMPTS, told())).prompts
    assert len({prompt.id for prompt in prompts}) == len(prompts) == 5


def test_an_answer_quotes_the_inputs_and_invents_nothing() -> None:
    answer = with_quotes(said(Operation.WRITE_ANSWER, told()), INPUTS)
    assert ungrounded(answer, INPUTS, CV) == ()
    assert [bullet.kind for bullet in answer.bullets] == list(BulletKind)
    assert "Helm <3, Argo CD & R&D" in answer.title
    assert 'called it "done"' in answer.bullets[0].text
    assert answer.bullets[2].text == "Releases went from 2 a month to 3 a week."


def test_one_input_makes_three_bullets_of_its_sentences() -> None:
    inputs: Inputs = {"achievement": "Built a greenhouse. Drew the plans first. Sold 40 plants."}
    answer = with_quotes(said(Operation.WRITE_ANSWER, told(inputs=inputs)), inputs)
    assert ungrounded(answer, inputs, CV) == ()
    assert answer.bullets[2].text == "Sold 40 plants."


def test_without_inputs_an_answer_points_to_the_cv() -> None:
    answer = with_quotes(said(Operation.WRITE_ANSWER, told(inputs={})), {})
    assert {claim.source for bullet in answer.bullets for claim in bullet.claims} == {"cv:1", "cv:2", "cv:3"}
    assert ungrounded(answer, {}, CV) == ()


SENTENCES = st.lists(
    st.sampled_from(
        [
            "Led a team of 7 at Northfield Hospital",
            "cut waiting times from 40 to 25 minutes",
            "Used Python, Helm & SQL",
            "in May 2023",
            "I wrote <b>half</b> of it",
            "saved about £3,000; nobody had asked",
        ]
    ),
    min_size=1,
    max_size=12,
).map(". ".join)


@given(inputs=st.dictionaries(st.sampled_from(["tools", "duration", "achievement", "metrics", "refine1-1"]), SENTENCES))
def test_no_inputs_make_it_invent(inputs: dict[str, str]) -> None:
    answer = with_quotes(said(Operation.WRITE_ANSWER, told(inputs=inputs)), inputs)
    assert ungrounded(answer, inputs, CV) == ()
    assert all(1 <= len(bullet.claims) <= 4 for bullet in answer.bullets)


def test_worked_examples_before_the_request_are_not_read() -> None:
    example = '<inputs>\n<input id="tools">Excel</input>\n</inputs>\n\n'
    assert said(Operation.WRITE_ANSWER, example + told()) == said(Operation.WRITE_ANSWER, told())


def test_a_share_of_the_answers_invents_a_figure_and_an_employer() -> None:
    config = StubConfig(inventing_share=0.3)
    answers = [said(Operation.WRITE_ANSWER, told(), config=config, number=n) for n in range(200)]
    inventing = [answer for answer in answers if ungrounded(with_quotes(answer, INPUTS), INPUTS, CV)]
    assert len(inventing) / 200 == pytest.approx(0.3, abs=0.1)
    kinds = {found.kind for found in ungrounded(with_quotes(inventing[0], INPUTS), INPUTS, CV)}
    assert {"number", "employer"} <= kinds


def test_all_four_criteria_are_scored_8_and_quote_the_answer() -> None:
    judged = validated(Judgement, said(Operation.EVALUATE_ANSWER, told()))
    assert [criterion.name for criterion in judged.criteria] == list(CriterionName)
    assert {criterion.score for criterion in judged.criteria} == {8.0}
    assert all(criterion.quote in ANSWER for criterion in judged.criteria)
    assert judged.suggestions == ()


def test_drawn_scores_stay_in_their_range_and_repeat() -> None:
    config = StubConfig(score_low=3, score_high=9, seed=4)

    def scores(number: int) -> list[float]:
        judged = validated(Judgement, said(Operation.EVALUATE_ANSWER, told(), config=config, number=number))
        return [criterion.score for criterion in judged.criteria]

    drawn = [scores(n) for n in range(50)]
    assert drawn == [scores(n) for n in range(50)]
    assert len({tuple(four) for four in drawn}) > 40
    assert all(3 <= score <= 9 for four in drawn for score in four)


def test_what_is_scored_low_comes_with_advice() -> None:
    config = StubConfig(score_low=4, score_high=4)
    judged = validated(Judgement, said(Operation.EVALUATE_ANSWER, told(), config=config))
    assert [advice.type for advice in judged.suggestions] == list(CriterionName)[:3]
    assert len(judged.issues) == 3


def test_an_unknown_schema_is_filled_and_none_gets_a_sentence() -> None:
    assert said(Operation.OTHER, "Hello") == "This is what a model would say."
    unknown = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert said(Operation.OTHER, "Hello", fields=unknown) == {"n": 1}
