"""Words without their endings, so that 'planned', 'planning' and 'plans' count as one."""

from __future__ import annotations

import re

from actors.grounding.readings import kept
from actors.grounding.units import WORD_VALUES
from actors.grounding.vocabulary import words_of

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,]\d+)*")
_SMALL = frozenset(
    words_of(
        """a about across after against all also although am an and another any are around as at be because been
        before being between both but by can could did do does doing done down during each either ever every for
        from further get gets getting got had has have having he her here hers him his how i if in into is it its
        itself just me more most much my no nor not now of off on once one only onto or other our out over own per
        rather same she should so some such than that the their them then there these they this those through
        throughout to together too under until up upon us use used uses using very via was we well were what when
        where which while who whom whose why will with within without would yet you your"""
    )
)
_IRREGULAR = {
    form: verb
    for verb, forms in {
        "begin": "began begun",
        "bring": "brought",
        "build": "built",
        "buy": "bought",
        "choose": "chose chosen",
        "draw": "drew drawn",
        "drive": "drove driven",
        "fall": "fell fallen",
        "find": "found",
        "give": "gave given",
        "grow": "grew grown",
        "hold": "held",
        "keep": "kept",
        "lead": "led",
        "lose": "lost",
        "make": "made",
        "meet": "met",
        "pay": "paid",
        "rise": "rose risen",
        "run": "ran",
        "see": "saw seen",
        "sell": "sold",
        "send": "sent",
        "speak": "spoke spoken",
        "take": "took taken",
        "teach": "taught",
        "tell": "told",
        "think": "thought",
        "throw": "threw thrown",
        "win": "won",
        "write": "wrote written",
    }.items()
    for form in forms.split()
}
_FIGURES = {word: str(value) for word, value in WORD_VALUES.items()}
_ENDINGS = (
    *("encies", "ency", "ances", "ance", "ences", "ence", "ability", "ibility", "able", "ible", "ures", "ure", "ness"),
    *("ities", "ity", "ive", "ful", "ants", "ant", "ents", "ent", "ists", "ist"),
    *("ations", "ation", "ments", "ment", "ings", "ing", "ions", "ion", "edly", "ies", "ied", "ers", "ors", "ed"),
    *("er", "or", "es", "ly", "al", "s", "y", "e"),
)
_BY_LAST_LETTER = {
    letter: tuple(ending for ending in _ENDINGS if ending.endswith(letter)) for letter in {e[-1] for e in _ENDINGS}
}
_MIN_STEM = 3
"""Letters that have to be left; 4 for the longer endings."""


@kept
def stems(text: str) -> frozenset[str]:
    """The stems of its words and figures, without the smallest words."""
    words = (word for word in _WORD.findall(text.casefold()) if word not in _SMALL)
    return frozenset(_FIGURES.get(word) or stem(word) for word in words)


@kept
def telling_stems(text: str) -> frozenset[str]:
    """The same without the words that any work could be told in."""
    return stems(text) - _GENERAL


@kept
def stem(word: str) -> str:
    """A word in small letters without its ending; not always a word, but the same for all its forms."""
    word = word.replace("’", "'").partition("'")[0]
    word = _IRREGULAR.get(word, word)
    for ending in _BY_LAST_LETTER.get(word[-1:], ()):
        if (
            word.endswith(ending)
            and len(word) - len(ending) >= _MIN_STEM + (len(ending) > 2)
            and not word.endswith("ss")
        ):
            cut = word[: -len(ending)]
            return cut[:-1] if cut[-1] == cut[-2] and cut[-1] not in "lsf" and len(cut) > _MIN_STEM else cut
    return word


def roots(words: frozenset[str]) -> frozenset[str]:
    """The beginnings of stems, by which 'closure' is known to be of 'close'."""
    return frozenset(word[:6] for word in words)


def akin(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """What two sets of stems share, endings forgiven."""
    return roots(some) & roots(others)


_GENERAL = stems(
    "work carry duration method tool background context detail result outcome colleague team deliver complete finish project task experience job role day week month year fortnight"
)
