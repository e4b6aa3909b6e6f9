"""Number words, scales and units, in every spelling in use, and what their bases are."""

from __future__ import annotations

from decimal import Decimal

from actors.grounding.vocabulary import any_of, words_of

_ONES = words_of(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")
WORD_VALUES = {word: n for n, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
WORD_VALUES |= {"dozen": 12}
SCALES = {"hundred": 100, "thousand": 1_000, "k": 1_000, "million": 10**6, "bn": 10**9, "billion": 10**9}
ORDINALS = {
    word: n for n, word in enumerate(words_of("first second third fourth fifth sixth seventh eighth ninth tenth"), 1)
}
COUNT_WORDS = _ONES[1:10]

_UNIT_WORDS: dict[str, str] = {
    "%": "% percent pct",
    "pp": "percentage-point percentage-points pp ppt",
    "x": "x × fold",
    "times": "times",
    "£": "pound pounds gbp quid",
    "p": "p pence penny",
    "$": "dollar dollars usd",
    "€": "euro euros eur",
    "decade": "decade decades",
    "year": "year years yr yrs",
    "quarter": "quarters",
    "month": "month months mth mths mo mos",
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
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes",
    "km": "km kilometre kilometres kilometer kilometers",
    "mile": "mile miles",
    "tonne": "tonne tonnes ton tons t",
}
UNITS = {word.replace("-", " "): unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
_BASES: dict[str, tuple[str, Decimal]] = {
    "decade": ("month", Decimal(120)),
    "year": ("month", Decimal(12)),
    "quarter": ("month", Decimal(3)),
    "fortnight": ("day", Decimal(14)),
    "week": ("day", Decimal(7)),
    "hour": ("second", Decimal(3600)),
    "minute": ("second", Decimal(60)),
    "ms": ("second", Decimal("0.001")),
    "p": ("£", Decimal("0.01")),
}
FRACTIONS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "eighth": 8, "tenth": 10}
MULTIPLES: dict[str, tuple[int, str]] = {
    "twice": (2, "times"),
    "double": (2, "x"),
    "doubled": (2, "x"),
    "doubling": (2, "x"),
    "triple": (3, "x"),
    "tripled": (3, "x"),
    "tripling": (3, "x"),
    "quadruple": (4, "x"),
    "quadrupled": (4, "x"),
    "quadrupling": (4, "x"),
    "halve": (50, "%"),
    "halved": (50, "%"),
    "halving": (50, "%"),
    "dozens": (12, "order"),
    "hundreds": (100, "order"),
    "thousands": (1_000, "order"),
    "millions": (10**6, "order"),
    "five-figure": (10_000, "order"),
    "six-figure": (100_000, "order"),
    "seven-figure": (10**6, "order"),
    "multi-million": (10**6, "order"),
}
TIMES = frozenset({"month", "day", "second"})
"""The bases of units of time."""
SPANS = "decade|year|quarter|month|fortnight|week|day"
NUMBER_WORD = rf"(?:{any_of([*WORD_VALUES, 'hundred', 'thousand', 'million', 'billion'])})"


def in_base_unit(value: Decimal, unit: str) -> tuple[Decimal, str]:
    """(18, 'month') for one and a half years."""
    base, factor = _BASES.get(unit, (unit, Decimal(1)))
    return (value * factor).normalize(), base
