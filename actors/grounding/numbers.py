"""Figures that an answer asserts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from actors.grounding.facts import Fact, Key
from actors.grounding.quantities import quantities
from actors.grounding.spelled import Quantity
from actors.grounding.units import MULTIPLES, ORDINALS
from actors.grounding.vocabulary import any_of

_RANK = re.compile(
    rf"\b(?:came|come|coming|plac\w+|finish\w+|rank\w+|taking|took|won|winning)(?: in| as)?(?: the)? (?P<rank>{any_of(ORDINALS)})\b",
    re.IGNORECASE,
)
_LIST = re.compile(r" (?:\w+ )?[a-z]+(?:,|:| \() ?(?P<items>\w+(?:(?:, (?:and )?| and )\w+)+)(?=[.,;:)]|$)")
_AGED = re.compile(r"[- ]olds?\b")
_CHANGE_BEFORE = re.compile(
    r"\b(?:by|(?:go(?:es)?|went|goes|is|was|were|are) (?:up|down)|down|up|cuts?|cutting|shaved|shed|trimmed|saving(?: of)?|saves?|saved|gain(?:ed)?(?: of)?|(?:rise|drop|fall|increase|decrease|reduction|improvement) of) "
    r"(?:about |around |roughly |nearly |almost |some )?[£$€]?$",
    re.IGNORECASE,
)
_CHANGE_AFTER = re.compile(
    r" (?:\w+ )?(?:fewer|less|more|faster|shorter|quicker|higher|lower|rise|drop|fall|increase|decrease|reduction|points?)\b"
)


def asserted_numbers(text: str) -> Iterator[Fact]:
    """Every figure as (value, unit), followed by what it is told as.

    'by' marks the size of a change ('by 12'), 'fold' a multiple ('halved'), 'span' a length of time ('in a year').
    """
    for match in _RANK.finditer(text):
        yield Fact(match.group(), (Decimal(ORDINALS[match["rank"].lower()]), "nth"))
    for found in quantities(text):
        if found.words.lower() != "one":
            unit = "" if found.unit == "times" else found.unit
            if text[found.start : found.end].lower().startswith(("in a", "within a")):
                yield Fact(found.words, (found.value, unit, "span"))
                continue
            if _AGED.match(text, found.end):
                unit = ""
            key: Key = (found.value if unit else found.bare, unit)
            if _listed(found, text):
                continue
            size = "fold" if found.words.lower() in MULTIPLES else "by"
            yield Fact(found.words, (*key, size) if is_size(found, text) else key)


def is_size(found: Quantity, text: str) -> bool:
    """Whether a figure is told as the size of a change: 'by 12', '6 fewer', 'halved'."""
    if found.words.lower().startswith("by ") or (found.words.lower() in MULTIPLES and found.unit in {"x", "%"}):
        return True
    before = _CHANGE_BEFORE.search(text[max(found.start - 24, 0) : found.start])
    return bool(before or _CHANGE_AFTER.match(text, found.end))


def _listed(found: Quantity, text: str) -> bool:
    """Whether it only counts the things named after it: 'two languages, English and Polish'."""
    match = _LIST.match(text, found.end) if not found.unit and 2 <= found.bare <= 6 else None
    return match is not None and len(re.split(r", (?:and )?| and ", match["items"])) == found.bare
