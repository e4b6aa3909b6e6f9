"""How the stub decides: faults, latencies and scores by seed, configuration, unknown schemas."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from statistics import median

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.provider_stub.calls import End, Generation, Operation, Provider, Sending
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.draws import Draws
from loadtests.provider_stub.embedding import embedded, packed
from loadtests.provider_stub.faults import Fault, FaultPlan, spoiled, struck
from loadtests.provider_stub.latency import Latency, timing
from loadtests.provider_stub.prefix_cache import PrefixCache
from loadtests.provider_stub.recognition import filled, operation_of
from loadtests.provider_stub.replies import Circumstances, reply_to
from state.errors import InvalidField


def draws(number: int = 1, *, seed: int = 0) -> Draws:
    return Draws(seed=seed, operation="openai:write_answer", number=number)


@given(seed=st.integers(), number=st.integers(1), purpose=st.text())
def test_a_figure_depends_on_seed_call_and_purpose_alone(seed: int, number: int, purpose: str) -> None:
    drawn = draws(number, seed=seed).uniform(purpose)
    other = draws(number, seed=seed)
    other.uniform("something else")
    assert drawn == other.uniform(purpose)
    assert 0 <= drawn < 1


def test_another_seed_strikes_other_calls() -> None:
    plan = FaultPlan(shares={Fault.SERVER_ERROR: 0.5})
    first = [struck(plan, draws(n), position=n - 1) for n in range(1, 101)]
    again = [struck(plan, draws(n), position=n - 1) for n in range(1, 101)]
    other = [struck(plan, draws(n, seed=1), position=n - 1) for n in range(1, 101)]
    assert first == again
    assert first != other


def test_faults_strike_in_their_shares() -> None:
    plan = FaultPlan(shares={Fault.RATE_LIMITED: 0.2, Fault.STALL: 0.05})
    counted = Counter(struck(plan, draws(n), position=n) for n in range(4000))
    assert counted[Fault.RATE_LIMITED] / 4000 == pytest.approx(0.2, abs=0.03)
    assert counted[Fault.STALL] / 4000 == pytest.approx(0.05, abs=0.02)


def test_a_script_comes_before_the_shares() -> None:
    plan = FaultPlan(script=(Fault.STALL, None, Fault.REFUSED), shares={Fault.SERVER_ERROR: 1.0})
    assert [struck(plan, draws(n), position=n) for n in range(4)] == [
        Fault.STALL,
        None,
        Fault.REFUSED,
        Fault.SERVER_ERROR,
    ]


def test_shares_of_more_than_one_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        FaultPlan(shares={Fault.STALL: 0.6, Fault.REFUSED: 0.6})


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.MALFORMED])
def test_a_spoiled_text_is_no_json(fault: Fault) -> None:
    fields = {"text": "Have you?", "minutes": 3}
    spoilt = spoiled(fault, json.dumps(fields), fields, draws())
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoilt)


def test_a_judgement_breaks_its_schema_by_a_score_of_11_or_without_its_criteria() -> None:
    fields = {"criteria": [{"name": "evidence", "score": 8}], "issues": []}
    broken = [json.loads(spoiled(Fault.SCHEMA_BREAK, "", fields, draws(n))) for n in range(20)]
    scores = [judged["criteria"][0]["score"] for judged in broken if "criteria" in judged]
    assert set(scores) == {11}
    assert 0 < len(scores) < 20


def test_a_fixed_latency_is_the_same_for_every_call() -> None:
    fixed = Latency(median_ms=200, first_token_share=0.25)
    times = {timing(fixed, draws(n), output_tokens=50) for n in range(10)}
    assert [(time.first_s, time.total_s) for time in times] == [(0.05, 0.2)]


def test_a_lognormal_latency_has_its_median_and_spread() -> None:
    drawn = Latency(median_ms=1000, sigma=0.5)
    totals = sorted(timing(drawn, draws(n), output_tokens=0).total_s for n in range(4000))
    assert median(totals) == pytest.approx(1.0, rel=0.05)
    assert totals[int(4000 * 0.8413)] == pytest.approx(1.6487, rel=0.06)  # e^sigma, one deviation up


def test_a_longer_output_takes_longer_at_a_pace_per_token() -> None:
    paced = Latency(median_ms=100, per_token_ms=10, first_token_share=0.5)
    time = timing(paced, draws(), output_tokens=40)
    assert [time.first_s, time.total_s] == pytest.approx([0.05, 0.5])
    due = [time.of_piece(place, 10) for place in range(10)]
    assert due == sorted(due)
    assert [due[0], due[-1]] == pytest.approx([time.first_s, time.total_s])


def sent(*, latency: Latency, fault: Fault | None = None) -> Sending:
    """What goes out to a streamed call without a schema."""
    asked = Generation(
        provider=Provider.OPENAI,
        model="gpt-5-mini",
        operation=Operation.OTHER,
        prompt=b"Hello",
        told="Hello",
        cache_scope="",
        schema=None,
        stream=True,
        usage_in_stream=False,
        max_output_tokens=None,
    )
    config = StubConfig(latency={"*": latency}, tokens_per_chunk=1)
    cache = PrefixCache(clock_s=lambda: 0.0)
    return reply_to(asked, Circumstances(config=config, cache=cache, draws=draws(), number=1, fault=fault))[0]


def test_a_stream_leaves_chunk_by_chunk_from_the_first_token_to_the_end() -> None:
    sending = sent(latency=Latency(median_ms=1000, first_token_share=0.4))
    due = [at_s for at_s, _ in sending.pieces]
    assert len(due) > 5
    assert due == sorted(due)
    assert [due[0], due[-1]] == pytest.approx([0.4, 1.0])
    assert sending.pieces[-1][1].endswith(b"data: [DONE]\n\n")


def test_a_stream_without_latency_leaves_in_one_piece_of_the_same_bytes() -> None:
    at_once, paced = sent(latency=Latency()), sent(latency=Latency(median_ms=1))
    assert len(at_once.pieces) == 1
    assert at_once.pieces[0][1] == b"".join(chunk for _, chunk in paced.pieces)


def test_a_stream_that_is_cut_off_keeps_its_pace_until_then() -> None:
    slow = Latency(median_ms=1000)
    cut = sent(latency=slow, fault=Fault.CUT_OFF)
    assert cut.end is End.HANG_UP
    assert cut.pieces == sent(latency=slow).pieces[: len(cut.pieces)]


def test_the_narrowest_selector_counts() -> None:
    table = {name: Latency(median_ms=ms) for ms, name in enumerate(("*", "openai:*", "embed", "openai:embed"), 1)}
    config = StubConfig(latency=table)
    assert config.latency_of(Provider.GEMINI, Operation.FIND_GAPS).median_ms == 1
    assert config.latency_of(Provider.OPENAI, Operation.FIND_GAPS).median_ms == 2
    assert config.latency_of(Provider.GEMINI, Operation.EMBED).median_ms == 3
    assert config.latency_of(Provider.OPENAI, Operation.EMBED).median_ms == 4


def test_a_configuration_survives_json() -> None:
    config = StubConfig(
        seed=7,
        latency={"*": Latency(median_ms=900, sigma=0.3)},
        faults={"openai:write_answer": FaultPlan(shares={Fault.STALL: 0.1}, script=(None, Fault.CUT_OFF))},
        openai_write_charging=("gpt-5.6",),
    )
    assert StubConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"sede": 1}', "config.sede"),
        ('{"latency": {"write_anser": {}}}', "config.latency.write_anser.[key]"),
        ('{"faults": {"*": {"shares": {"on_fire": 0.1}}}}', "config.faults.*.shares.on_fire.[key]"),
        ('{"openai_idle_s": 601}', "config.openai_idle_s"),
        ('{"score_low": 9, "score_high": 8}', "config"),
        ("{", "config"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_field_that_is_wrong(text: str, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        StubConfig.from_json(text)
    assert refused.value.field == field


def test_geminis_minimum_goes_by_the_family_and_is_the_highest_for_an_unknown_one() -> None:
    config = StubConfig()
    minimums = [config.gemini_minimum(name) for name in ("gemini-2.5-flash-lite", "gemini-3.1-pro", "gemini-9")]
    assert minimums == [2048, 4096, 4096]


@pytest.mark.parametrize(
    ("properties", "operation"),
    [
        (("gaps",), Operation.FIND_GAPS),
        (("text", "why", "answer_type", "minutes"), Operation.WRITE_QUESTION),
        (("prompts",), Operation.WRITE_PROMPTS),
        (("title", "bullets"), Operation.WRITE_ANSWER),
        (("criteria", "issues"), Operation.EVALUATE_ANSWER),
        (("summary",), Operation.OTHER),
    ],
)
def test_an_operation_is_told_from_the_properties_of_its_schema(
    properties: tuple[str, ...], operation: Operation
) -> None:
    inline = {"type": "object", "properties": {name: {"type": "string"} for name in properties}}
    assert operation_of("", inline, "") is operation
    assert operation_of("", {"$ref": "#/$defs/It", "$defs": {"It": inline}}, "") is operation


def test_an_answer_asked_for_with_an_evaluation_is_a_refined_one() -> None:
    assert operation_of("Answer", None, "<evaluation>\n</evaluation>") is Operation.REFINE_ANSWER


def test_an_unknown_schema_is_filled() -> None:
    schema = {
        "type": "object",
        "required": ["name", "age", "level", "tags", "place", "parent", "maybe", "fixed"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 6},
            "age": {"type": "integer", "minimum": 18, "maximum": 99},
            "level": {"enum": ["low", "high"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "place": {"$ref": "#/$defs/Place"},
            "parent": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
            "maybe": {"type": ["null", "boolean"]},
            "fixed": {"const": 3},
        },
        "$defs": {
            "Place": {
                "type": "object",
                "properties": {"share": {"type": "number", "maximum": 0}},
                "required": ["share"],
            }
        },
    }
    jsonschema.validate(filled(schema), schema)


def test_a_schema_in_geminis_dialect_is_filled() -> None:
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}, "all": {"type": "ARRAY", "minItems": 1}}}
    assert filled(schema) == {"n": 1, "all": [None]}


def test_a_schema_that_holds_itself_is_filled_to_an_end() -> None:
    schema = {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}}
    assert json.dumps(filled(schema)).count("next") < 20


def test_texts_that_share_words_are_nearer_than_texts_that_share_none() -> None:
    def likeness(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(embedded(one, 256), embedded(other, 256), strict=True))

    assert likeness("ran a night ward", "ran a night ward") == pytest.approx(1)
    assert likeness("ran a night ward", "night ward, two years") > likeness("ran a night ward", "Kubernetes and Helm")


@given(text=st.text(), dimensions=st.integers(1, 300))
def test_a_vector_has_its_dimensions_and_length_1(text: str, dimensions: int) -> None:
    vector = embedded(text, dimensions)
    assert len(vector) == dimensions
    assert sum(value * value for value in vector) == pytest.approx(1)
    assert len(b64decode(packed(vector))) == 4 * dimensions
