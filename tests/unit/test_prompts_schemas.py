"""What providers are asked to reply with, and what is taken as a reply."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.llm import RESULTS, Judgement, Result, schema
from actors.prompts import SCHEMAS, parsed
from actors.prompts.schemas import expected
from state.errors import BrokenReply
from state.messages import FoundGaps, WrittenPrompts, WrittenQuestion
from state.model import Answer, Claim, CriterionName

OPENAI_STRICT = {
    *("type", "enum", "properties", "required", "additionalProperties", "items"),
    *("minimum", "maximum", "minItems", "maxItems"),
}
GEMINI = OPENAI_STRICT | {"prefixItems", "anyOf", "oneOf", "format", "title", "description"}
"""`GenerateContentConfig.response_json_schema` of google-genai names them; '$ref' it takes with no siblings."""

GAP = {
    "id": "g1",
    "title": "Kubernetes",
    "description": "The job runs on it.",
    "priority": "HIGH",
    "cv_shows": "Docker Compose",
    "job_asks": "Kubernetes is required",
    "impact": "Readers look for it.",
    "addressability": "learnable",
    "skills": ["Kubernetes"],
}


def a_prompt(name: str, kind: str = "text", options: tuple[str, ...] = ()) -> dict[str, Any]:
    words = {"question": f"What about {name}?", "options": list(options), "placeholder": "", "help": ""}
    return {"id": name, "type": kind, **words, "required": False}


def a_bullet(kind: str) -> dict[str, Any]:
    return {"kind": kind, "text": "Did it.", "claims": [{"text": "Did it", "source": "input:a"}]}


def a_criterion(name: str) -> dict[str, Any]:
    return {"name": name, "quote": "Did it", "reason": "It is told.", "score": 6.5}


GOOD: dict[type[Result], dict[str, Any]] = {
    FoundGaps: {"gaps": [GAP]},
    WrittenQuestion: {"text": "Have you?", "why": "It is required.", "answer_type": "both", "minutes": 3},
    WrittenPrompts: {
        "prompts": [
            a_prompt("context", "select", ("Work", "Study")),
            a_prompt("duration"),
            a_prompt("tools", "multiselect", ("k3s", "Helm")),
            a_prompt("achievement", "textarea"),
        ]
    },
    Answer: {"title": "Cluster", "bullets": [a_bullet(kind) for kind in ("build", "engineer", "impact")]},
    Judgement: {
        "criteria": [a_criterion(name) for name in CriterionName],
        "issues": [{"label": "Outcome", "description": "None is told."}],
        "strengths": [],
        "suggestions": [{"type": "evidence", "title": "What changed?", "examples": ["time"], "help": ""}],
    },
}

every_kind = pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)


def nodes(node: dict[str, Any], depth: int = 1) -> Iterator[tuple[dict[str, Any], int]]:
    yield node, depth
    for inner in [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]:
        yield from nodes(inner, depth + 1)


def changed(kind: type[Result], path: str, value: Any) -> str:
    """A good reply with `value` at a dotted path."""
    fields = copy.deepcopy(GOOD[kind])
    *parents, last = path.split(".")
    target: Any = fields
    for part in parents:
        target = target[int(part) if isinstance(target, list) else part]
    target[last] = value
    return json.dumps(fields)


def failure(kind: type[Result], text: str) -> str:
    with pytest.raises(BrokenReply) as raised:
        parsed(kind, text)
    return str(raised.value)


class TestSchemas:
    @every_kind
    def test_they_keep_to_what_both_providers_take(self, kind: type[Result]) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMAS[kind])
        for node, _ in nodes(SCHEMAS[kind]):
            assert set(node) <= OPENAI_STRICT & GEMINI
            assert node["type"] in {"object", "array", "string", "number", "integer", "boolean"}

    @every_kind
    def test_every_object_is_closed_and_requires_all_its_properties(self, kind: type[Result]) -> None:
        objects = [node for node, _ in nodes(SCHEMAS[kind]) if node["type"] == "object"]
        assert SCHEMAS[kind] in objects
        for node in objects:
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])

    @every_kind
    def test_they_are_far_below_the_limits_of_strict_mode(self, kind: type[Result]) -> None:
        every = list(nodes(SCHEMAS[kind]))
        assert max(depth for _, depth in every) <= 6  # objects and arrays, and the texts in them
        assert sum(len(node.get("properties", {})) for node, _ in every) < 100
        assert sum(len(node.get("enum", [])) for node, _ in every) < 100
        assert sum(node.get("maxItems", 0) for node, _ in every) < 100

    def test_nothing_but_what_code_fills_in_is_left_out(self) -> None:
        def names(node: Any) -> set[str]:
            if not isinstance(node, dict):
                return set()
            inner = [*node.get("$defs", {}).values(), *node.get("properties", {}).values(), node.get("items")]
            return set(node.get("properties", {})).union(*map(names, inner))

        for kind in RESULTS.values():
            left_out = {"by", "quote"} if kind is Answer else {"by"}
            assert names(SCHEMAS[kind]) == names(schema(kind)) - left_out

    def test_a_score_comes_after_what_it_rests_on(self) -> None:
        criterion = SCHEMAS[Judgement]["properties"]["criteria"]["items"]
        assert list(criterion["properties"]) == ["name", "quote", "reason", "score"]

    @every_kind
    def test_what_the_schema_allows_is_taken(self, kind: type[Result]) -> None:
        jsonschema.Draft202012Validator(SCHEMAS[kind]).validate(GOOD[kind])
        assert isinstance(parsed(kind, json.dumps(GOOD[kind])), kind)

    def test_what_is_expected_of_a_field_is_shallow(self) -> None:
        assert expected("Answer", "Answer.bullets.2.claims") == {
            "type": "array",
            "minItems": 1,
            "maxItems": 4,
            "items": {"type": "object"},
        }
        assert expected("Judgement", "Judgement.criteria.0") == {
            "type": "object",
            "required": ["name", "quote", "reason", "score"],
        }


class TestReplies:
    def test_claims_come_without_quotes_even_where_a_model_gives_some(self) -> None:
        text = changed(Answer, "bullets.0.claims.0.quote", "of its own")
        claims = [claim for bullet in parsed(Answer, text).bullets for claim in bullet.claims]
        assert claims == [Claim(text="Did it", source="input:a", quote="")] * 3

    def test_a_provenance_of_the_models_own_making_is_dropped(self) -> None:
        assert parsed(Answer, changed(Answer, "by", "openai:best")).by == ""

    def test_criteria_come_in_their_usual_order(self) -> None:
        reply = {**GOOD[Judgement], "criteria": GOOD[Judgement]["criteria"][::-1]}
        assert parsed(Judgement, json.dumps(reply)) == parsed(Judgement, json.dumps(GOOD[Judgement]))

    def test_options_stay_only_where_there_is_something_to_choose(self) -> None:
        written = parsed(WrittenPrompts, changed(WrittenPrompts, "prompts.1.options", ["a", "b"]))
        assert written.prompts[1].options == ()
        assert written.prompts[0].options == ("Work", "Study")

    def test_characters_that_no_person_sees_are_cleaned(self) -> None:
        text = changed(Answer, "title", "Clus\x00\x1b\U000e0041ter")
        assert parsed(Answer, text).title == "Clus ter"

    def test_indented_json_is_json(self) -> None:
        assert parsed(Answer, f"\n{json.dumps(GOOD[Answer], indent=4)}\n") == parsed(Answer, json.dumps(GOOD[Answer]))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Imogen knows Kubernetes.",
            "```json\n{}\n```",
            "{} {}",
            "[" * 100_000,
            '{"title": NaN}',
            '{"title": "\\ud800"}',
            '{"title": "a\nb"}',
            '{"title": ' + "9" * 10_000 + "}",
        ],
    )
    def test_what_is_no_json_is_refused(self, text: str) -> None:
        assert failure(Answer, text) == "Answer: no JSON"

    def test_a_key_given_twice_is_refused_without_being_named(self) -> None:
        assert failure(Answer, '{"Imogen": 1, "Imogen": 2}') == "Answer: a key given twice"

    @pytest.mark.parametrize("text", ["[]", '"Imogen"', "null", "7"])
    def test_json_of_another_shape_is_refused(self, text: str) -> None:
        assert failure(Answer, text).startswith("Answer.: ")

    @pytest.mark.parametrize(
        ("kind", "path", "value", "told"),
        [
            (Judgement, "criteria.0.score", 11, "Judgement.criteria.0.score: less_than_equal"),
            (Judgement, "criteria.2.score", 0, "Judgement.criteria.2.score: greater_than_equal"),
            (Judgement, "criteria.1.name", "Imogen", "Judgement.criteria.1.name: enum"),
            (Judgement, "criteria.1.name", "specificity", "Judgement.criteria: not each criterion once"),
            (Judgement, "criteria", [a_criterion("evidence")], "Judgement.criteria: not each criterion once"),
            (Answer, "title", " ", "Answer.title: empty"),
            (Answer, "bullets.1.text", "", "Answer.bullets.1.text: empty"),
            (Answer, "bullets.1.claims", [], "Answer.bullets.1.claims: too_short"),
            (Answer, "bullets.0.kind", "impact", "Answer.bullets: not each kind once and in order"),
            (FoundGaps, "gaps.0.priority", "Imogen", "FoundGaps.gaps.0.priority: enum"),
            (FoundGaps, "gaps.0.title", "\t", "FoundGaps.gaps.0.title: empty"),
            (WrittenQuestion, "minutes", 6, "WrittenQuestion.minutes: less_than_equal"),
            (WrittenQuestion, "text", "", "WrittenQuestion.text: empty"),
            (WrittenPrompts, "prompts", [a_prompt("a")], "WrittenPrompts.prompts: too_short"),
            (WrittenPrompts, "prompts.3.id", "tools", "WrittenPrompts.prompts.3.id: the id of another prompt"),
            (WrittenPrompts, "prompts.3.id", "", "WrittenPrompts.prompts.3.id: empty"),
            (WrittenPrompts, "prompts.2.question", "", "WrittenPrompts.prompts.2.question: empty"),
            (WrittenPrompts, "prompts.0.options", [], "prompts.0.options: fewer than two options to choose from"),
            (WrittenPrompts, "prompts.0.options", ["a", "a"], "prompts.0.options: fewer than two options"),
            (WrittenPrompts, "prompts.0.options", ["a", "b", " "], "prompts.0.options: fewer than two options"),
        ],
    )
    def test_a_reply_out_of_bounds_names_the_field(self, kind: type[Result], path: str, value: Any, told: str) -> None:
        error = failure(kind, changed(kind, path, value))
        assert told in error
        assert "Imogen" not in error

    @given(
        text=st.text(max_size=40)
        | st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["title", "bullets", "claims"]), inner),
        ).map(json.dumps)
    )
    def test_whatever_comes_is_a_result_or_a_broken_reply(self, text: str) -> None:
        for kind in SCHEMAS:
            assert failure(kind, text).startswith(kind.__name__)
