"""True drafts: answers worded by hand, and the same with figures, units and dates in other spellings.

A spelling is changed in the answer or in what the candidate typed; both have to be understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from loadtests.drafts.triples import Draft, Triple, Wording, load_triples
from state.model import Inputs

Spelling = Callable[[str], str]

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
_ONES += ["seventeen", "eighteen", "nineteen"]
_SHORT = {"year": "yrs", "month": "mths", "week": "wks", "hour": "hrs", "minute": "mins"}
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SHARES = {25: "a quarter", 50: "half", 20: "one-fifth", 40: "two-fifths", 75: "three quarters", 60: "three-fifths"}
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_PLAIN = r"(?<!min )(?<![\w.,£$:–-])(\d{1,2})(?![\w.,:%–]*\d)(?! ?%)(?= [a-z]{2})(?! (?:min|percentage|am|am\b|a\.m))"


def _spelled(n: int) -> str:
    if n < 20:
        return _ONES[n]
    tens, ones = divmod(n, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def _sub(pattern: str, change: Callable[[re.Match[str]], str]) -> Spelling:
    compiled = re.compile(pattern)
    return lambda text: compiled.sub(change, text)


def _word_values(match: re.Match[str]) -> str:
    return str(_ONES.index(match[1].lower()))


def _half_years(match: re.Match[str]) -> str:
    months = int(match[1])
    return {6: "half a year", 18: "one and a half years", 12: "a year", 24: "two years"}.get(
        months, f"{months / 12:g} years" if months % 6 == 0 else match.group()
    )


_ONE_DIGIT = re.compile(r"(?<!\d)\d(?:\.\d+)?(?:%| percent)|\b\d\d to \d|\d from \d")
_as_share = _sub(r"(?<![\d.])(\d\d)(?:%| percent)", lambda m: f"0.{m[1]}".removesuffix("0"))

SPELLINGS: Mapping[str, Spelling] = {
    "percent": _sub(r"(\d)%", lambda m: f"{m[1]} percent"),
    "per cent": _sub(r"(\d)(?:%| percent)", lambda m: f"{m[1]} per cent"),
    "%": _sub(r"(\d) ?(?:percent|per cent)\b", lambda m: f"{m[1]}%"),
    "forty percent": _sub(r"(?<![\d.])(\d\d)(?:%| percent)", lambda m: f"{_spelled(int(m[1]))} percent"),
    "a third": _sub(r"\bby (\d\d)%", lambda m: f"by {_SHARES.get(int(m[1]), m[1] + '%')}"),
    "0.4": lambda text: text if _ONE_DIGIT.search(text) else _as_share(text),
    "in words": _sub(_PLAIN, lambda m: _spelled(int(m[1]))),
    "in figures": _sub(rf"\b({'|'.join(_ONES[2:])})\b(?! (?:of|thirds|and a|decade))", _word_values),
    "1200": _sub(r"(\d),(\d{3})", lambda m: m[1] + m[2]),
    "1,200": _sub(r"(?<![\d.£])(\d{1,2})\.(\d)k\b", lambda m: f"{m[1]},{m[2]}00"),
    "1.2k": _sub(r"(?<![\d,])(\d{1,3}),(\d)00(?![\d,])", lambda m: f"{m[1]}.{m[2]}k".replace(".0k", "k")),
    "1.2 thousand": _sub(r"(?<![\d,£])(\d{1,3}),(\d)00(?![\d,])", lambda m: f"{m[1]}.{m[2]} thousand"),
    "£310k": _sub(r"£(\d+),000", lambda m: f"£{m[1]}k"),
    "310,000 pounds": _sub(r"£(\d[\d,]*)(?![\d.,k])", lambda m: f"{m[1]} pounds"),
    "1.5 years": _sub(
        r"(?<![\d.])(\d+) months\b", lambda m: f"{int(m[1]) / 12:g} years" if int(m[1]) % 6 == 0 else m.group()
    ),
    "half a year": _sub(r"(?<![\d.])(\d+) months\b", _half_years),
    "36 months": _sub(r"(?<![\d./])(\d) years\b", lambda m: f"{12 * int(m[1])} months"),
    "yrs": _sub(r"\b(\d+) (year|month|week|hour|minute)s\b", lambda m: f"{m[1]} {_SHORT[m[2]]}"),
    "14 days": _sub(r"(?<![\d.])([2-4]) weeks\b", lambda m: f"{7 * int(m[1])} days"),
    "a fortnight": _sub(r"\b(?:2|two) weeks\b", lambda m: "a fortnight"),
    "240 minutes": _sub(
        r"(?<![\d.])([2-9]) hours\b(?! (?:instead of|to|rather than))", lambda m: f"{60 * int(m[1])} minutes"
    ),
    "twice": _sub(r"\b(?:two times|twice)\b", lambda m: "2 times" if m.group() == "twice" else "twice"),
    "7th": _sub(
        r"(?<!a )(?<!one )(?<!-)\b(second|third|seventh)\b",
        lambda m: {"second": "2nd", "third": "3rd", "seventh": "7th"}[m[1]],
    ),
    "70-85": _sub(r"\b(\d+) (?:to|and) (\d+)(?= [a-z]+ (?:a|per)\b)", lambda m: f"{m[1]}–{m[2]}"),
    "1 of every 9": _sub(r"\b(?:1|one) in (\d+|six|nine|forty)\b", lambda m: f"1 of every {m[1]}"),
    "Jan 2024": _sub(rf"\b({'|'.join(_MONTHS)})\b", lambda m: m[1][:3] if m[1] != "September" else "Sept"),
    "01/2024": _sub(rf"\b({'|'.join(_MONTHS)}) (\d{{4}})", lambda m: f"{_MONTHS.index(m[1]) + 1:02}/{m[2]}"),
    "2024-01": _sub(rf"\b({'|'.join(_MONTHS)}) (\d{{4}})", lambda m: f"{m[2]}-{_MONTHS.index(m[1]) + 1:02}"),
    "Q1 2024": _sub(rf"\b({'|'.join(_MONTHS)}) (\d{{4}})", lambda m: f"Q{_MONTHS.index(m[1]) // 3 + 1} {m[2]}"),
    "US units": _sub(r"\b(\d+) (?:kg|kilos|kilograms)\b", lambda m: f"{m[1]} kilogrammes"),
}
_ANSWER_ONLY = frozenset({"Q1 2024"})
"""Less exact than what it stands for: an answer may say 'Q1' for 'January', not the other way round."""


def true_drafts() -> tuple[Draft, ...]:
    """Every answer worded by hand, and each of them in every other spelling that changes it or its inputs."""
    plain = (
        _draft(triple, wording, "by hand", triple.inputs) for triple in load_triples() for wording in triple.wordings
    )
    return (*plain, *_spelled_otherwise())


def _spelled_otherwise() -> Iterator[Draft]:
    for triple in load_triples():
        for name, spelling in SPELLINGS.items():
            inputs = {key: spelling(str(value)) for key, value in triple.inputs.items()}
            for wording in triple.wordings:
                respelled = Wording(
                    title=wording.title,
                    bullets=tuple(
                        tuple((source, spelling(text)) for source, text in segments) for segments in wording.bullets
                    ),
                )
                if respelled != wording:
                    yield _draft(triple, respelled, f"'{name}' in the answer", triple.inputs)
                if inputs != triple.inputs and name not in _ANSWER_ONLY:
                    yield _draft(triple, wording, f"'{name}' in the inputs", inputs)


def _draft(triple: Triple, wording: Wording, kind: str, inputs: Inputs) -> Draft:
    answer = replace(triple, inputs=inputs).answer(wording)
    return Draft(triple=triple, kind=kind, held_out=triple.held_out, answer=answer, inputs=inputs)
