"""How many years of experience a CV shows: what it states itself, else what its date ranges add up to.

No clock: a range that is still open ends at the latest date named anywhere in the CV or the job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from actors.offline.kinds import YEARS, education_level, number_of
from state.model import Document

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
POINT = re.compile(
    r"\b(?:(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?,? |(?P<number>[01]?\d)/)?"
    r"(?P<year>(?:19|20)\d\d)\b(?!\d|[.,]\d)",
    re.IGNORECASE,
)
JOINT = re.compile(r"\s{0,3}(?:-|–|—|to|until|till)\s{0,3}", re.IGNORECASE)
STILL = re.compile(r"(?:present|now|today|current(?:ly)?|date|ongoing|the present)\b", re.IGNORECASE)
SINCE = re.compile(r"\bsince (?:early |late |about )?$", re.IGNORECASE)
FORECAST = re.compile(r"\b(?:by|until|before|for) (?:the end of )?$", re.IGNORECASE)
OF_EXPERIENCE = re.compile(
    r".{0,60}?\b(?:experience|career|practice)\b|\s?(?:of|in|as|with|at|across|working|running|leading"
    r"|managing|teaching|cooking|building|selling|nursing)\b",
    re.IGNORECASE,
)
NOT_WORK = re.compile(r".{0,30}\b(?:degree|course|diploma|apprenticeship|study|studies)\b", re.IGNORECASE)
WORKED_FOR = re.compile(r"\b(?:work(?:ed|ing)?|been)\b.*\bfor (?:\w+ )?$", re.IGNORECASE)
SHORT_OF = re.compile(r"\b(?:nearly|almost|just under) $", re.IGNORECASE)
STUDY = re.compile(r"\b(?:education|academic|studies|qualifications|training)\b", re.IGNORECASE)
WORK = re.compile(
    r"\b(?:experience|employment|work|career|history|positions?|roles?|projects?|volunteering)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """A length of experience and the CV's own words for it; `stated` if the CV names the number itself."""

    years: float
    words: str
    stated: bool


def tenures(units: Sequence[str], cv: Document, job: Document) -> list[Tenure]:
    """What the CV states, longest first; where it states nothing, the union of its ranges outside study."""
    stated = [tenure for unit in units for tenure in _stated(unit)]
    if stated:
        return sorted(stated, key=lambda tenure: -tenure.years)
    latest = _latest(cv, job)
    ranges = [found for line in _work_lines(cv) for found in _ranges(line, latest)]
    if not ranges:
        return []
    months = _union((start, end) for start, end, _ in ranges)
    return [Tenure(years=round(months / 12, 1), words="; ".join(words for _, _, words in ranges[:4]), stated=False)]


def _stated(unit: str) -> Iterable[Tenure]:
    for found in YEARS.finditer(unit):
        worked = WORKED_FOR.search(unit[max(found.start() - 60, 0) : found.start()])
        if not (worked or OF_EXPERIENCE.match(unit, found.end())) or NOT_WORK.match(unit, found.end()):
            continue
        short_of = SHORT_OF.search(unit[max(found.start() - 12, 0) : found.start()])
        years = number_of(found["number"]) + (0.5 if found["half"] else 0) - (0.1 if short_of else 0)
        yield Tenure(years=years, words=unit, stated=True)


def _month(point: re.Match[str]) -> int:
    """Months since year 0; a year alone counts as its January."""
    month = 1
    if point["name"]:
        month = MONTHS.index(point["name"].casefold()) + 1
    elif point["number"] and 1 <= int(point["number"]) <= 12:
        month = int(point["number"])
    return int(point["year"]) * 12 + month - 1


def _latest(cv: Document, job: Document) -> int:
    """The latest date named; a forecast in the job ('net zero by 2040') is none."""
    dated = max((_month(point) for point in POINT.finditer(cv.text)), default=0)
    newest = dated
    for point in POINT.finditer(job.text):
        ahead = FORECAST.search(job.text[max(point.start() - 20, 0) : point.start()])
        if not ahead and (not dated or _month(point) <= dated + 36):
            newest = max(newest, _month(point))
    return newest


def _work_lines(cv: Document) -> Iterable[str]:
    """The lines outside the sections on education and training, without those that name a degree."""
    studying = False
    for _, line in cv.lines():
        words = line.strip("#*_: ").split()
        if 0 < len(words) <= 5 and not any(mark.isdigit() for mark in line) and not line.startswith("-"):
            if STUDY.search(line):
                studying = True
            elif WORK.search(line):
                studying = False
        if not studying and not education_level(line[:300]):
            yield line[:300]


def _ranges(line: str, latest: int) -> Iterable[tuple[int, int, str]]:
    points = list(POINT.finditer(line))
    used = -1
    for point, following in zip_longest(points, points[1:]):
        if point.start() < used:
            continue
        start = _month(point)
        joint = JOINT.match(line, point.end())
        if joint and following is not None and following.start() == joint.end():
            used = following.end()
            yield start, max(_month(following), start), line[point.start() : used]
        elif joint and (still := STILL.match(line, joint.end())):
            yield start, max(latest, start), line[point.start() : still.end()]
        elif SINCE.search(line[max(point.start() - 14, 0) : point.start()]):
            yield start, max(latest, start), f"since {point.group()}"


def _union(ranges: Iterable[tuple[int, int]]) -> int:
    """Months covered by at least one range."""
    covered, end_before = 0, 0
    for start, end in sorted(ranges):
        covered += max(0, end - max(start, end_before))
        end_before = max(end_before, end)
    return covered
