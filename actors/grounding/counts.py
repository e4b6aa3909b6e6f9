"""How many of what: figures with the thing they count, and bounds such as 'more than 40'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from actors.grounding.counting import MORE, Counted, counted
from actors.grounding.facts import Fact
from actors.grounding.numbers import is_size
from actors.grounding.quantities import is_year, quantities
from actors.grounding.source import Source, folded
from actors.grounding.spelled import Quantity
from actors.grounding.stems import akin, stem, stems
from actors.grounding.tools import mentions
from actors.grounding.units import MULTIPLES, ORDINALS, TIMES, WORD_VALUES
from actors.grounding.vocabulary import any_of, words_of

_UP = r"(?:more than|greater than|over|above|exceed(?:ed|ing|s)?|in excess of|upwards of|at least|no (?:fewer|less) than|north of|minimum of)"
_DOWN = r"(?:under|less than|fewer than|below|no more than|at most|maximum of)"
_BOUNDS = {
    "up": re.compile(rf"\b(?P<well>well |far )?(?P<bound>{_UP}) (?:the |an? )?[£$€]?$", re.IGNORECASE),
    "down": re.compile(rf"\b(?P<well>well |far )?(?P<bound>{_DOWN}) (?:the |an? )?[£$€]?$", re.IGNORECASE),
}
_TOLD_BOUNDS = {
    "up": re.compile(
        rf"\b(?:{_UP}|(?:old|long|great|larg|high|lat|bigg|heavi)er than|well over) (?:an? )?[£$€]?$",
        re.IGNORECASE,
    ),
    "down": re.compile(
        rf"\b(?:{_DOWN}|within|inside|(?:young|short|small|low|earli|light)er than|up to|kept to) (?:the |an? )?[£$€]?$",
        re.IGNORECASE,
    ),
}
_PERIOD = re.compile(
    r"(?: \w+)? (?:seasons?|winters?|summers?|springs?|autumns?|terms?|semesters?|shifts?|sprints?|sessions?|visits?|weekends?"
    r"|evenings?|nights?|mornings?|years?|months?|weeks?|days?)\b",
    re.IGNORECASE,
)
_BEFOREHAND = re.compile(r" (?:ahead|before|in advance|prior|old)\b")
_TAKES = re.compile(
    r"\b(?:tak(?:es|e|ing)|took|last(?:s|ed|ing)|needs?|needed|requires?|required|waits?|waited) (?:well )?over $",
    re.IGNORECASE,
)
_AHEAD = re.compile(
    r" (?:ahead|before|early|earlier|in advance|prior|late|later|after|afterwards|old|older|previously)\b"
)
_OR_MORE = re.compile(r"\s?\+|\s+or more\b|\s+plus\b")
_PEOPLE = re.compile(
    r"people|persons?|staff|colleagues?|members?|employees?|reports?|teammates?|specialists?|assistants?|apprentices?"
    r"|trainees?|technicians?|consultants?|contractors?|nurses?|m[ae]n|wom[ae]n|\w{2,}(?:[eo]r|ist|ian|ee)s?"
)
_STAFF = re.compile(
    r"people|staff|colleagues?|members?|employees?|reports|teammates?|engineers?|developers?|specialists?|subordinates?"
    r"|assistants?|apprentices?|trainees?|contractors?|analysts?|nurses?"
)
_THINGS = frozenset(
    words_of(
        """server container folder paper order letter number error sensor computer printer router counter poster newsletter
        quarter layer filter corridor motor door floor colour chapter register charter tower boiler scanner tracker cluster
        parameter meter trailer offer tender flyer banner folder customer-order corner transformer container list coffee fee
        committee degree tree barrier career water paper folder chair fibre fire hour calendar fixture list checklist"""
    )
)
"""Words that end like persons and are none."""
_RANK_OF = re.compile(
    rf"\b(?P<rank>{any_of(ORDINALS)}) (?:out of|of|among|from) (?P<of>\d+|{any_of(WORD_VALUES)})\b", re.IGNORECASE
)
_OUT_OF = re.compile(r" (?:in|of|out of|among)(?: every| the)? ")
_VERSION = re.compile(
    r" (?:version |v\.? ?)?(?P<version>\d+(?:\.\d+)*)(?=[.,;)]?(?:\s+(?:with|and|on|in|for|to|as|at|or|over|from|by|while)\b|\s*$|[,;)]))",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?P<order>dozens|scores|hundreds|thousands|millions)(?: of (?:thousands|millions))? of (?P<things>(?:[\w'’-]+ ?){1,3})",
    re.IGNORECASE,
)
_GROUP_OF = re.compile(
    r"\b(?P<things>community|audience|(?:user|customer|client) base|network|crowd|following|readership) of (?:\w+ )?(?P<order>dozens|hundreds|thousands|millions)\b",
    re.IGNORECASE,
)
_ORDERS = {"dozens": 24, "scores": 40, "hundreds": 200, "thousands": 2_000, "millions": 2 * 10**6}


def asserted_bounds(text: str) -> Iterator[Fact]:
    """'over 40', '40+', 'under 3 hours'; not 'over 8 months' or 'Over 180 visits, ...', which tell how long."""
    for found in quantities(text):
        key = (found.value, found.unit, found.bare, _with_next_word(found, text))
        before = text[max(found.start - 24, 0) : found.start]
        for direction, pattern in _BOUNDS.items() if found.words.lower() not in {*MULTIPLES, "one"} else ():
            match = pattern.search(before)
            if match and not _lasts(found, text, match):
                yield Fact(f"{match.group().strip()} {found.words}", (direction, *key))
        ahead = _AHEAD.match(text, found.end)
        if found.unit in TIMES and ahead:
            yield Fact(f"{found.words}{ahead.group()}", ("ahead", *key))
        if _OR_MORE.match(text, found.end):
            yield Fact(f"{found.words}+", ("up", *key))


def bound_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """The same figure with a bound of the same direction; or 'over 3 Jahre' where an input says '3 Jahre' and no more."""
    direction, value, unit, bare, phrase = fact.key
    if fact.words.startswith("over ") and any(phrase in source.values for source in sources):
        return True
    return any(
        _told_bound(source.text, found, str(direction))
        for source in sources
        for found in quantities(source.text)
        if (found.value, found.unit) == (value, unit) or (not found.unit and found.bare == bare)
    )


def asserted_counts(text: str) -> Iterator[Fact]:
    """'45 volunteers', 'a team of 8', 'thousands of users'."""
    for found in counted(text):
        if found.things and not is_size(found.quantity, text):
            words = f"{found.quantity.words} {' '.join(found.things)}"
            yield Fact(words, ("count", found.quantity.bare, found.deed, *found.things))
    for match in _GROUP_OF.finditer(text):
        yield Fact(match.group(), ("order", Decimal(_ORDERS[match["order"].lower()]), *stems(match["things"])))
    for count, of, words in _parts(text):
        yield Fact(words, ("part", count, of))
    for match in _ORDER.finditer(text):
        yield Fact(match.group().strip(), ("order", Decimal(_ORDERS[match["order"].lower()]), *stems(match["things"])))


def count_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """Refused if the sources count these things, or what was done with them, otherwise; and people not counted at all."""
    kind, value, *rest = fact.key
    if kind == "order":
        named = frozenset(map(str, rest))
        told_of = (sentence for source in sources for sentence in source.sentences if akin(named, stems(sentence)))
        return any(_many(sentence, Decimal(str(value)), fact.words) for sentence in told_of)
    if kind == "part":
        told = {(count, of) for source in sources for count, of, _ in _parts(source.text)}
        return (value, rest[0]) in told or not any((count == value) != (of == rest[0]) for count, of in told)
    deed, *things = map(str, rest)
    person = _is_person(things[-1])
    wanted = {stem(thing) for thing in things}
    others: list[Counted] = []
    for found in (found for source in sources for found in source.counted):
        named = frozenset(map(stem, found.things))
        if found.quantity.bare != value:
            others.append(found)
        elif (
            not named
            or named & wanted
            or MORE in found.things
            or (person and any(map(_is_person, found.things)))
            or (deed and stem(deed) == stem(found.deed))
        ):
            return True
    return not _STAFF.fullmatch(things[-1]) and not any(_counts_otherwise(found, deed, things[-1]) for found in others)


def asserted_versions(text: str) -> Iterator[Fact]:
    """'PostgreSQL 16', 'Python v3.12': a tool with a figure that counts nothing."""
    for tool in mentions(text, strict=True):
        match = _VERSION.match(text, tool.end)
        if match:
            yield Fact(f"{tool.words}{match.group()}", (tool.name, match["version"]))


def version_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    return any(
        (tool.name, match["version"]) == fact.key
        for source in sources
        for tool in mentions(source.text, strict=False)
        if (match := _VERSION.match(source.text, tool.end))
    )


def _with_next_word(found: Quantity, text: str) -> str:
    following = re.match(r" [^\W\d_]+", text[found.end :])
    return folded(found.words + following.group() if following else found.words)


def _lasts(found: Quantity, text: str, match: re.Match[str]) -> bool:
    """Whether 'over' tells how long: 'over 8 months', 'over two winters', 'Over 180 visits, ...'."""
    if match["bound"].lower() != "over" or match["well"]:
        return False
    if (
        match.string[: match.start("bound")]
        .lower()
        .endswith(("for ", "of ", "by ", "lasting ", "with ", "has ", "have ", "had "))
    ):
        return False
    if _BEFOREHAND.match(text, found.end) or _TAKES.search(text[: found.start]):
        return False
    long = found.unit in {"month", "day"} or found.named == "hour"
    return long or bool(_PERIOD.match(text, found.end)) or match["bound"] == "Over"


def _parts(text: str) -> Iterator[tuple[Decimal, Decimal, str]]:
    """(26, 30) of '26 of 30', with the words."""
    found = sorted(quantities(text), key=lambda quantity: quantity.start)
    for first, second in pairwise(found):
        if first.unit in {"", "nth"} and not second.unit and _OUT_OF.fullmatch(text[first.end : second.start]):
            yield first.bare, second.bare, text[first.start : second.end]
    for match in _RANK_OF.finditer(text):
        of = Decimal(WORD_VALUES.get(match["of"].lower(), match["of"]))
        yield Decimal(ORDINALS[match["rank"].lower()]), of, match.group()


def _counts_otherwise(found: Counted, deed: str, thing: str) -> bool:
    """Whether a figure of the source, another one, is of the same thing, or of the same deed."""
    if found.things and stem(found.things[-1]) in {stem(thing), stem(deed)}:
        return True
    return bool(deed) and stem(found.deed) == stem(deed)


def _is_person(word: str) -> bool:
    return bool(_PEOPLE.fullmatch(word)) and word.removesuffix("s") not in _THINGS


def _told_bound(text: str, found: Quantity, direction: str) -> bool:
    if direction == "ahead":
        return bool(_AHEAD.match(text, found.end))
    if direction == "up" and _OR_MORE.match(text, found.end):
        return True
    return bool(_TOLD_BOUNDS[direction].search(text[max(found.start - 24, 0) : found.start]))


def _many(sentence: str, at_least: Decimal, words: str) -> bool:
    """Whether a sentence holds a count that high, or says so in the same words."""
    if words.split(maxsplit=1)[0].casefold() in sentence.casefold():
        return True
    return any(not found.unit and not is_year(found) and found.bare >= at_least for found in quantities(sentence))
