"""Replies typed at the keyboard: asked one by one, and asked again where they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from serve_app.client import ExperienceReply
from serve_app.http.bodies import MAX_INPUT_CHARS
from serve_app.http.views import QuestionView
from serve_app.terminal.screen import Screen
from serve_app.terminal.values import parsed
from state.errors import AskwellError
from state.model import Gap, Inputs, InputValue, Prompt, PromptType
from state.workflow import MAX_REFINEMENTS

Choice = TypeVar("Choice")

REPLIES: Mapping[str, ExperienceReply] = {
    **dict.fromkeys(("y", "yes"), "yes"),
    **dict.fromkeys(("n", "no"), "no"),
    **dict.fromkeys(("l", "learn", "w", "willing to learn", "willing_to_learn"), "willing_to_learn"),
}
AGAIN: Mapping[str, bool] = {"y": True, "yes": True, "n": False, "no": False}
_HINTS: Mapping[PromptType, str] = {
    PromptType.TEXT: "text",
    PromptType.TEXTAREA: "text, ended by an empty line",
    PromptType.SELECT: "one number",
    PromptType.MULTISELECT: "numbers, with commas between",
    PromptType.NUMBER: "a number",
}


class Typed:
    """A candidate at the keyboard."""

    def __init__(self, screen: Screen, ask: Callable[[str], str]) -> None:
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415 - gives `input` editing, and lines of more than 4,096 characters
        self._screen = screen
        self._ask = ask

    def experience(self, gap: Gap) -> ExperienceReply:
        self._screen.line(f"\nDo you have experience with this: {gap.title}?", "bold")
        return self._choice("yes / no / learn (willing to learn)> ", REPLIES, "Please reply yes, no or learn.")

    def inputs(self, gap: Gap, question: QuestionView) -> Inputs:
        prompts = question.prompts
        if "refinement" in question.actions:
            prompts = question.follow_ups
            self._screen.line(f"\nWhat would raise it (round {question.refinements + 1} of {MAX_REFINEMENTS}):", "bold")
            self._screen.line("Leave all of them blank to keep the answer as it is.", "dim")
        given = {prompt.id: self._value(prompt) for prompt in prompts}
        return {prompt_id: value for prompt_id, value in given.items() if value is not None}

    def sends_again(self, problem: AskwellError) -> bool:
        """Asked only where the problem may pass."""
        if getattr(problem, "retry_after_s", None) is None:
            return False
        self._screen.problem(problem)
        return self._choice("Send your replies again? yes / no> ", AGAIN, "Please reply yes or no.")

    def keeps(self, question: QuestionView, inputs: Inputs) -> None:
        self._screen.given_back(question, inputs)

    def _choice(self, shown: str, choices: Mapping[str, Choice], fix: str) -> Choice:
        while True:
            choice = choices.get(self._read(shown).casefold())
            if choice is not None:
                return choice
            self._screen.line(fix, "yellow")

    def _value(self, prompt: Prompt) -> InputValue | None:
        self._screen.prompt(prompt)
        hint, read = _HINTS[prompt.type], self._text if prompt.type is PromptType.TEXTAREA else self._read
        while True:
            text = read(f"{hint}> ")
            if not text and not prompt.required:
                return None
            value = parsed(prompt, text)
            if value is not None:
                return value
            self._screen.line(_complaint(text, hint), "yellow")

    def _text(self, shown: str) -> str:
        lines = [self._read(shown)]
        while lines[-1]:
            lines.append(self._read("... "))
        return "\n".join(lines[:-1])

    def _read(self, shown: str) -> str:
        return self._ask(shown).encode(errors="replace").decode().strip()


def _complaint(text: str, hint: str) -> str:
    if not text:
        return "This one is needed."
    too_long = len(text) > MAX_INPUT_CHARS
    return f"That is {len(text):,} characters; at most {MAX_INPUT_CHARS:,} fit." if too_long else f"Please give {hint}."
