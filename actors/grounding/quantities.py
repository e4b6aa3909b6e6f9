"""Figures read out of a text: value and unit, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from actors.grounding.dates import NUMERIC_DATE
from actors.grounding.facts import Fact, Key
from actors.grounding.vocabulary import any_of, words_of

BREAK = "\n•\n"
"""Stands between two texts that are read as one; no figure, name or sentence reaches across it."""

_ONES = words_of(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")
WORD_VALUES = {word: n for n, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
WORD_VALUES |= {"dozen": 12}
SCALES = {"hundred": 100, "thousand": 1_000, "k": 1_000, "million": 10**6, "bn": 10**9, "billion": 10**9}

_UNIT_WORDS: dict[str, str] = {
    "%": "% percent pct percentage",
    "x": "x × fold",
    "times": "times",
    "£": "pound pounds gbp quid",
    "$": "dollar dollars usd",
    "€": "euro euros eur",
    "year": "year years yr yrs",
    "quarter": "quarters",
    "month": "month months mth mths",
    "fortnight": "fortnight fortnights",
    "week": "week weeks wk wks",
    "day": "day days",
    "hour": "hour hours hr hrs h",
    "minute": "minute minutes min mins",
    "second": "second seconds sec secs s",
    "ms": "ms millisecond milliseconds",
    "kb": "kb kilobyte kilobytes",
    "mb": "mb megabyte megabytes",
    "gb": "gb gigabyte gigabytes",
    "tb": "tb terabyte terabytes",
    "kg": "kg kilo kilos kilogram kilograms",
    "km": "km kilometre kilometres kilometer kilometers",
    "mile": "mile miles",
    "tonne": "tonne tonnes",
}
UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
_BASES: dict[str, tuple[str, Decimal]] = {
    "year": ("month", Decimal(12)),
    "quarter": ("month", Decimal(3)),
    "fortnight": ("day", Decimal(14)),
    "week": ("day", Decimal(7)),
    "hour": ("second", Decimal(3600)),
    "minute": ("second", Decimal(60)),
    "ms": ("second", Decimal("0.001")),
}
_FRACTIONS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "eighth": 8, "tenth": 10}
_MULTIPLES: dict[str, tuple[int, str]] = {
    "twice": (2, "times"),
    "double": (2, "x"),
    "doubled": (2, "x"),
    "doubling": (2, "x"),
    "triple": (3, "x"),
    "tripled": (3, "x"),
    "tripling": (3, "x"),
    "quadrupled": (4, "x"),
    "halve": (50, "%"),
    "halved": (50, "%"),
    "halving": (50, "%"),
    "dozens": (12, "order"),
    "hundreds": (100, "order"),
    "thousands": (1_000, "order"),
    "millions": (10**6, "order"),
}
NUMBER_WORD = rf"(?:{any_of([*WORD_VALUES, 'hundred', 'thousand', 'million', 'billion'])})"
_FIGURE = re.compile(
    rf"""(?<!\w) (?: (?P<currency>[£$€])\s? )?
    (?: (?P<digits> \d{{1,3}}(?:,\d{{3}})+(?!\d) | \d+ ) (?P<decimals>\.\d+)?
        (?: [\s-]? (?P<scale>{any_of(SCALES)}|(?<=\d)m|(?<=\d)M)(?!\w) )?
      | (?P<words> {NUMBER_WORD} (?: (?:[ -]|[ ]and[ ]) {NUMBER_WORD} )* )(?=\W|$|fold\b)
    )
    (?: (?P<ordinal>st|nd|rd|th)(?!\w) | [\s-]? (?P<unit>{any_of(UNITS)}|per[ ]cent)(?!\w) | (?!\w) )""",
    re.VERBOSE | re.IGNORECASE,
)
_FRACTION = re.compile(
    rf"""\b(?: (?P<n>{any_of(_ONES[1:10])}) [\s-] (?P<parts>halves|thirds|quarters|fifths|eighths|tenths)
      | (?:a|one) [\s-] (?P<part>{any_of(_FRACTIONS)}) (?=\s+of\b)
      | (?:by|in|to) \s+ (?P<half>half)\b | (?P<the_half>half)(?=\s+(?:of|the)\b) )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_MULTIPLE = re.compile(rf"\b(?:{any_of(_MULTIPLES)})\b", re.IGNORECASE)
_EACH = re.compile(rf"\b(?:an?|per|each|every)[ -](?P<unit>{any_of(UNITS)})\b", re.IGNORECASE)
_NOTHING = re.compile(r"\b(?:no|none|never|without|nil|not)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`bare` is the figure as it stands, `value` the same in the base of its `unit` (12 for '1 year')."""

    words: str
    bare: Decimal
    value: Decimal
    unit: str


def quantities(text: str) -> Iterator[Quantity]:
    """Figures, fractions and multiples; of a date in figures only the year."""
    text = NUMERIC_DATE.sub(lambda date: date["year"] or date["year_first"], text)
    for match in _FIGURE.finditer(_FRACTION.sub(BREAK, text)):
        yield _figure(match)
    for match in _FRACTION.finditer(text):
        part = match["part"] or match["half"] or match["the_half"] or _singular_part(match["parts"])
        count = WORD_VALUES[match["n"].lower()] if match["n"] else 1
        share = (Decimal(100 * count) / _FRACTIONS[part.lower()]).normalize()
        yield Quantity(match.group(), share, share, "%")
    for match in _MULTIPLE.finditer(text):
        value, unit = _MULTIPLES[match.group().lower()]
        yield Quantity(match.group(), Decimal(value), Decimal(value), unit)


def quantity_keys(text: str) -> frozenset[Key]:
    """(value, unit) of every figure, and (value, '') for each; 'a month' is 1 month, and a denial is 0."""
    keys: set[Key] = set()
    for found in quantities(text):
        keys |= {(found.bare, ""), (found.value, found.unit)}
        if found.unit == "times":
            keys.add((found.value, "x"))
    for match in _EACH.finditer(text):
        keys.add(_in_base_unit(Decimal(1), UNITS[match["unit"].lower()]))
    if _NOTHING.search(text):
        keys.add((Decimal(0), ""))
    return frozenset(keys)


def figures_in(text: str) -> frozenset[Decimal]:
    """Its figures as they stand, without units."""
    return frozenset(found.bare for found in quantities(text))


def asserted_numbers(text: str) -> Iterator[Fact]:
    for found in quantities(text):
        if found.words.lower() != "one":
            unit = "" if found.unit == "times" else found.unit
            yield Fact(found.words, (found.value if unit else found.bare, unit))


def _figure(match: re.Match[str]) -> Quantity:
    if match["words"]:
        bare = _spelled(match["words"].lower())
    else:
        bare = Decimal(match["digits"].replace(",", "") + (match["decimals"] or ""))
    scale = (match["scale"] or "").lower()
    millions = scale == "m" and (match["currency"] or match["scale"] == "M")
    bare *= 10**6 if millions else SCALES.get(scale, 1)
    unit = match["currency"] or UNITS.get((match["unit"] or "").lower().replace("per cent", "%"), "")
    value, base = _in_base_unit(bare, unit)
    return Quantity(match.group().strip(), bare.normalize(), value, base)


def _in_base_unit(value: Decimal, unit: str) -> tuple[Decimal, str]:
    base, factor = _BASES.get(unit, (unit, Decimal(1)))
    return (value * factor).normalize(), base


def _spelled(words: str) -> Decimal:
    """'one hundred and fifty' -> 150; words that make no one number are added up."""
    total, group = 0, 0
    for word in re.split(r"[ -]+", words):
        if word in WORD_VALUES:
            group = group * 12 if word == "dozen" and group else group + WORD_VALUES[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in SCALES:
            total, group = total + max(group, 1) * SCALES[word], 0
    return Decimal(total + group)


def _singular_part(plural: str) -> str:
    return "half" if plural.lower() == "halves" else plural[:-1]
