"""Tags around data that no data can close."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_LOOKS_LIKE_ENTITY = re.compile("&(?=(?:lt|quot|lsqb|amp);)")

_CONTROL_WORDS = "INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|THINK|gMASK"
_TURN_MARK = re.compile(rf"\[(?=/?(?:{_CONTROL_WORDS})\])")
"""What chat templates of self-hosted models write between turns, where it does not begin with '<'."""

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\U000e0000-\U000e007f]+")
"""Control characters, halves of surrogate pairs, and tag characters: a person sees none, a model reads them."""


def node(tag: str, children: Iterable[str], /, **attributes: str) -> str:
    """An element of elements, each on lines of its own."""
    return "\n".join((_opening(tag, attributes), *children, f"</{tag}>"))


def leaf(tag: str, text: str, /, **attributes: str) -> str:
    """An element of text."""
    return f"{_opening(tag, attributes)}{escaped(text)}</{tag}>"


def escaped(text: str) -> str:
    """`text` so that nothing in it opens or closes a tag or a turn.

    An '&' stays as it is unless it begins what looks like one of our own entities, because quotes of
    'R&D' have to match word for word. Nothing is lost but what `seen` replaces.
    """
    told = _LOOKS_LIKE_ENTITY.sub("&amp;", seen(text)).replace("<", "&lt;")
    return _TURN_MARK.sub("&lsqb;", told)


def seen(text: str, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """`text` with one `instead` for each run of characters that no person could see in it."""
    return _UNSEEN.sub(instead, text)


def _opening(tag: str, attributes: Mapping[str, str]) -> str:
    given = (f' {name}="{_quoted(value)}"' for name, value in attributes.items())
    return f"<{tag}{''.join(given)}>"


def _quoted(text: str) -> str:
    return escaped(text).replace('"', "&quot;")
