"""What answers like to add in words alone, and the words by which a source would bear it out.

A theme is a row of `actors/data/themes.tsv`: its kind, what an answer says, and what some source has to say for it
to stand; where the last column is empty, one of the same things. The phrases are parted by commas, 'trust*' stands
for every word that begins so. What bears is a list of stems and not of sentences, because a true answer may put a
thing in its own words: 'quicker' bears 'efficiency', 'thanked' bears 'praised'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from actors.grounding.facts import Fact
from actors.grounding.readings import kept
from actors.grounding.source import Source
from actors.grounding.stems import stems
from actors.grounding.vocabulary import phrases

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Theme:
    says: re.Pattern[str]
    told: re.Pattern[str]


class Themes:
    """Themes as one kind of fact: `asserted` and `borne` are what an extractor is made of."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """`rows` hold what is said and what has to be told, '' for the same."""
        self._themes: list[Theme] = []
        self._by_beginning: dict[str, list[int]] = {}
        for number, (says, told) in enumerate(rows):
            self._themes.append(Theme(phrases(says), phrases(told or says)))
            for beginning in {_beginnings(phrase)[0] for phrase in says.split(",")}:
                self._by_beginning.setdefault(beginning, []).append(number)

    def asserted(self, text: str) -> Iterator[Fact]:
        for number in self._likely(text):
            for match in self._themes[number].says.finditer(text):
                yield Fact(match.group(), (number,))

    def borne(self, fact: Fact, sources: Sequence[Source]) -> bool:
        """A source says one of the things that bear it, or the same words in another order."""
        told = self._themes[int(str(fact.key[0]))].told
        same = stems(fact.words)
        return any(told.search(source.text) or (same and same <= source.stems) for source in sources)

    def knows(self, text: str) -> bool:
        """Whether a text says anything that there is a theme for."""
        return any(self._themes[number].says.search(text) for number in self._likely(text))

    def _likely(self, text: str) -> Sequence[int]:
        """The themes of which a phrase may begin with one of the text's words."""
        begun = {number for beginning in _beginnings(text) for number in self._by_beginning.get(beginning, ())}
        return sorted(begun)


@cache
def themes(kind: str) -> Themes:
    """The shipped themes of a kind. Raises `ValueError` for a kind that has none."""
    rows = [row.split("\t") for row in (files("actors") / "data" / "themes.tsv").read_text("utf-8").splitlines()[1:]]
    of_kind = [(says, "".join(told)) for name, says, *told in rows if name == kind]
    if not of_kind:
        raise ValueError(f"No themes of kind {kind!r}.")
    return Themes(of_kind)


@kept
def _beginnings(text: str) -> tuple[str, ...]:
    """The first letters of each word, each once, as many as the shortest stem in a list has."""
    return tuple(dict.fromkeys(word[:2] for word in _WORD.findall(text.casefold())))
