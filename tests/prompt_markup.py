"""The way back from the markup of prompts."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ENTITIES: Mapping[str, str] = {"lt": "<", "quot": '"', "lsqb": "[", "amp": "&"}
_ENTITY = re.compile(rf"&({'|'.join(_ENTITIES)});")


def unescaped(text: str) -> str:
    """The text that `actors.prompts.markup.escaped` was given, as far as a person can see it."""
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[1]], text)
