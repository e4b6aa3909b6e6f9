"""What goes between processes comes out as it went in, for every method of every port."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import msgspec
import pytest

from serve_app import wire
from serve_app.http.service import EvaluatorPool, GeneratorPool, RetrieverPool, Sessions
from serve_app.remote import WIRED
from state.messages import FindGaps, FindSimilar, Origin, Owner, WriteAnswer, WriteQuestions
from state.model import Document, Experience
from tests.fakes import INPUTS, PROMPTS, a_gap, an_answer
from tests.unit.test_codec import a_session
from tests.unit.test_workflow import SAMPLES, walk

PORTS = (GeneratorPool, EvaluatorPool, RetrieverPool)
CALLS = [(port, name) for port in PORTS for name, _ in inspect.getmembers(port, inspect.isfunction) if name[0] != "_"]
OWNER = Owner(tenant="acme", user="ada", session_id="s1")
CV = Document(text="Ada\nTen years of Kubernetes")


@pytest.mark.parametrize(("port", "name"), CALLS)
def test_every_method_of_a_pool_is_for_the_wire(port: type, name: str) -> None:
    assert isinstance(wire.arguments(port, name), msgspec.msgpack.Decoder)
    assert isinstance(wire.result(port, name), msgspec.msgpack.Decoder)


@pytest.mark.parametrize("name", sorted(WIRED))
def test_what_a_session_actor_replies_at_length_is_for_the_wire(name: str) -> None:
    question = replace(walk(*list(SAMPLES.values())[:1]), inputs=INPUTS, answer=an_answer())
    value = question if name == "reply" else a_session(questions=(question,), gaps=(a_gap(),))
    assert wire.result(Sessions, name).decode(wire.encode(value)) == value


@pytest.mark.parametrize(
    ("port", "name", "arguments"),
    [
        (GeneratorPool, "find_gaps", (FindGaps(cv=CV, job=CV, limit=3, origin=Origin(flags={"a": True})),)),
        (GeneratorPool, "write_questions", (WriteQuestions(gaps=(a_gap(),), cv=CV, job=CV, deadline_s=math.inf),)),
        (
            GeneratorPool,
            "write_answer",
            (
                WriteAnswer(
                    gap=a_gap(),
                    question="?",
                    prompts=PROMPTS,
                    inputs={"text": "é", "one": 1, "half": 0.5, "tools": ("Helm", "K3s")},
                    cv=CV,
                ),
            ),
        ),
        (RetrieverPool, "find_similar", (FindSimilar(texts=("a", "b"), cv=CV, owner=OWNER),)),
        (RetrieverPool, "forget", (OWNER,)),
        (RetrieverPool, "ready", ()),
    ],
)
def test_arguments_come_out_as_they_went_in(port: type, name: str, arguments: tuple[object, ...]) -> None:
    assert wire.arguments(port, name).decode(wire.encode(arguments)) == arguments


def test_a_result_comes_out_as_it_went_in() -> None:
    found = ((Experience(source="cv:1", text="Ten years", similarity=0.25),), ())
    assert wire.result(RetrieverPool, "find_similar").decode(wire.encode(found)) == found
    assert wire.result(RetrieverPool, "remember").decode(wire.encode(None)) is None


def test_another_method_s_message_is_refused() -> None:
    sent = wire.encode((OWNER,))
    with pytest.raises(msgspec.ValidationError):
        wire.arguments(RetrieverPool, "find_similar").decode(sent)
