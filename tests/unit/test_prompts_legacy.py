"""The layout that costs are compared with: as it was, and rather too short than too long."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from test_prompts_rendering import ASK, FIND, JUDGE, PROMPT, REFINE, WRITE, requests

from actors.llm import Request
from actors.models import tokens_likely
from actors.prompts import rendered
from actors.prompts.legacy import CHARACTERS_PER_TOKEN, MAX_VARIABLE, legacy_input_tokens, legacy_text
from actors.prompts.schemas import wire
from state.messages import WriteQuestion

had_a_prompt = pytest.mark.parametrize("request_", [ASK, WRITE, REFINE, JUDGE], ids=lambda kind: type(kind).__name__)


def told(request: Request) -> str:
    text = legacy_text(request)
    assert text is not None
    return text


@had_a_prompt
def test_a_prompt_has_150_to_235_tokens_before_its_schema(request_: Request) -> None:
    system = told(request_).split("Respond with JSON")[0]
    assert 150 <= tokens_likely(len(system)) <= 235


@had_a_prompt
def test_variables_stand_in_the_middle_then_comes_the_schema_then_a_line(request_: Request) -> None:
    text = told(request_)
    assert text.index("You are") < text.index("Gap: words") < text.index("Respond with JSON") < text.index('{"type"')
    assert re.fullmatch(r"\w+ the \w+\.", text.splitlines()[-1])
    assert "$" not in text


@had_a_prompt
def test_the_cv_is_a_count_and_the_job_its_title(request_: Request) -> None:
    assert "Platform engineer" in told(request_)
    assert "Kubernetes" not in told(request_)
    assert "Imogen" not in told(request_)


def test_variables_are_cut() -> None:
    long = requests("w" * 1_000)[3]
    assert "w" * MAX_VARIABLE in told(long)
    assert "w" * (MAX_VARIABLE + 1) not in told(long)


def test_no_two_gaps_share_a_prefix_worth_caching() -> None:
    assert isinstance(ASK, WriteQuestion)
    one, other = told(ASK), told(replace(ASK, gap=replace(ASK.gap, title="other")))
    shared = next(n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    assert tokens_likely(shared) < 128


@pytest.mark.parametrize("request_", [FIND, PROMPT], ids=lambda kind: type(kind).__name__)
def test_an_operation_it_did_not_have_counts_as_ours(request_: Request) -> None:
    prompt = rendered(request_)
    ours = len(wire(prompt.schema)) + len(prompt.system) + len(prompt.context) + len(prompt.task)
    assert legacy_text(request_) is None
    assert prompt.legacy_input_tokens == tokens_likely(ours)


@had_a_prompt
def test_a_rendered_request_tells_the_estimate(request_: Request) -> None:
    prompt = rendered(request_)
    assert prompt.legacy_input_tokens == int(len(told(request_)) / CHARACTERS_PER_TOKEN)
    assert prompt.legacy_input_tokens == legacy_input_tokens(request_, ours=0)
    assert prompt.legacy_input_tokens < tokens_likely(len(prompt.system))
