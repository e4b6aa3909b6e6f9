"""A prompt's value: made from what was typed or scripted, and said again as text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches

from serve_app.http.bodies import MAX_INPUT_CHARS
from state.model import InputValue, Prompt, PromptType

Written = str | int | float | list[str]
"""A value as a JSON file holds it."""
MAX_NUMBER = 10**15


def parsed(prompt: Prompt, text: str) -> InputValue | None:
    """What was typed, as the prompt's type wants it; None if it does not fit."""
    if not text:
        return None
    match prompt.type:
        case PromptType.TEXT | PromptType.TEXTAREA:
            return text if len(text) <= MAX_INPUT_CHARS else None
        case PromptType.NUMBER:
            return _number(text)
        case PromptType.SELECT:
            return _option(text, prompt.options)
        case PromptType.MULTISELECT:
            chosen = [_option(part.strip(), prompt.options) for part in text.split(",") if part.strip()]
            options = tuple(dict.fromkeys(option for option in chosen if option is not None))
            return options if options and None not in chosen else None


def fitted(prompt: Prompt, value: Written) -> InputValue | None:
    """What was scripted, as near as it comes to what the prompt's type wants; None if it cannot be that."""
    match prompt.type:
        case PromptType.TEXT | PromptType.TEXTAREA:
            return said(value)
        case PromptType.NUMBER:
            number = re.search(r"-?\d+(?:\.\d+)?", said(value))
            return number and _number(number.group())
        case PromptType.SELECT:
            return _nearest(said(value), prompt)
        case PromptType.MULTISELECT:
            parts = value if isinstance(value, list) else said(value).split(",")
            near = (_nearest(part.strip(), prompt) for part in parts)
            return tuple(dict.fromkeys(option for option in near if option is not None))


def said(value: InputValue | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _nearest(text: str, prompt: Prompt) -> str | None:
    """The option most like the text; one that is not much like it only where the prompt is required."""
    options = {option.casefold(): option for option in prompt.options}
    near = get_close_matches(text.casefold(), options, n=1, cutoff=0.0 if prompt.required else 0.6)
    return options[near[0]] if near else None


def _option(text: str, options: Sequence[str]) -> str | None:
    """By its number or its words."""
    if text.isdecimal() and 1 <= int(text) <= len(options):
        return options[int(text) - 1]
    return next((option for option in options if option.casefold() == text.casefold()), None)


def _number(text: str) -> int | float | None:
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number) and abs(number) <= MAX_NUMBER:
            return int(number) if number.is_integer() else number
    return None
