"""Inventions by change: a figure, a unit, a direction, an owner of the work that the sources do not bear out.

Each operator gives every way in which it can change one segment, as (changed text, what is now untrue).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from loadtests.drafts.slots import SMALL, TOOLS, Slots

Edit = Callable[[str, Slots, random.Random], Iterator[tuple[str, str]]]

_FIGURE = re.compile(r"(?<![\w.,£$])\d[\d,]*(?:\.\d+)?(?![\w.,]*\d)")
_NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen sixteen eighteen twenty"
_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS.split())})\b(?![- ](?:thirds?|fifths?|and))", re.IGNORECASE)
_OTHER_UNITS: Mapping[str, str] = {
    "months": "years",
    "weeks": "months",
    "minutes": "seconds",
    "hours": "minutes",
    "days": "hours",
    "years": "decades",
    "kg": "tonnes",
    "£": "€",
}
_REVERSED: tuple[tuple[str, str], ...] = (
    (r"\bfell\b", "rose"),
    (r"\bdropped\b", "climbed"),
    (r"\bdecreased\b", "increased"),
    (r"\bwent down\b", "went up"),
    (r"\brose\b", "fell"),
    (r"\bgrew\b", "shrank"),
    (r"\bincreased\b", "decreased"),
    (r"\bincreased\b", "declined"),
    (r"\b[Rr]educed\b", "Increased"),
    (r"\b[Cc]ut\b(?= (?!of))", "Raised"),
    (r"\bLowered\b", "Raised"),
    (r"\bRaised\b", "Lowered"),
    (r"\b[Ss]hortened\b", "Extended"),
    (r"\bimproved from\b", "worsened from"),
)
_TOOL = re.compile(
    r"\b(?:RabbitMQ|Redis|React|TypeScript|Kotlin|SQL|Power BI|Python|Prometheus|Grafana|Intune|SystmOne|Xero|Excel"
    r"|SAP|HubSpot|Mailchimp|Figma|MS Project|Northgate|BambooHR|STORM|Godot|QGIS|Salesforce|Genesys|LEAP|Ansible)\b"
    r"(?! ?\d)"
)
_HELPED = (
    (r"\bHelped the data lead build\b", "Built"),
    (r"\bHelped to organise\b", "Organised"),
    (r"\bSupported the organisation of\b", "Directed the organisation of"),
    (r"\bSupported the data lead on\b", "Led the work on"),
    (r"\bTook part in\b", "Led"),
    (r"\bContributed to\b", "Was in charge of"),
    (r"\bSupported the senior carer in\b", "Led the team in"),
    (r"\bMember of the team auditing\b", "Head of the team auditing"),
    (r"\bhelped to train\b", "was in charge of training"),
    (r"\bAssisted with\b", "Managed"),
    (r"\bAssists two solicitors with\b", "Supervises two solicitors on"),
    (r"\bWorked in a small group to\b", "Led a small group to"),
    (r"\bPart of a group that\b", "Headed a group that"),
    (r"\bVolunteered for\b", "Directed"),
    (r"\bunder the supervision of\b", "supervising"),
    (r"\bguided by\b", "guiding"),
)
_COUNTED = re.compile(
    r"(?<![\w.,£$–-])(\d+(?:,\d{3})*)(?= [a-z]{3,}\b)(?! (?:to|of|out|and|months?|years?|per|percent)\b)"
)


def figure_changed(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for match in _FIGURE.finditer(text):
        value = float(match.group().replace(",", ""))
        changed = round(value * rng.choice((0.35, 0.7, 1.5, 2.5))) + 1
        figure = f"{changed:,}"
        if not slots.tells(figure):
            yield _with(text, match, figure), figure
    for match in _WORD.finditer(text):
        word = rng.choice([word for word in SMALL if word != match.group().casefold()])
        if not slots.tells(word):
            yield _with(text, match, word), word


def unit_changed(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for unit, other in _OTHER_UNITS.items():
        number = rf"(?:\d[\d,.]*|{'|'.join(_NUMBER_WORDS.split())})"
        pattern = r"£(?=\d)" if unit == "£" else rf"(?<=\w ){unit}\b"
        for match in re.finditer(pattern, text):
            before = text[max(match.start() - 12, 0) : match.start()]
            if unit == "£" or re.search(rf"\b{number} $", before, re.IGNORECASE):
                yield _with(text, match, other), text[max(match.start() - 6, 0) : match.end()]
    for match in re.finditer(r"\b(?:by|of) \d+(?:%| percent\b)", text):
        yield _with(text, match, re.sub(r"%| percent", " percentage points", match.group())), "percentage points"


def direction_reversed(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for pattern, other in _REVERSED:
        for match in re.finditer(pattern, text):
            word = other if match.group()[0].isupper() else other.lower()
            yield _with(text, match, word), word


def ends_swapped(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"\bfrom ([£\d][\w.,%]*)((?: [a-z]+){0,3}) to ([£\d][\w.%]*(?:,\d+)?)", text):
        first, between, second = (match[n].rstrip(".,") for n in (1, 2, 3))
        yield _with(text, match, f"from {second}{between} to {first}") + "", f"from {second} to {first}"


def bound_added(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for match in _FIGURE.finditer(text):
        before = text[: match.start()].casefold()
        hedged = re.search(
            r"(?:over|than|about|around|some|roughly|under|within|to|from|of|in|and|level|year|years) $", before
        )
        if hedged or before.endswith(("-", "–")) or re.match(r"(?:th|-|–| ?\d| to | in | out)", text[match.end() :]):
            continue
        if 1900 <= float(match.group().replace(",", "")) <= 2100:
            continue
        opening = rng.choice(("more than", "over", "at least", "upwards of", "well over"))
        yield _with(text, match, f"{opening} {match.group()}"), f"{opening} {match.group()}"


def version_added(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for match in _TOOL.finditer(text):
        version = rng.choice(("3.9", "v2", "2019", "16", "5.4", "11", "version 7"))
        if version.split()[-1].lstrip("v") not in slots.told:
            yield _with(text, match, f"{match.group()} {version}"), f"{match.group()} {version}"


def tool_exchanged(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for match in _TOOL.finditer(text):
        tool = rng.choice([tool for tool in TOOLS if tool.casefold() not in slots.told])
        word = rng.choice((tool, tool.lower()))
        yield _with(text, match, word), word


def help_dropped(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    for pattern, other in _HELPED:
        for match in re.finditer(pattern, text):
            yield _with(text, match, other), other


def counts_exchanged(text: str, slots: Slots, rng: random.Random) -> Iterator[tuple[str, str]]:
    """'45 volunteers and 1,200 runners' -> '1,200 volunteers and 45 runners'."""
    found = list(_COUNTED.finditer(text))
    for first, second in pairwise(found):
        if first[1] != second[1]:
            yield (
                text[: first.start()]
                + second[1]
                + text[first.end() : second.start()]
                + first[1]
                + text[second.end() :],
                f"{second[1]} {first[1]}",
            )


EDITS: Mapping[str, Edit] = {
    "figure_changed": figure_changed,
    "unit_changed": unit_changed,
    "direction_reversed": direction_reversed,
    "ends_swapped": ends_swapped,
    "bound_added": bound_added,
    "version_added": version_added,
    "tool_exchanged": tool_exchanged,
    "help_dropped": help_dropped,
    "counts_exchanged": counts_exchanged,
}


def _with(text: str, match: re.Match[str], words: str) -> str:
    return text[: match.start()] + words + text[match.end() :]
