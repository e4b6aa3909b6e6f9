"""Figures read out of a text: value and unit, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from actors.grounding.dates import MONTH, NUMERIC_DATE
from actors.grounding.facts import Key
from actors.grounding.readings import kept, kept_all
from actors.grounding.spelled import COMPOUND, Quantity, blanked, parts_of, with_decimals, worded
from actors.grounding.units import (
    FRACTIONS,
    MULTIPLES,
    NUMBER_WORD,
    ORDINALS,
    SCALES,
    SPANS,
    UNITS,
    WORD_VALUES,
    in_base_unit,
)
from actors.grounding.vocabulary import any_of

__all__ = ["BREAK", "WORD_VALUES", "figures_in", "is_year", "quantities", "quantity_keys", "shares_of"]

BREAK = "\n•\n"
"""Stands between two texts that are read as one; no figure, name or sentence reaches across it."""

_FIGURE = re.compile(
    rf"""(?<!\w) (?: (?P<currency>[£$€]|(?:GBP|USD|EUR)[ ])\s? )?
    (?: (?P<digits> \d{{1,3}}(?:,\d{{3}})+(?!\d) | \d+ ) (?P<decimals>\.\d+|½)?
        (?: [\s-]? (?P<scale>{any_of(SCALES)}|(?<=\d)m|(?<=\d)M)(?!\w) )?
      | (?P<words> {NUMBER_WORD} (?: (?:[ -] | (?:(?<=hundred)|(?<=thousand)|(?<=million))[ ]and[ ]) {NUMBER_WORD} )* )(?=\W|$|fold\b)
    )
    (?P<half> [ ]and[ ]a[ ]half\b )?
    (?: (?P<ordinal>st|nd|rd|th)(?!\w)
      | [ap]m(?!\w)
      | (?: [ ](?:more|extra|additional|further|working|consecutive|successive|full|whole)(?=[ ]) )?
        [\s-]? (?P<unit>{any_of(UNITS.keys() - {"p", "t"})}|per[ ]cent|(?<=\d)t|(?<=\d)p(?![.]?m))(?!\w)
        (?P<half_more> [ ]and[ ]a[ ]half\b )?
      | (?!\w) )""",
    re.VERBOSE | re.IGNORECASE,
)
_TIDIED = re.compile(r"\bFY ?'?(?P<year>\d\d)\b|(?<=\d)-?(?:ish|odd)\b", re.IGNORECASE)
_COUPLE = re.compile(r"\b(?:a|the|last) couple of (?P<unit>\w+)", re.IGNORECASE)
_PERCENTILE = re.compile(r"\bp(?P<n>\d\d)\b", re.IGNORECASE)
_MULTIPLE = re.compile(rf"\b(?:{any_of(MULTIPLES)})\b(?!-)", re.IGNORECASE)
_OF_MONTH = re.compile(rf" (?:of )?{MONTH}\b", re.IGNORECASE)
_TOGETHER = re.compile(
    rf"\b(?P<n>\d+|{any_of(WORD_VALUES)}) (?:(?P<us>of us)|(?P<others>others|colleagues|friends|teammates))\b",
    re.IGNORECASE,
)
_RATIO = re.compile(
    rf"\b(?P<n>\d+|{any_of(WORD_VALUES)}) (?:in|of|out of) (?:every )?(?P<of>\d+|{any_of(WORD_VALUES)})\b",
    re.IGNORECASE,
)
_EACH = re.compile(rf"\b(?:an?|per|each|every|the)[ -](?P<unit>{any_of(UNITS)})\b(?! and a half)", re.IGNORECASE)
_ANY = re.compile(
    rf"\d|\b(?:{any_of((*WORD_VALUES, *FRACTIONS, *MULTIPLES, 'hundred', 'thousand', 'million', 'billion'))}|an? (?:{SPANS}))",
    re.IGNORECASE,
)
_ORDINAL = re.compile(rf"\b(?:{any_of(ORDINALS)})\b", re.IGNORECASE)
_NOTHING = re.compile(r"\b(?:no|none|never|nobody|without|nil|not)\b", re.IGNORECASE)


@kept_all
def quantities(text: str) -> Iterator[Quantity]:
    """Figures, fractions, multiples and spans of time such as 'half a year'; of a date in figures only the year."""
    if not _ANY.search(text):
        return
    rest = _TIDIED.sub(_tidy, with_decimals(NUMERIC_DATE.sub(_year_alone, text)))
    for found in worded(rest):
        yield found
        rest = blanked(rest, found)
    for match in _FIGURE.finditer(rest):
        yield _figure(match)
    for match in _MULTIPLE.finditer(rest):
        value, unit = MULTIPLES[match.group().lower()]
        yield Quantity(match.group(), Decimal(value), Decimal(value), unit, *match.span())


@kept
def quantity_keys(text: str) -> frozenset[Key]:
    """(value, unit) of every figure, and (value, '') for each; 'a month' is 1 month, and a denial is 0.

    A share is also told by its parts ('9 in 10'), a figure without a unit also stands under (value, 'count').
    """
    keys: set[Key] = set()
    for found in quantities(text):
        keys.add((found.value, found.unit or "count"))
        if found.unit != "nth":
            keys.add((found.bare, ""))
        if found.unit == "times":
            keys.add((found.value, "x"))
        if found.words.lower().endswith(" quarters") and found.unit == "%":
            keys.add(in_base_unit(found.value / 25, "quarter"))
    for match in COMPOUND.finditer(text):
        keys |= {in_base_unit(*part) for part in parts_of(match)}
    for match in _EACH.finditer(text):
        keys.add(in_base_unit(Decimal(1), UNITS[match["unit"].lower()]))
    for match in _TOGETHER.finditer(text):
        n = Decimal(WORD_VALUES.get(match["n"].lower(), match["n"]))
        keys |= {(n - 1 if match["us"] else n + 1, ""), (n - 1 if match["us"] else n + 1, "count")}
    for match in _RATIO.finditer(text):
        keys.add(_ratio(match))
    for match in _COUPLE.finditer(text):
        unit = UNITS.get(match["unit"].lower(), "")
        keys |= {(Decimal(2), ""), in_base_unit(Decimal(2), unit) if unit else (Decimal(2), "count")}
    keys |= {(Decimal(match["n"]), "nth") for match in _PERCENTILE.finditer(text)}
    for match in _ORDINAL.finditer(text):
        keys.add((Decimal(ORDINALS[match.group().lower()]), "nth"))
    if _NOTHING.search(text):
        keys.add((Decimal(0), ""))
    return frozenset(keys)


@kept
def figures_in(text: str) -> frozenset[Decimal]:
    """Its figures without units; a share both as 40 and as 0.4."""
    return frozenset(figure for found in quantities(text) for figure in shares_of(found))


def is_year(found: Quantity) -> bool:
    return not found.unit and found.words.isdigit() and 1900 <= found.bare <= 2100


def shares_of(found: Quantity) -> tuple[Decimal, ...]:
    """The figure as it stands, and of a share the other way to write it."""
    if found.unit == "%" or found.named == "p":
        return found.bare, (found.bare / 100).normalize()
    if not found.unit and 0 < found.bare < 1:
        return found.bare, (found.bare * 100).normalize()
    return (found.bare,)


def _tidy(match: re.Match[str]) -> str:
    """'FY24' as the year, '10ish' as 10, as long as they were."""
    return (f"20{match['year']}" if match["year"] else "").rjust(len(match.group()))


def _year_alone(date: re.Match[str]) -> str:
    """Its year, padded, so that nothing after it moves."""
    return (date["year"] or date["year_first"]).rjust(len(date.group()))


def _figure(match: re.Match[str]) -> Quantity:
    if match["words"]:
        bare = _spelled(match["words"].lower())
    else:
        bare = Decimal(match["digits"].replace(",", "") + (match["decimals"] or "").replace("½", ".5"))
    scale = (match["scale"] or "").lower()
    millions = scale == "m" and (match["currency"] or match["scale"] == "M")
    bare *= 10**6 if millions else SCALES.get(scale, 1)
    if match["half"] or match["half_more"]:
        bare += Decimal("0.5")
    currency = (match["currency"] or "").strip().lower()
    unit = UNITS.get(currency, currency) or UNITS.get((match["unit"] or "").lower().replace("per cent", "percent"), "")
    value, base = in_base_unit(bare, unit)
    if match["ordinal"] and not _OF_MONTH.match(match.string, match.end()):
        base = "nth"
    return Quantity(match.group().strip(), bare.normalize(), value, base, *match.span(), unit)


def _ratio(match: re.Match[str]) -> Key:
    count, of = (Decimal(WORD_VALUES.get(match[part].lower(), match[part])) for part in ("n", "of"))
    return (100 * count / of).normalize() if of else Decimal(0), "%"


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
