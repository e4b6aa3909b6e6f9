"""Months and seasons read out of a text; years are numbers, weekdays names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from actors.grounding.facts import Fact
from actors.grounding.vocabulary import words_of

_MONTH_NAMES = words_of("January February March April May June July August September October November December")
_MONTHS = {name[:3].lower(): n for n, name in enumerate(_MONTH_NAMES, 1)}
MONTH = rf"(?:{'|'.join(rf'{name[:3]}(?:{name[3:]})?' for name in _MONTH_NAMES if len(name) > 3)}|May|Sept)"
ANY_MONTH = re.compile(rf"\b{MONTH}\b", re.IGNORECASE)
_MONTH = re.compile(
    rf"\b(?!(?:May|March|Mar)\b){MONTH}\b"
    r"|(?<=[a-z] )\b(?:May|March|Mar)\b|\b(?:May|March|Mar)\b(?= (?:\d|to\b|until\b))"
)
NUMERIC_DATE = re.compile(
    r"""(?<!\w)(?: (?P<month>0?[1-9]|1[0-2]) / (?P<year>\d{4}) (?!\w)
    | (?P<year_first>\d{4}) - (?P<month_second>0[1-9]|1[0-2]) (?:-\d\d)? (?!\w) )""",
    re.VERBOSE,
)
_SEASON = re.compile(r"\b(spring|summer|autumn|fall|winter)(?=\s+(?:of\s+)?\d{4})", re.IGNORECASE)


def months_in(text: str) -> frozenset[int]:
    """The numbers (1 to 12) of the months it names or writes in figures."""
    named = (_MONTHS[match.group()[:3].lower()] for match in ANY_MONTH.finditer(text))
    return frozenset((*named, *map(_month_of, NUMERIC_DATE.finditer(text))))


def asserted_dates(text: str) -> Iterator[Fact]:
    for match in _MONTH.finditer(text):
        yield Fact(match.group(), ("month", _MONTHS[match.group()[:3].lower()]))
    for match in NUMERIC_DATE.finditer(text):
        yield Fact(match.group(), ("month", _month_of(match)))
    for match in _SEASON.finditer(text):
        yield Fact(match.group(), ("season", match.group().casefold()))


def _month_of(date: re.Match[str]) -> int:
    return int(date["month"] or date["month_second"])
