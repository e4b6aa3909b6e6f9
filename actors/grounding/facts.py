"""A fact as it is read out of a text."""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """`words` as they stand in the text, `key` what every way of writing them has in common."""

    words: str
    key: Key
