"""Whether a candidate's inputs fit the prompts they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from state.errors import InvalidField
from state.events import InputsGiven, QuestionEvent, RefinementGiven
from state.model import Inputs, InputValue, Prompt, PromptType, Question


def check_inputs(question: Question, event: QuestionEvent) -> None:
    """Refuse inputs that no prompt asked for, that are of the wrong type, or that leave out a required one.

    A refinement may answer its follow-ups and answer any earlier prompt anew, but has to say something.
    Raises `InvalidField` naming `inputs.PROMPT_ID`.
    """
    match event:
        case InputsGiven(inputs=inputs):
            _check(inputs, question.prompts)
            for prompt in question.prompts:
                if prompt.required and _blank(inputs.get(prompt.id, "")):
                    raise InvalidField(field=f"inputs.{prompt.id}", fix="is required")
        case RefinementGiven(inputs=inputs):
            _check(inputs, (*question.prompts, *question.follow_ups))
        case _:
            return
    if all(map(_blank, inputs.values())):
        raise InvalidField(field="inputs", fix="answer at least one prompt")


def _check(inputs: Inputs, prompts: Iterable[Prompt]) -> None:
    known: Mapping[str, Prompt] = {prompt.id: prompt for prompt in prompts}
    for prompt_id, value in inputs.items():
        prompt = known.get(prompt_id)
        if prompt is None:
            raise InvalidField(
                field=f"inputs.{prompt_id[:80]}", fix=f"is no prompt of this question; use {', '.join(known)}"
            )
        if wanted := _mismatch(prompt, value):
            raise InvalidField(field=f"inputs.{prompt_id}", fix=wanted)


def _mismatch(prompt: Prompt, value: InputValue) -> str | None:
    """What the prompt wants instead of the value, or None if it fits."""
    match prompt.type:
        case PromptType.TEXT | PromptType.TEXTAREA:
            return None if isinstance(value, str) else "must be text"
        case PromptType.NUMBER:
            return None if isinstance(value, int | float) else "must be a number"
        case PromptType.SELECT:
            return None if value == "" or value in prompt.options else f"must be one of {', '.join(prompt.options)}"
        case PromptType.MULTISELECT:
            chosen = value if isinstance(value, tuple) else (value,)
            fits = all(option in prompt.options for option in chosen)
            return None if fits else f"must be a list out of {', '.join(prompt.options)}"


def _blank(value: InputValue) -> bool:
    return not value.strip() if isinstance(value, str) else value == ()
