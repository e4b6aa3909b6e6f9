"""Word lists, and the patterns made out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable


def words_of(text: str) -> tuple[str, ...]:
    """A list written as one text."""
    return tuple(text.split())


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of these words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
