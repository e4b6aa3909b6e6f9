"""Names read out of a text: tools, skills, places, people, employers and titles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from actors.grounding.dates import ANY_MONTH
from actors.grounding.facts import Fact
from actors.grounding.quantities import SCALES, UNITS, WORD_VALUES
from actors.grounding.vocabulary import any_of, words_of

_TOKEN = re.compile(r"[^\W_]+(?:[.'’_&-]?[^\W_]+)*[+#]*")
_PARTS = re.compile(r"['’&-]")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CAPITALISED_RUN = re.compile(r"(?<!\w)[A-Z][\w-]*(?: [A-Z][\w-]*){1,4}")
_OPENING = re.compile(r"(?:\A|[.!?:;|•(\n–—])[\s\"'“‘*-]*$")
_POSSESSIVE = re.compile(r"['’]s?$", re.IGNORECASE)
_NOT_ALNUM = re.compile(r"[^\w+#]|_")
_FIGURE_TOKEN = re.compile(rf"\d[\d.,]*(?:{any_of([*UNITS, *SCALES])}|m|am|pm|st|nd|rd|th)?s?", re.IGNORECASE)
_ORDINARY_ENDINGS = ("ed", "ing", "ly", "tion", "sion", "ment", "ance", "ence", "ity", "ness", "ship")
_ORDINARY = frozenset(
    words_of(
        """a about across after again all also although an and around as at available because before began
        beside between both bought brought built but by came chose cut day did do done down drew drove
        during each earlier every experience few first fixed for fought found from gave get got grew had
        handle has have he held help her here his how if in into is it its keep kept knew last later led
        left lent let made main maintain make many met more most my new next no none not now of off on one
        only onto or other our out outcome outcomes over oversaw own part per project put ran rebuilt
        related result results review rewrote rose run saw self sent set she side since so sold some spent
        split spoke still such support take taught team that the their them then there these they this those
        through throughout to told took tool tools under undertook until up upon use used valid was we went
        were what when where which while who why with within without won work write wrote year yet you your
        background details duration method methods scope"""
    )
)
_ORGANISATIONS = frozenset(
    words_of(
        """ltd limited inc llc plc gmbh university college school hospital trust bank council group agency
        institute academy clinic foundation company corporation associates corp"""
    )
)
_ROLES = frozenset(
    words_of(
        """engineer developer manager director lead leader head officer nurse analyst consultant architect
        coordinator supervisor administrator specialist president chief cto ceo sister matron clerk technician
        scientist designer assistant operative founder programmer"""
    )
)
_ROLE_TAKEN = re.compile(rf"\bas (?:an?|the) ((?:[\w-]+ ){{0,3}}(?:{any_of(_ROLES)}))\b", re.IGNORECASE)


def tokens_in(text: str) -> frozenset[str]:
    """Every word, its hyphenated parts, two words run together, and initials of capitalised runs."""
    words = [match.group() for match in _TOKEN.finditer(text)]
    keys = [_key(word) for word in words]
    joined = (first + second for first, second in pairwise(keys))
    parts = (_key(part) for word in words for part in (*_PARTS.split(word), *_HUMPS.split(word)))
    initials = (
        "".join(word[0] for word in match.group().split()).casefold() for match in _CAPITALISED_RUN.finditer(text)
    )
    return frozenset((*keys, *joined, *parts, *initials))


def asserted_names(text: str) -> Iterator[Fact]:
    title_case = _in_title_case(text)
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.islower() and token.isalpha():
            continue
        lenient = title_case or bool(_OPENING.search(text[max(match.start() - 6, 0) : match.start()]))
        names = tuple(_key(part) for part in _PARTS.split(_POSSESSIVE.sub("", token)) if _is_name(part, lenient))
        if names:
            yield Fact(token, (_key(token), *names))


def asserted_employers(text: str) -> Iterable[Fact]:
    return _runs_with(_ORGANISATIONS, text)


def asserted_titles(text: str) -> Iterator[Fact]:
    yield from _runs_with(_ROLES, text)
    for match in _ROLE_TAKEN.finditer(text):
        yield Fact(match[1], tuple(map(_key, match[1].split())))


def _key(token: str) -> str:
    key = _NOT_ALNUM.sub("", _POSSESSIVE.sub("", token).casefold())
    return key[:-1] if len(key) > 3 and key.endswith("s") else key


def _is_name(part: str, lenient: bool) -> bool:
    """Acronyms, mixed case and digits among letters are names anywhere, a capital only where none is due."""
    if part in {"", "A", "I"} or _FIGURE_TOKEN.fullmatch(part) or ANY_MONTH.fullmatch(part):
        return False
    if any(char.isupper() for char in part[1:]) or part.endswith(("+", "#")):
        return True
    if any(char.isdigit() for char in part):
        return not part.isdigit()
    return part[0].isupper() and not (lenient and _is_ordinary(part.lower()))


def _is_ordinary(word: str) -> bool:
    return word in _ORDINARY or word in WORD_VALUES or word.endswith(_ORDINARY_ENDINGS)


def _in_title_case(text: str) -> bool:
    words = [word for word in text.split() if len(word) > 3 and word[0].isalpha()]
    return len(words) > 3 and sum(word[0].isupper() for word in words) >= 0.7 * len(words)


def _runs_with(words: frozenset[str], text: str) -> Iterator[Fact]:
    for match in _CAPITALISED_RUN.finditer(text):
        run = tuple(_TOKEN.findall(match.group()))
        if not words.isdisjoint(token.lower() for token in run):
            named = [token for token in run if not _is_ordinary(token.lower()) or token.lower() in words]
            yield Fact(match.group()[match.group().index(named[0]) :], tuple(map(_key, named)))
