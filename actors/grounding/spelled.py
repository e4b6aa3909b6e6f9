"""Quantities told in more than one figure and its unit: fractions, spans of time, 'two years and four months'."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from actors.grounding.units import COUNT_WORDS, FRACTIONS, SPANS, UNITS, WORD_VALUES, in_base_unit
from actors.grounding.vocabulary import any_of

_FRACTION = re.compile(
    rf"""\b(?: (?P<n>{any_of(COUNT_WORDS)}) [\s-] (?P<parts>halves|thirds|quarters|fifths|eighths|tenths)
      | one [\s-] (?P<one>third|fifth|eighth|tenth|quarter(?=\s+of\b))
      | an? [\s-] (?P<part>{any_of(FRACTIONS)}) (?=\s+of\b|\s+per\s?cent\b)
      | (?:by|in|to) [\s-] (?:(?:about|around|roughly|nearly|almost|over|approximately|some|just)\s)? (?:(?:an?|one) [\s-])? (?P<half>{any_of(FRACTIONS)})\b (?!\s+(?:an?|past)\b)
      | (?<!first\ )(?<!second\ )(?P<the_half>half)(?=\s+(?:of|the|our|my|your|his|her|their|its|all)\b) )\b (?P<percent>\s+per\s?cent\b)?""",
    re.VERBOSE | re.IGNORECASE,
)
_HALF_A = re.compile(r"\bhalf[ -]an?[ -](?P<unit>decade|year|month|week|day|hour|minute)\b", re.IGNORECASE)
_A_UNIT = re.compile(
    rf"""\b(?: (?:for|over|in|within|after|throughout|spanning|nearly|almost|under|past|last|than) [ ]
      (?P<span> an? [ ] (?:full[ ]|whole[ ])? (?P<unit>{SPANS}) ) (?P<half>[ ]and[ ]a[ ]half)?
      | (?P<alone> an? [ ] (?P<alone_unit>decade|fortnight|{SPANS}|hour|minute) [ ] and [ ] a [ ] half ) )\b""",
    re.VERBOSE | re.IGNORECASE,
)
COMPOUND = re.compile(
    rf"""(?<![\w.,]) (?P<big>\d+|{any_of(WORD_VALUES)}) [ ]? (?P<big_unit>years?|yrs?|hours?|hrs?|h|mins?|minutes?)
    (?:[ ]and|,)? [ ] (?P<small>\d+|{any_of(WORD_VALUES)}) (?:[ ]? (?P<small_unit>months?|mths?|mos?|mins?|minutes?|m|secs?|seconds?|s))?
    (?![\w%.,]*\d|\w)""",
    re.VERBOSE | re.IGNORECASE,
)
_SMALLER = {"year": "month", "hour": "minute", "minute": "second"}
_ENDS = re.compile(r"\s*(?:$|[.,;)]|(?:to|and|from|on|per|a)\b)")
_SLASHED = re.compile(r"(?<![\d/.])(?P<top>\d)/(?P<bottom>\d{1,2})(?=\s+of\b)")
_MIXED = re.compile(r"(?<![\d/.])(?P<whole>\d+) (?P<top>[13])/(?P<bottom>[24])(?![\d/])")


@dataclass(frozen=True, slots=True)
class Quantity:
    """`bare` is the figure as it stands, `value` the same in the base of its `unit` (12 for '1 year').

    `start` and `end` are its place in the text; `named` is the unit as it was written.
    """

    words: str
    bare: Decimal
    value: Decimal
    unit: str
    start: int
    end: int
    named: str = ""


def worded(text: str) -> Iterator[Quantity]:
    """Every one of them, a longer form before the figures it is made of."""
    rest = text
    for pattern, read in _READERS:
        for match in pattern.finditer(rest):
            found = read(match)
            if found:
                yield found
                rest = blanked(rest, found)


def blanked(text: str, found: Quantity) -> str:
    """The text without a quantity; what stands after it keeps its place."""
    return text[: found.start] + "\n".ljust(found.end - found.start) + text[found.end :]


def with_decimals(text: str) -> str:
    """'2 1/2' as '2.5', as long as it was."""
    return _MIXED.sub(_decimal, text)


def parts_of(match: re.Match[str]) -> tuple[tuple[Decimal, str], tuple[Decimal, str]]:
    """The two figures of a `COMPOUND` match, each with its unit; '' where there is none."""
    big_unit = UNITS[match["big_unit"].lower()]
    named = (match["small_unit"] or "").lower()
    small_unit = {"m": "minute"}.get(named, UNITS.get(named, "")) or _SMALLER.get(big_unit, "")
    big, small = (Decimal(WORD_VALUES.get(match[name].lower(), match[name])) for name in ("big", "small"))
    return (big, big_unit), (small, small_unit)


def _span(match: re.Match[str]) -> Quantity:
    """'over a year', 'a year and a half'."""
    unit = (match["unit"] or match["alone_unit"]).lower()
    bare = Decimal("1.5" if match["half"] or match["alone"] else 1)
    value, base = in_base_unit(bare, unit)
    return Quantity(match["span"] or match.group(), bare, value, base, *match.span(), unit)


def _half(match: re.Match[str]) -> Quantity:
    """'half a year'."""
    unit = match["unit"].lower()
    value, base = in_base_unit(Decimal("0.5"), unit)
    return Quantity(match.group(), Decimal("0.5"), value, base, *match.span(), unit)


def _compound(match: re.Match[str]) -> Quantity | None:
    """'2 years and 4 months', '7 min 40'; None for two that do not follow on one another."""
    (big, big_unit), (small, small_unit) = parts_of(match)
    if small_unit != _SMALLER.get(big_unit):
        return None
    if not match["small_unit"] and (big_unit == "year" or not _ENDS.match(match.string, match.end())):
        return None
    (first, base), (second, _) = in_base_unit(big, big_unit), in_base_unit(small, small_unit)
    value = (first + second).normalize()
    return Quantity(match.group(), value, value, base, *match.span(), base)


def _fraction(match: re.Match[str]) -> Quantity:
    """'two-fifths', 'by a third', 'half of', 'half a percent'."""
    part = next(filter(None, (match[name] for name in ("one", "part", "half", "the_half"))), None)
    part = (part or _singular_part(match["parts"])).lower()
    count = WORD_VALUES[match["n"].lower()] if match["n"] else 1
    share = (Decimal(100 * count) / FRACTIONS[part]).normalize()
    if match["percent"]:
        share /= 100
    return Quantity(match.group(), share, share, "%", *match.span(), "%")


def _slashed(match: re.Match[str]) -> Quantity | None:
    """'1/3 of'."""
    if int(match["bottom"]) <= int(match["top"]):
        return None
    share = (Decimal(100 * int(match["top"])) / int(match["bottom"])).normalize()
    return Quantity(match.group(), share, share, "%", *match.span(), "%")


def _decimal(match: re.Match[str]) -> str:
    value = int(match["whole"]) + Decimal(int(match["top"])) / int(match["bottom"])
    return f"{value:f}".rjust(len(match.group()))


def _singular_part(plural: str) -> str:
    return "half" if plural.lower() == "halves" else plural[:-1]


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Quantity | None]], ...] = (
    (_A_UNIT, _span),
    (_HALF_A, _half),
    (COMPOUND, _compound),
    (_FRACTION, _fraction),
    (_SLASHED, _slashed),
)
