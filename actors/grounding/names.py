"""Names read out of a text: tools, skills, places, people, employers and titles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from actors.grounding.dates import ANY_MONTH
from actors.grounding.facts import Fact
from actors.grounding.organisations import FORMS, KINDS_OF_PLACE, KNOWN
from actors.grounding.readings import kept
from actors.grounding.tools import mentions
from actors.grounding.units import SCALES, UNITS
from actors.grounding.vocabulary import any_of, words_of

_TOKEN = re.compile(r"[^\W_]+(?:[.'’_&-]?[^\W_]+)*[+#]*")
_PARTS = re.compile(r"['’&-]")
_PLURAL = re.compile(r"^([A-Z]{2,})s$")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CAPITALISED_RUN = re.compile(r"(?<!\w)[A-Z][\w-]*(?: [A-Z][\w-]*){1,4}")
_AND_SONS = re.compile(r"(?<!\w)[A-Z][a-z]+ & [A-Z][a-z]+\b")
_OPENING = re.compile(r"(?:\A|[.!?:;|•(\n–—])[\s\"'“‘*-]*$")
_POSSESSIVE = re.compile(r"['’]s?$", re.IGNORECASE)
_NOT_ALNUM = re.compile(r"[^\w+#]|_")
_FIGURE_TOKEN = re.compile(
    rf"Q[1-4]|H[12]|\d[\d.,]*(?:{any_of([*UNITS, *SCALES])}|m|am|pm|st|nd|rd|th)?s?", re.IGNORECASE
)
ROLES = frozenset(
    words_of(
        """engineer developer manager director lead leader head officer nurse analyst consultant architect
        coordinator supervisor administrator specialist president chief cto ceo cfo coo sister matron clerk technician
        scientist designer assistant operative founder programmer teacher lecturer professor headteacher chef cook
        accountant auditor bookkeeper controller electrician plumber foreman surveyor solicitor barrister paralegal
        buyer planner scheduler trainer tutor mentor assessor inspector editor journalist author producer principal
        owner partner chair chairman chairwoman secretary treasurer executive adviser advisor strategist researcher
        pharmacist physiotherapist midwife paramedic doctor carer receptionist warden ranger captain superintendent
        adjudicator contractor"""
    )
)
_ROLE_TAKEN = re.compile(
    rf"""\b(?:as|(?:role|post|position|capacity|job|title)[ ]of|appointed|became|made|into|(?:was|were|am|is|been|being)
    (?=[ ](?:an?|the)[ ])) [ ] (?:(?:an?|the|their|its)[ ])?
    (?P<role>(?:[\w-]+[ ]){{0,3}}(?P<head>{any_of(ROLES)})(?:[ ]of[ ][a-z-]+)?)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_RUN_OPENERS = frozenset(words_of("a an as at became by for from in is of on the to was with"))
_RUN_OPENER_ENDINGS = ("ed", "ing", "ly")
_NATIONS = {
    adjective: country
    for country, adjective in (
        pair.split(":")
        for pair in words_of(
            """ireland:irish norway:norwegian france:french germany:german spain:spanish italy:italian poland:polish
            portugal:portuguese netherlands:dutch belgium:belgian sweden:swedish denmark:danish finland:finnish
            scotland:scottish wales:welsh england:english britain:british china:chinese japan:japanese india:indian
            america:american canada:canadian australia:australian switzerland:swiss austria:austrian greece:greek
            turkey:turkish russia:russian ukraine:ukrainian brazil:brazilian mexico:mexican africa:african europe:european
            asia:asian romania:romanian hungary:hungarian czechia:czech"""
        )
    )
}


@kept
def tokens_in(text: str) -> frozenset[str]:
    """Every word, its hyphenated parts, two words run together, and initials of capitalised runs."""
    words = [match.group() for match in _TOKEN.finditer(text)]
    keys = [_key(word) for word in words]
    joined = (first + second for first, second in pairwise(keys))
    parts = (
        _key(part) for word in words for part in (*_PARTS.split(word), *_HUMPS.split(word), _PLURAL.sub(r"\1", word))
    )
    initials = (
        "".join(word[0] for word in match.group().split()).casefold() for match in _CAPITALISED_RUN.finditer(text)
    )
    return frozenset((*keys, *joined, *parts, *initials))


def asserted_names(text: str) -> Iterator[Fact]:
    """Capitalised and otherwise singular words that no list of tools knows; nothing that only opens a sentence."""
    title_case = _in_title_case(text)
    tools = [(found.start, found.end) for found in mentions(text, strict=True)]
    for match in _TOKEN.finditer(text):
        token = match.group()
        if (token.islower() and token.isalpha()) or any(start <= match.start() < end for start, end in tools):
            continue
        lenient = title_case or bool(_OPENING.search(text[max(match.start() - 6, 0) : match.start()]))
        names = tuple(_key(part) for part in _PARTS.split(_POSSESSIVE.sub("", token)) if _is_name(part, lenient))
        if names:
            yield Fact(token, (_key(token), *names))


def asserted_employers(text: str) -> Iterator[Fact]:
    """Organisations by their form ('Ltd'), by their fame in any letters, or by what kind of place they are."""
    yield from _runs_with(FORMS, text)
    for match in _AND_SONS.finditer(text):
        yield Fact(match.group(), tuple(map(_key, _TOKEN.findall(match.group()))))
    for match in KNOWN.finditer(text):
        yield Fact(match.group(), tuple(map(_key, _TOKEN.findall(match.group()))))
    for match in KINDS_OF_PLACE.finditer(text):
        yield Fact(match["words"], tuple(map(_key, _TOKEN.findall(match["kind"]))))


def asserted_titles(text: str) -> Iterator[Fact]:
    """Posts held: in capitals anywhere, in small letters after 'as', 'role of' and the like."""
    if _in_title_case(text):
        roles = (match for match in _TOKEN.finditer(text) if match.group().lower() in ROLES)
        yield from (Fact(match.group(), (_key(match.group()),)) for match in roles)
    else:
        yield from _runs_with(ROLES, text)
    for match in _ROLE_TAKEN.finditer(text):
        yield Fact(match["role"], tuple(_key(word) for word in match["role"].split() if word.lower() != "of"))


def nation_of(key: str) -> str:
    """'norway' for 'norwegian', else the word itself."""
    return _NATIONS.get(key, key)


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
    return part[0].isupper() and not lenient


def _in_title_case(text: str) -> bool:
    words = [word for word in text.split() if len(word) > 3 and word[0].isalpha()]
    return len(words) > 3 and sum(word[0].isupper() for word in words) >= 0.7 * len(words)


def _runs_with(words: frozenset[str], text: str) -> Iterator[Fact]:
    for match in _CAPITALISED_RUN.finditer(text):
        run = _TOKEN.findall(match.group())
        if words.isdisjoint(token.lower() for token in run):
            continue
        while len(run) > 2 and (run[0].lower() in _RUN_OPENERS or run[0].endswith(_RUN_OPENER_ENDINGS)):
            run = run[1:]
        yield Fact(match.group()[match.group().index(run[0]) :], tuple(map(_key, run)))
