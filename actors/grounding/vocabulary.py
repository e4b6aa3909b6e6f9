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


def phrases(text: str) -> re.Pattern[str]:
    """A pattern for any of the phrases of a list parted by commas, in any letters.

    'trust*' stands for every word that begins so; a space also stands for a hyphen.
    """
    listed = (" ".join(phrase.split()) for phrase in text.split(","))
    worded = (re.escape(phrase).replace(r"\*", r"[\w'’]*").replace(r"\ ", r"[\s-]+") for phrase in listed if phrase)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(worded, key=len, reverse=True))})(?!\w)", re.IGNORECASE)


PAST_FORMS = words_of(
    """began brought built chose cut did drew drove found gave grew held kept led left made met oversaw put ran rebuilt
    rewrote sent set sold spoke taught took undertook went won wrote"""
)
"""Of common verbs whose past does not end in -ed."""
