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
    r"""(?<!\w)(?: (?:\d\d?/)? (?P<month>0?[1-9]|1[0-2]) / (?P<year>\d{4}) (?!\w)
    | (?P<year_first>\d{4}) - (?P<month_second>0[1-9]|1[0-2]) (?:-\d\d)? (?!\w) )""",
    re.VERBOSE,
)
_SEASON = re.compile(r"\b(spring|summer|autumn|fall|winter)(?=\s+(?:of\s+)?\d{4})", re.IGNORECASE)


_QUARTER = re.compile(r"\b(?:Q(?P<quarter>[1-4])|H(?P<half>[12]))(?=\W|$)")
_HALF = re.compile(r"\b(?P<which>first|second) half of (?=(?:19|20)\d\d|the year)", re.IGNORECASE)
_SHORT_YEAR = re.compile(r"(?<!\w)['’](?P<year>\d\d)(?!\w)")


def months_in(text: str) -> frozenset[int]:
    """The numbers (1 to 12) of the months it names or writes in figures."""
    named = (_MONTHS[match.group()[:3].lower()] for match in ANY_MONTH.finditer(text))
    return frozenset((*named, *map(_month_of, NUMERIC_DATE.finditer(text))))


def asserted_dates(text: str) -> Iterator[Fact]:
    """Months, seasons, quarters, halves and years of two digits."""
    for match in _MONTH.finditer(text):
        yield Fact(match.group(), ("month", _MONTHS[match.group()[:3].lower()]))
    for match in NUMERIC_DATE.finditer(text):
        yield Fact(match.group(), ("month", _month_of(match)))
    for match in _SEASON.finditer(text):
        yield Fact(match.group(), ("season", match.group().casefold()))
    for match in _QUARTER.finditer(text):
        yield Fact(match.group(), ("part", frozenset(_months_of(match))))
    for match in _HALF.finditer(text):
        first = match["which"].lower() == "first"
        yield Fact(match.group(), ("part", frozenset(range(1, 7) if first else range(7, 13))))
    for match in _SHORT_YEAR.finditer(text):
        yield Fact(match.group(), ("year", match["year"]))


def parts_of_year(text: str) -> frozenset[str]:
    """The quarters and halves it names: 'Q1', 'H2'."""
    return frozenset(match.group() for match in _QUARTER.finditer(text))


def _months_of(part: re.Match[str]) -> range:
    if part["quarter"]:
        return range(3 * int(part["quarter"]) - 2, 3 * int(part["quarter"]) + 1)
    return range(6 * int(part["half"]) - 5, 6 * int(part["half"]) + 1)


def _month_of(date: re.Match[str]) -> int:
    return int(date["month"] or date["month_second"])
