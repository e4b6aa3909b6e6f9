"""Replies read from a file like `examples/*/answers.json`, and matched to the questions they speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from serve_app.client import ExperienceReply
from serve_app.http.views import QuestionView, SessionView
from serve_app.terminal.screen import Screen
from serve_app.terminal.values import Written, fitted, said
from state.errors import AskwellError, InvalidField
from state.model import Gap, Inputs, Prompt, PromptType


class Reply(BaseModel):
    """One scripted reply, for the first gap that `about` occurs in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    response: ExperienceReply
    inputs: dict[str, Written] = {}
    refinement: dict[str, Written] = {}


class _ReplyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    replies: list[Reply]


class Scripted:
    """A candidate whose replies stand in a file; what it does not speak of is answered 'no'."""

    def __init__(self, screen: Screen, replies: Sequence[Reply], session: SessionView) -> None:
        gaps = {gap.id: gap for gap in session.gaps}
        self._screen = screen
        self._replies = matched(replies, [gaps[question.gap_id] for question in session.questions])

    def experience(self, gap: Gap) -> ExperienceReply:
        reply = self._replies.get(gap.id)
        response: ExperienceReply = "no" if reply is None else reply.response
        self._screen.line(f"> {response.replace('_', ' ')}")
        return response

    def inputs(self, gap: Gap, question: QuestionView) -> Inputs:
        reply = self._replies.get(gap.id)
        if reply is None:
            return {}
        inputs = refined(reply, question) if "refinement" in question.actions else given(reply, question.prompts)
        for prompt in (*question.prompts, *question.follow_ups):
            if prompt.id in inputs:
                self._screen.line(prompt.question, "bold")
                self._screen.line(f"> {said(inputs[prompt.id])}")
        return inputs

    def sends_again(self, problem: AskwellError) -> bool:
        return False

    def keeps(self, question: QuestionView, inputs: Inputs) -> None:
        """They stand in the file."""


def read_replies(path: Path) -> list[Reply]:
    """The replies of a JSON file like `examples/*/answers.json`. Raises `InvalidField`."""
    try:
        return _ReplyFile.model_validate_json(path.read_bytes()).replies
    except OSError as error:
        raise InvalidField(field=path.name, fix=f"cannot be opened ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidField(field=path.name, fix=f"{where}: {first['msg']}".removeprefix(": ")) from None


def matched(replies: Sequence[Reply], gaps: Sequence[Gap]) -> dict[str, Reply]:
    """By gap id: the first reply left whose `about` stands in the title as words; else one in what the job asks."""
    found: dict[str, Reply] = {}
    left = list(replies)
    for texts in ({gap.id: gap.title for gap in gaps}, {gap.id: gap.job_asks for gap in gaps}):
        for gap_id, text in texts.items():
            named = (reply for reply in left if _stands_in(reply.about, text))
            if gap_id not in found and (reply := next(named, None)):
                found[gap_id] = reply
                left.remove(reply)
    return found


def given(reply: Reply, prompts: Sequence[Prompt]) -> Inputs:
    """The scripted inputs that the prompts ask for; a required text without one gets the achievement."""
    told = reply.inputs.get("achievement") or next(iter(reply.inputs.values()), None)
    values = dict(reply.inputs)
    for prompt in prompts:
        if prompt.required and told is not None and prompt.type in (PromptType.TEXT, PromptType.TEXTAREA):
            values.setdefault(prompt.id, told)
    return _fitting(values, prompts)


def refined(reply: Reply, question: QuestionView) -> Inputs:
    """First the follow-ups, metrics to those about evidence; what is left, or said again, to the prompts anew.

    A script without a refinement repeats its inputs: the answer is then kept as best effort.
    """
    left = dict(reply.refinement or reply.inputs)
    follow_ups: dict[str, Written] = {}
    if reply.refinement and not question.refinements:
        for prompt in question.follow_ups:
            others = sorted((name for name in left if name != "metrics"), key=lambda name: name != "achievement")
            names = ["metrics", *others] if "evidence" in prompt.id and "metrics" in left else others
            if names:
                follow_ups[prompt.id] = left.pop(names[0])
    return {**_fitting(follow_ups, question.follow_ups), **_fitting(left, question.prompts)}


def _fitting(values: Mapping[str, Written], prompts: Iterable[Prompt]) -> Inputs:
    near = {prompt.id: fitted(prompt, values[prompt.id]) for prompt in prompts if prompt.id in values}
    return {prompt_id: value for prompt_id, value in near.items() if value not in (None, "", ())}


def _stands_in(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None
