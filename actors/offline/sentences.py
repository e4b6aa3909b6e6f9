"""Where a text can be cut: into sentences, into clauses that can stand alone, or short."""

from __future__ import annotations

import re

from actors.grounding.vocabulary import words_of

_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|no|approx|dr|mr|mrs|ms|st|inc|ltd|dept)|\b[A-Z])\.$", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^\n]+?(?:[.!?]+[\"')]*(?=\s)|;(?=\s)|(?=\n)|$)")
_CLAUSE = re.compile(
    r"[;,]?\s+(?=(?:using|so that|which meant|resulting in|and then|and now|and afterwards)\b)"
    r"|,\s+(?=(?:then|which|so|using|with|by|and|no|never|without|cutting|reducing|saving)\b)|;\s+",
    re.IGNORECASE,
)
_JOINING = frozenset(words_of("a an the and or nearly than as up no not"))
_PHRASE_STARTS = frozenset(
    words_of(
        """about around as at because by during for from if in into of on over per so than that to under until
        when where which while who with within without"""
    )
)


def sentences(text: str) -> list[str]:
    """The sentences and listed lines of a text that hold a word, as they stand there."""
    found: list[str] = []
    for match in _SENTENCE.finditer(text):
        part = match.group()
        if found and _goes_on(found[-1]) and not text[: match.start()].endswith("\n"):
            start = text.rindex(found[-1], 0, match.start())
            found[-1] = text[start : match.end()]
        else:
            found.append(part)
    return [quote for part in found if has_words(quote := part.strip().lstrip("-•* ").strip())]


def clauses(sentence: str) -> list[str]:
    """Its clauses that can stand alone; short ones stay together."""
    parts: list[str] = []
    start = 0
    for match in _CLAUSE.finditer(sentence):
        if len(sentence[start : match.start()].split()) >= 4 and len(sentence[match.end() :].split()) >= 3:
            parts.append(sentence[start : match.start()].strip())
            start = match.end()
    return [*parts, sentence[start:].strip()]


def has_words(text: str) -> bool:
    return any(char.isalnum() for char in text)


def shortened(text: str, words: int) -> str:
    """Its first words, cut where a phrase ends; a figure is never parted from what it counts."""
    every = text.split()
    kept = every[:words]
    if len(kept) == len(every):
        return text.rstrip(" .,;:")
    ends = [place for place, word in enumerate(kept, 1) if place > 2 and word.endswith((",", ";", ".", ":"))]
    kept = kept[: ends[-1]] if ends else kept
    while len(kept) > 1 and _hangs(kept[-1]):
        kept.pop()
    if not ends and every[len(kept)].lower() not in _PHRASE_STARTS:
        starts = [place for place, word in enumerate(kept) if place > 2 and word.lower() in _PHRASE_STARTS]
        kept = kept[: starts[-1]] if starts else kept
    return " ".join(kept).rstrip(" .,;:")


def _goes_on(part: str) -> bool:
    """Whether it ends with an abbreviation, or as a few words before a semicolon."""
    return bool(_ABBREVIATED.search(part)) or (part.endswith(";") and len(part.split()) < 4)


def _hangs(word: str) -> bool:
    lower = word.lower()
    return lower in _JOINING or lower in _PHRASE_STARTS or any(char.isdigit() for char in word)
