"""The requests to the model: Askwell's own words, so that both send and are sent the same, laid out by f-strings.

Left out of what Askwell does to a request: nothing is escaped, and nothing is counted or estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from actors.prompts import WORDINGS
from loadtests.alternative.shapes import Inputs

Message = dict[str, str]
Fields = Mapping[str, Any]
"""A gap, prompt, answer or evaluation as a dictionary, as the state of a thread holds it."""

CRITERIA = "specificity, evidence, professional_language, relevance"
_TASKS = {name: Template(wording.task).safe_substitute(criteria=CRITERIA) for name, wording in WORDINGS.items()}


def options(operation: str) -> dict[str, Any]:
    """What a request of this operation has besides its messages: the form of the reply and its bound."""
    wording = WORDINGS[operation]
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": wording.result, "strict": True, "schema": dict(wording.schema)},
        },
        "max_completion_tokens": wording.max_output_tokens,
    }


def messages(operation: str, cv: str, job: str, blocks: list[str]) -> list[Message]:
    """From what is the same for every call to what is this call's own."""
    return [
        {"role": "system", "content": WORDINGS[operation].system},
        {"role": "user", "content": _context(cv, job)},
        {"role": "user", "content": "\n\n".join([*blocks, _TASKS[operation]])},
    ]


def gap_block(gap: Fields) -> str:
    fields = {**gap, "skills": ", ".join(gap["skills"])}
    return _node("gap", [f"<{name}>{text}</{name}>" for name, text in fields.items()])


def question_block(text: str) -> str:
    return f"<question>{text}</question>"


def similar_block() -> str:
    """No experiences: there is no store to find them in."""
    return _node("similar", [])


def prompts_block(prompts: Sequence[Fields]) -> str:
    return _node("prompts", [f'<prompt id="{one["id"]}">{one["question"]}</prompt>' for one in prompts])


def inputs_block(inputs: Inputs) -> str:
    return _node("inputs", [f'<input id="{name}">{_said(value)}</input>' for name, value in inputs.items()])


def answer_block(answer: Fields) -> str:
    bullets = [_node("bullet", _bullet(bullet), f' kind="{bullet["kind"]}"') for bullet in answer["bullets"]]
    return _node("answer", [f"<title>{answer['title']}</title>", *bullets])


def evaluation_block(evaluation: Fields) -> str:
    return _node(
        "evaluation",
        [
            *(f'<criterion name="{one["name"]}">{one["reason"]}</criterion>' for one in evaluation["criteria"]),
            *(f'<issue label="{one["label"]}">{one["description"]}</issue>' for one in evaluation["issues"]),
            *(f'<suggestion title="{one["title"]}">{one["help"]}</suggestion>' for one in evaluation["suggestions"]),
        ],
    )


def _context(cv: str, job: str) -> str:
    lines = [f"{number}: {line.strip()}" for number, line in enumerate(cv.splitlines(), 1) if line.strip()]
    return f"{_node('cv', lines)}\n\n{_node('job', [line.strip() for line in job.splitlines() if line.strip()])}"


def _bullet(bullet: Fields) -> list[str]:
    claims = (f'<claim source="{claim["source"]}">{claim["text"]}</claim>' for claim in bullet["claims"])
    return [f"<text>{bullet['text']}</text>", *claims]


def _node(tag: str, children: list[str], attributes: str = "") -> str:
    return "\n".join([f"<{tag}{attributes}>", *children, f"</{tag}>"])


def _said(value: str | float | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
