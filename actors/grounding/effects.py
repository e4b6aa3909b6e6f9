"""Changes told without a figure, and clauses of which no source says a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actors.grounding.facts import Fact
from actors.grounding.outcomes import CLAUSE_END, directions_told, ways_told
from actors.grounding.quantities import figures_in
from actors.grounding.source import Source
from actors.grounding.stems import akin, roots, stems, telling_stems
from actors.grounding.themes import themes
from actors.grounding.tools import mentions

_TABLES = tuple(
    map(themes, ("seniority", "recognition", "credential", "superlative", "scope", "frequency", "activity", "benefit"))
)
_CHANGING = re.compile(
    r"""\b(?P<verb> improv(?:ed|es|ing|e) | enhanc(?:ed|es|ing|e) | boost(?:ed|s|ing)? | increas(?:ed|es|ing)
      | reduc(?:ed|es|ing|e) | rais(?:ed|es|ing) | lower(?:ed|s|ing) | decreas(?:ed|es|ing) | minimi[sz](?:ed|es|ing)
      | maximi[sz](?:ed|es|ing) | strengthen(?:ed|s|ing) | accelerat(?:ed|es|ing) | optimi[sz](?:ed|es|ing)
      | eliminat(?:ed|es|ing) | prevent(?:ed|s|ing) | elevat(?:ed|es|ing) | transform(?:ed|s|ing) | simplif(?:ied|ies|ying)
      | extend(?:ed|s|ing) | lift(?:ed|s|ing) | shorten(?:ed|s|ing) | lengthen(?:ed|s|ing) | expand(?:ed|s|ing) | widen(?:ed|s|ing)
      | cut(?:ting)?(?!\ (?:it|down)) )
    \ (?:the\ |their\ |its\ |overall\ )*(?P<object>(?:[\w'’-]+\ ?){1,5})
    | \b(?:rise|increase|reduction|improvement|gain|gains|growth|drop|decrease|decline|boost|uplift)\ in\ (?P<of>(?:[\w'’-]+\ ?){1,4})
    | (?P<subject>(?:[\w'’-]+\ ){1,5})(?P<went>improved|increased|rose|fell|dropped|grew|declined|decreased)\b(?!\ (?:the|their|our|its|by)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_ENDS_PHRASE = re.compile(
    r"\b(?:by|from|to|through|with|for|of|in|on|at|and|while|across|between|within|among|so|that|was|were|is|has|considerably"
    r"|significantly|noticeably|as|after|before|when|during|following|until)\b",
    re.IGNORECASE,
)
_MEASURES = stems("time rate number level amount share figure count process performance score")
_CLAUSES = re.compile(
    r"[.;:!?,](?=\s|$)|[\n•|]|\s[–—-]\s|\b(?:and|while|whereas)\b(?=\s\w+(?:ed|ing)\b)", re.IGNORECASE
)
MIN_WORDS = 2
"""Content words, beyond the most general ones, by which a clause can be recognised."""


def asserted_effects(text: str) -> Iterator[Fact]:
    """'reducing errors', 'morale rose': changes of something, told without a figure."""
    for clause in CLAUSE_END.split(text):
        for match in _CHANGING.finditer(clause):
            if figures_in(clause):
                break
            phrase = match["object"] or match["of"] or match["subject"]
            if themes("benefit").knows(phrase):
                continue
            changed = _head(_ENDS_PHRASE.split(phrase.strip())[0].split())
            if changed:
                ways = directions_told(match.group()) & {"up", "down"}
                yield Fact(match.group().strip(), (*(ways if len(ways) == 1 else ()), "|", *sorted(changed)))


def _head(words: Sequence[str]) -> frozenset[str]:
    """The stems of the thing itself: 'quality' of 'data quality', but 'changeover' of 'changeover time'."""
    last = stems(" ".join(words[-1:]))
    return stems(" ".join(words[-2:])) - last if last & _MEASURES and len(words) > 1 else last


def effect_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """A sentence tells of one of the things, and of a change in the same direction."""
    key = list(map(str, fact.key))
    ways, things = frozenset(key[: key.index("|")]), frozenset(key[key.index("|") + 1 :])
    return any(
        akin(things, stems(sentence)) and (ways & told if ways else told)
        for source in sources
        for sentence in source.sentences
        if (told := ways_told(sentence))
    )


def asserted_clauses(text: str) -> Iterator[Fact]:
    """Clauses with content words enough to be recognised, and neither a figure nor a theme to be judged by."""
    for clause in _CLAUSES.split(text):
        told = telling_stems(clause)
        if len(told) >= MIN_WORDS and "." in text and not _judged_otherwise(clause):
            yield Fact(clause.strip(), tuple(sorted(told)))


def _judged_otherwise(clause: str) -> bool:
    if figures_in(clause) or any(table.knows(clause) for table in _TABLES):
        return True
    return any(True for _ in mentions(clause, strict=True))


def clause_borne(fact: Fact, sources: Sequence[Source]) -> bool:
    """At least one of its content words stands in a source, in some form."""
    wanted = roots(frozenset(map(str, fact.key)))
    return any(not wanted.isdisjoint(source.roots) for source in sources)
