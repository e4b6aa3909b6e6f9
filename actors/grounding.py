"""The grounding check: what an answer says that neither the candidate's inputs nor the CV hold.

Claims are held to their sources word for word. The title and the bullets are then read by a table of
extractors, one a kind of fact; a fact stands if one source bears it, in whatever form it is written
there ('40 percent', 'forty percent' and 'two-fifths' are one figure). What no extractor reads, such as
the order of words, is free: an answer may be a paraphrase.

The inputs together are one source, because they tell of one experience; every CV line is its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

from state.model import Answer, Bullet, Document, Inputs, InputValue


class InventionKind(StrEnum):
    SOURCE = "source"
    QUOTE = "quote"
    CLAIM = "claim"
    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    EMPLOYER = "employer"
    TITLE = "title"
    OUTCOME = "outcome"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    """Something an answer says that nothing bears out; `words` are the answer's own."""

    kind: InventionKind
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """One kind of fact: the facts a text asserts, and whether a source bears one of them.

    A source that holds a text word for word bears every fact of the text.
    """

    kind: InventionKind
    asserted: Callable[[str], Iterable[Fact]]
    borne: Callable[[Fact, Source], bool]


def ungrounded(answer: Answer, inputs: Inputs, cv: Document) -> tuple[Invention, ...]:
    """Everything `answer` invents, in the order it stands there; empty if all of it holds."""
    found = list(_misquoted(answer.bullets, inputs, cv))
    sources = sources_of(inputs, cv)
    for text in (answer.title, *(bullet.text for bullet in answer.bullets)):
        found += unborne(text, sources)
    return tuple(dict.fromkeys(found))


def unborne(text: str, sources: Sequence[Source]) -> list[Invention]:
    """The facts of a piece of text that none of the sources bears."""
    return [
        Invention(kind=extractor.kind, words=fact.words)
        for extractor in EXTRACTORS
        for fact in extractor.asserted(text)
        if not any(extractor.borne(fact, source) for source in sources)
    ]


def sources_of(inputs: Inputs, cv: Document) -> tuple[Source, ...]:
    told = Source(_BREAK.join(map(said, inputs.values())))
    return (told, *(Source(line) for _, line in cv.lines()))


def said(value: InputValue) -> str:
    """An input's value as the text that claims quote."""
    return ", ".join(value) if isinstance(value, tuple) else str(value)


# Claims.


def _misquoted(bullets: Sequence[Bullet], inputs: Inputs, cv: Document) -> Iterator[Invention]:
    lines = dict(cv.lines())
    for bullet in bullets:
        for claim in bullet.claims:
            source = _source_text(claim.source, inputs, lines)
            if source is None:
                yield Invention(kind=InventionKind.SOURCE, words=claim.source)
            elif not _within(claim.quote, source):
                yield Invention(kind=InventionKind.QUOTE, words=claim.quote)
            if not _within(claim.text, bullet.text):
                yield Invention(kind=InventionKind.CLAIM, words=claim.text)


def _source_text(source: str, inputs: Inputs, lines: dict[int, str]) -> str | None:
    kind, _, name = source.partition(":")
    if kind == "input" and name in inputs:
        return said(inputs[name])
    if kind == "cv" and name.isascii() and name.isdigit() and len(name) < 10:
        return lines.get(int(name))
    return None


def _within(words: str, text: str) -> bool:
    folded = _folded(words)
    return bool(folded) and folded in _folded(text)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


# Sources and facts.

_BREAK = "\n•\n"
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """`words` as they stand in the text, `key` what every way of writing them has in common."""

    words: str
    key: Key


class Source:
    """A text that may bear facts. Every view of it is made when a fact first asks for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Every word, its hyphenated parts, two words run together, and initials of capitalised runs."""
        words = [match.group() for match in _TOKEN.finditer(self.text)]
        keys = [_key(word) for word in words]
        joined = (first + second for first, second in pairwise(keys))
        parts = (_key(part) for word in words for part in (*_PARTS.split(word), *_HUMPS.split(word)))
        initials = (
            "".join(word[0] for word in match.group().split()).casefold()
            for match in _CAPITALISED_RUN.finditer(self.text)
        )
        return frozenset((*keys, *joined, *parts, *initials))

    @cached_property
    def quantities(self) -> frozenset[Key]:
        """(value, unit) of every figure; (value, '') too, as a figure may be told without its unit."""
        keys: set[Key] = set()
        for found in _quantities(self.text):
            keys |= {(found.bare, ""), (found.value, found.unit)}
            if found.unit == "times":
                keys.add((found.value, "x"))
        for match in _EACH.finditer(self.text):
            keys.add(_in_base_unit(Decimal(1), _UNITS[match["unit"].lower()]))
        if _NOTHING.search(self.text):
            keys.add((Decimal(0), ""))
        return frozenset(keys)

    @cached_property
    def months(self) -> frozenset[int]:
        named = (_MONTHS[match.group()[:3].lower()] for match in _ANY_MONTH.finditer(self.text))
        return frozenset((*named, *map(_month_of, _NUMERIC_DATE.finditer(self.text))))

    @cached_property
    def sentences(self) -> tuple[tuple[frozenset[Decimal], frozenset[str]], ...]:
        """Of every sentence: its figures without units, and the directions of change it tells of."""
        return tuple(
            (frozenset(found.bare for found in _quantities(sentence)), _told_directions(sentence))
            for sentence in _SENTENCE_END.split(self.text)
        )


# Numbers: value and unit, in any spelling.


@dataclass(frozen=True, slots=True)
class _Quantity:
    """`bare` is the figure as it stands, `value` the same in the base of its `unit` (12 for '1 year')."""

    words: str
    bare: Decimal
    value: Decimal
    unit: str


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_ONES = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = _listed("twenty thirty forty fifty sixty seventy eighty ninety")
_WORD_VALUES = {word: n for n, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_WORD_VALUES |= {"dozen": 12}
_SCALES = {"hundred": 100, "thousand": 1_000, "k": 1_000, "million": 10**6, "bn": 10**9, "billion": 10**9}

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
_UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
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


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NUMBER_WORD = rf"(?:{_any_of([*_WORD_VALUES, 'hundred', 'thousand', 'million', 'billion'])})"
_FIGURE = re.compile(
    rf"""(?<!\w) (?: (?P<currency>[£$€])\s? )?
    (?: (?P<digits> \d{{1,3}}(?:,\d{{3}})+(?!\d) | \d+ ) (?P<decimals>\.\d+)?
        (?: [\s-]? (?P<scale>{_any_of(_SCALES)}|(?<=\d)m|(?<=\d)M)(?!\w) )?
      | (?P<words> {_NUMBER_WORD} (?: (?:[ -]|[ ]and[ ]) {_NUMBER_WORD} )* )(?=\W|$|fold\b)
    )
    (?: (?P<ordinal>st|nd|rd|th)(?!\w) | [\s-]? (?P<unit>{_any_of(_UNITS)}|per[ ]cent)(?!\w) | (?!\w) )""",
    re.VERBOSE | re.IGNORECASE,
)
_FRACTION = re.compile(
    rf"""\b(?: (?P<n>{_any_of(_ONES[1:10])}) [\s-] (?P<parts>halves|thirds|quarters|fifths|eighths|tenths)
      | (?:a|one) [\s-] (?P<part>{_any_of(_FRACTIONS)}) (?=\s+of\b)
      | (?:by|in|to) \s+ (?P<half>half)\b | (?P<the_half>half)(?=\s+(?:of|the)\b) )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_MULTIPLE = re.compile(rf"\b(?:{_any_of(_MULTIPLES)})\b", re.IGNORECASE)
_EACH = re.compile(rf"\b(?:an?|per|each|every)[ -](?P<unit>{_any_of(_UNITS)})\b", re.IGNORECASE)
_NOTHING = re.compile(r"\b(?:no|none|never|without|nil|not)\b", re.IGNORECASE)


def _quantities(text: str) -> Iterator[_Quantity]:
    text = _NUMERIC_DATE.sub(lambda date: date["year"] or date["year_first"], text)
    for match in _FIGURE.finditer(_FRACTION.sub(_BREAK, text)):
        yield _figure(match)
    for match in _FRACTION.finditer(text):
        part = match["part"] or match["half"] or match["the_half"] or _singular_part(match["parts"])
        count = _WORD_VALUES[match["n"].lower()] if match["n"] else 1
        share = (Decimal(100 * count) / _FRACTIONS[part.lower()]).normalize()
        yield _Quantity(match.group(), share, share, "%")
    for match in _MULTIPLE.finditer(text):
        value, unit = _MULTIPLES[match.group().lower()]
        yield _Quantity(match.group(), Decimal(value), Decimal(value), unit)


def _figure(match: re.Match[str]) -> _Quantity:
    if match["words"]:
        bare = _spelled(match["words"].lower())
    else:
        bare = Decimal(match["digits"].replace(",", "") + (match["decimals"] or ""))
    scale = (match["scale"] or "").lower()
    millions = scale == "m" and (match["currency"] or match["scale"] == "M")
    bare *= 10**6 if millions else _SCALES.get(scale, 1)
    unit = match["currency"] or _UNITS.get((match["unit"] or "").lower().replace("per cent", "%"), "")
    value, base = _in_base_unit(bare, unit)
    return _Quantity(match.group().strip(), bare.normalize(), value, base)


def _in_base_unit(value: Decimal, unit: str) -> tuple[Decimal, str]:
    base, factor = _BASES.get(unit, (unit, Decimal(1)))
    return (value * factor).normalize(), base


def _spelled(words: str) -> Decimal:
    """'one hundred and fifty' -> 150; words that make no one number are added up."""
    total, group = 0, 0
    for word in re.split(r"[ -]+", words):
        if word in _WORD_VALUES:
            group = group * 12 if word == "dozen" and group else group + _WORD_VALUES[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
    return Decimal(total + group)


def _singular_part(plural: str) -> str:
    return "half" if plural.lower() == "halves" else plural[:-1]


def _asserted_numbers(text: str) -> Iterator[Fact]:
    for found in _quantities(text):
        if found.words.lower() != "one":
            unit = "" if found.unit == "times" else found.unit
            yield Fact(found.words, (found.value if unit else found.bare, unit))


def _number_borne(fact: Fact, source: Source) -> bool:
    if fact.key in source.quantities:
        return True
    value, unit = fact.key
    return unit == "order" and any(
        isinstance(held, Decimal) and isinstance(value, Decimal) and held >= 2 * value
        for held, held_unit in source.quantities
        if held_unit or not (isinstance(held, Decimal) and 1900 <= held <= 2100)
    )


# Dates: months and seasons; years are numbers, weekdays names.

_MONTH_NAMES = _listed("January February March April May June July August September October November December")
_MONTHS = {name[:3].lower(): n for n, name in enumerate(_MONTH_NAMES, 1)}
_MONTH_PATTERN = rf"(?:{'|'.join(rf'{name[:3]}(?:{name[3:]})?' for name in _MONTH_NAMES if len(name) > 3)}|May|Sept)"
_ANY_MONTH = re.compile(rf"\b{_MONTH_PATTERN}\b", re.IGNORECASE)
_MONTH = re.compile(
    rf"\b(?!(?:May|March|Mar)\b){_MONTH_PATTERN}\b"
    r"|(?<=[a-z] )\b(?:May|March|Mar)\b|\b(?:May|March|Mar)\b(?= (?:\d|to\b|until\b))"
)
_NUMERIC_DATE = re.compile(
    r"""(?<!\w)(?: (?P<month>0?[1-9]|1[0-2]) / (?P<year>\d{4}) (?!\w)
    | (?P<year_first>\d{4}) - (?P<month_second>0[1-9]|1[0-2]) (?:-\d\d)? (?!\w) )""",
    re.VERBOSE,
)
_SEASON = re.compile(r"\b(spring|summer|autumn|fall|winter)(?=\s+(?:of\s+)?\d{4})", re.IGNORECASE)


def _asserted_dates(text: str) -> Iterator[Fact]:
    for match in _MONTH.finditer(text):
        yield Fact(match.group(), ("month", _MONTHS[match.group()[:3].lower()]))
    for match in _NUMERIC_DATE.finditer(text):
        yield Fact(match.group(), ("month", _month_of(match)))
    for match in _SEASON.finditer(text):
        yield Fact(match.group(), ("season", match.group().casefold()))


def _month_of(date: re.Match[str]) -> int:
    return int(date["month"] or date["month_second"])


def _date_borne(fact: Fact, source: Source) -> bool:
    kind, value = fact.key
    if kind == "month":
        return value in source.months
    same = {"autumn", "fall"} if value in {"autumn", "fall"} else {value}
    return not same.isdisjoint(source.tokens)


# Names: tools, skills, places, people, employers and titles.

_TOKEN = re.compile(r"[^\W_]+(?:[.'’_&-]?[^\W_]+)*[+#]*")
_PARTS = re.compile(r"['’&-]")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CAPITALISED_RUN = re.compile(r"(?<!\w)[A-Z][\w-]*(?: [A-Z][\w-]*){1,4}")
_OPENING = re.compile(r"(?:\A|[.!?:;|•(\n–—])[\s\"'“‘*-]*$")
_POSSESSIVE = re.compile(r"['’]s?$", re.IGNORECASE)
_NOT_ALNUM = re.compile(r"[^\w+#]|_")
_FIGURE_TOKEN = re.compile(rf"\d[\d.,]*(?:{_any_of([*_UNITS, *_SCALES])}|m|am|pm|st|nd|rd|th)?s?", re.IGNORECASE)
_ORDINARY_ENDINGS = ("ed", "ing", "ly", "tion", "sion", "ment", "ance", "ence", "ity", "ness", "ship")
ORDINARY = frozenset(
    _listed(
        """a about across after again all also although an and around as at because before began beside between
        both bought brought built but by came chose cut day did do done down drew drove during each earlier
        every experience few first fixed for fought found from gave get got grew had handle has have he held
        help her here his how if in into is it its keep kept knew last later led left lent let made main
        maintain make many met more most my new next no none not now of off on one only onto or other our out
        outcome outcomes over oversaw own part per project put ran rebuilt related result results review
        rewrote rose run saw self sent set she side since so sold some spent split spoke still such support
        take taught team that the their them then there these they this those through throughout to told took
        tool tools under undertook until up upon use used was we went were what when where which while who why
        with within without won work write wrote year yet you your background details duration method methods
        scope"""
    )
)
_ORGANISATIONS = frozenset(
    _listed(
        """ltd limited inc llc plc gmbh university college school hospital trust bank council group agency
        institute academy clinic foundation company corporation associates corp"""
    )
)
_ROLES = frozenset(
    _listed(
        """engineer developer manager director lead leader head officer nurse analyst consultant architect
        coordinator supervisor administrator specialist president chief cto ceo sister matron clerk technician
        scientist designer assistant operative founder programmer"""
    )
)
_ROLE_TAKEN = re.compile(rf"\bas (?:an?|the) ((?:[\w-]+ ){{0,3}}(?:{_any_of(_ROLES)}))\b", re.IGNORECASE)


def _key(token: str) -> str:
    key = _NOT_ALNUM.sub("", _POSSESSIVE.sub("", token).casefold())
    return key[:-1] if len(key) > 3 and key.endswith("s") else key


def _asserted_names(text: str) -> Iterator[Fact]:
    title_case = _in_title_case(text)
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.islower() and token.isalpha():
            continue
        lenient = title_case or bool(_OPENING.search(text[max(match.start() - 6, 0) : match.start()]))
        names = tuple(_key(part) for part in _PARTS.split(_POSSESSIVE.sub("", token)) if _is_name(part, lenient))
        if names:
            yield Fact(token, (_key(token), *names))


def _is_name(part: str, lenient: bool) -> bool:
    """Acronyms, mixed case and digits among letters are names anywhere, a capital only where none is due."""
    if part in {"", "A", "I"} or _FIGURE_TOKEN.fullmatch(part) or _ANY_MONTH.fullmatch(part):
        return False
    if any(char.isupper() for char in part[1:]) or part.endswith(("+", "#")):
        return True
    if any(char.isdigit() for char in part):
        return not part.isdigit()
    return part[0].isupper() and not (lenient and _is_ordinary(part.lower()))


def _is_ordinary(word: str) -> bool:
    return word in ORDINARY or word in _WORD_VALUES or word.endswith(_ORDINARY_ENDINGS)


def _in_title_case(text: str) -> bool:
    words = [word for word in text.split() if len(word) > 3 and word[0].isalpha()]
    return len(words) > 3 and sum(word[0].isupper() for word in words) >= 0.7 * len(words)


def _name_borne(fact: Fact, source: Source) -> bool:
    whole, *parts = fact.key
    return whole in source.tokens or source.tokens.issuperset(parts)


def _runs_with(words: frozenset[str], text: str) -> Iterator[Fact]:
    for match in _CAPITALISED_RUN.finditer(text):
        run = tuple(_TOKEN.findall(match.group()))
        if not words.isdisjoint(token.lower() for token in run):
            named = [token for token in run if not _is_ordinary(token.lower()) or token.lower() in words]
            yield Fact(match.group()[match.group().index(named[0]) :], tuple(map(_key, named)))


def _asserted_employers(text: str) -> Iterable[Fact]:
    return _runs_with(_ORGANISATIONS, text)


def _asserted_titles(text: str) -> Iterator[Fact]:
    yield from _runs_with(_ROLES, text)
    for match in _ROLE_TAKEN.finditer(text):
        yield Fact(match[1], tuple(map(_key, match[1].split())))


def _run_borne(fact: Fact, source: Source) -> bool:
    return fact.words in source.text or source.tokens.issuperset(str(part) for part in fact.key)


# Outcomes: a change and its figure must stand together, and in the same direction.

_DIRECTIONS: dict[str, re.Pattern[str]] = {
    "down": re.compile(
        r"\b(?:reduc\w+|cut|cutting|lowered|lowering|decreas\w+|dropp\w+|fell|fallen|sav(?:ed|ing|es)|shorten\w*"
        r"|shrank|shrunk|eliminat\w+|declin\w+|halv\w+)\b",
        re.IGNORECASE,
    ),
    "up": re.compile(
        r"\b(?:increas\w+|rais(?:ed|ing)|rose|rise|risen|rising|grew|growth|boost\w*|gained|doubl\w+|tripl\w+)\b",
        re.IGNORECASE,
    ),
    "change": re.compile(r"\b(?:improv\w+|accelerat\w+|sped|optimi[sz]\w+|transform\w*)\b", re.IGNORECASE),
}
_TOLD: dict[str, re.Pattern[str]] = {
    "down": re.compile(
        r"\b(?:down|less|fewer|lower|shorter|faster|quicker|instead|rather|replac\w+|stopp\w+|avoid\w*"
        r"|no longer)\b",
        re.IGNORECASE,
    ),
    "up": re.compile(r"\b(?:up|more|higher|extra|additional|better)\b", re.IGNORECASE),
}
_FROM_TO = re.compile(r"\bfrom\b(?P<first>.*?)\bto\b(?P<second>.*)", re.IGNORECASE | re.DOTALL)
_MEASURED = re.compile(r"%|\b(?:per ?cent|by|from|to|sav\w+|halv\w+|doubl\w+|tripl\w+|\d+x)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;!?](?=\s|$)|[\n•]")
_CLAUSE_END = re.compile(r"[.;!?,](?=\s|$)|[\n•]")


def _told_directions(sentence: str) -> frozenset[str]:
    told = {name for table in (_DIRECTIONS, _TOLD) for name, words in table.items() if words.search(sentence)}
    if "change" in told:
        told |= {"up", "down"}
    for match in _FROM_TO.finditer(sentence):
        first = next(_quantities(match["first"]), None)
        second = next(_quantities(match["second"]), None)
        if first and second and not first.unit:
            told.add("up" if first.bare < second.bare else "down")
        elif first and second and first.unit == second.unit:
            told.add("up" if first.value < second.value else "down")
        elif first and second:
            told |= {"up", "down"}
    return frozenset(told | {"change"} if told else told)


def _asserted_outcomes(text: str) -> Iterator[Fact]:
    for clause in _CLAUSE_END.split(text):
        directions = [name for name, words in _DIRECTIONS.items() if words.search(clause)]
        if directions and _MEASURED.search(clause):
            figures = frozenset(found.bare for found in _quantities(clause))
            yield from (Fact(clause.strip(), (direction, figures)) for direction in directions if figures)


def _outcome_borne(fact: Fact, source: Source) -> bool:
    direction, figures = fact.key
    return isinstance(figures, frozenset) and any(
        direction in told and not figures.isdisjoint(held) for held, told in source.sentences
    )


# Credentials: what others have attested.

_CREDENTIAL = re.compile(
    r"\b(certif|accredit|award|licen[cs]ed|patent|prize|promoted to|graduat|won\b|winn)\w*", re.IGNORECASE
)


def _asserted_credentials(text: str) -> Iterator[Fact]:
    for match in _CREDENTIAL.finditer(text):
        yield Fact(match.group(), (match[1].lower(),))


def _credential_borne(fact: Fact, source: Source) -> bool:
    return str(fact.key[0]) in source.text.lower()


EXTRACTORS: tuple[Extractor, ...] = (
    Extractor(kind=InventionKind.NUMBER, asserted=_asserted_numbers, borne=_number_borne),
    Extractor(kind=InventionKind.DATE, asserted=_asserted_dates, borne=_date_borne),
    Extractor(kind=InventionKind.NAME, asserted=_asserted_names, borne=_name_borne),
    Extractor(kind=InventionKind.EMPLOYER, asserted=_asserted_employers, borne=_run_borne),
    Extractor(kind=InventionKind.TITLE, asserted=_asserted_titles, borne=_run_borne),
    Extractor(kind=InventionKind.OUTCOME, asserted=_asserted_outcomes, borne=_outcome_borne),
    Extractor(kind=InventionKind.CREDENTIAL, asserted=_asserted_credentials, borne=_credential_borne),
)
