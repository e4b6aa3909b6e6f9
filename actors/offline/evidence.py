"""What a CV shows: the skills it names, its lines by meaning, its years and its levels."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.embeddings import TextEmbedder, Vectors
from actors.offline.kinds import LANGUAGE, education_level, language_level
from actors.offline.lexicon import Lexicon
from actors.offline.sections import units
from actors.offline.tenure import Tenure, tenures
from state.model import Document

MAX_UNITS = 800
WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*[+#]{0,2}")
ACRONYM = re.compile(r"\b[A-Z][A-Z0-9]{1,6}\b")
COMMON_ACRONYMS = frozenset({"UK", "US", "USA", "EU", "IT", "OK", "AM", "PM", "HR", "CV", "ID", "OR", "AND", "GB"})
HOPE = re.compile(
    r"\b(?:(?:would|['’]d) (?:like|love) to|looking (?:to|for)|keen to|eager to|hop(?:e|ing) to|want(?:ing)? to"
    r"|wish(?:ing)? to|interested in (?:learning|moving)|aspir(?:e|ing) to|plan(?:ning)? to learn"
    r"|(?:no|without|never had|little|not yet any) (?:\w+ ){0,2}(?:experience|knowledge|exposure))\b",
    re.IGNORECASE,
)
STOP = frozenset(
    re.findall(
        r"\S+",
        """a able ability about across advantage all also an and another any are as at background basic be been
        being both by can clear confident current day demonstrated desirable equivalent e.g essential etc
        excellent experience experienced familiar familiarity for from full good great had hands-on has have
        having high i.e ideally if in including into is it its job knowledge least level like minimum more must
        necessary need needed of on or other our out over own plus practical preferably preferred previous prior
        professional proficiency proficient proven related relevant required requirement requirements role similar
        skill skilled skills small solid some strong such than that the their them then these they this those to
        track record two under understanding up us use used user using very we well what when where which while
        who will willing with within without work working would year years you your""",
    )
)
ENDINGS = re.findall(
    r"\w+", "ations ation ating ated ates ate ments ment ings ing ions ion ies ied ers er ed es ly s e y"
)
RENAMED = {"customs": "customsduty", "telephone": "phone", "telephones": "phone", "phones": "phone"}


@dataclass(frozen=True, slots=True)
class Near:
    """The CV's unit nearest in meaning to a text, and how near it is (cosine)."""

    words: str
    similarity: float


class Evidence:
    """A CV read once, asked many times."""

    def __init__(self, cv: Document, job: Document, *, lexicon: Lexicon, embedder: TextEmbedder) -> None:
        self.units = _units(cv)
        self._places: dict[str, list[int]] = {}
        for place, unit in enumerate(self.units):
            for stem in stems(unit):
                self._places.setdefault(stem, []).append(place)
        self._vocabulary = sorted(self._places)
        self.named: dict[str, str] = {}
        for unit in self.units:
            for mention in lexicon.mentions(unit):
                self.named.setdefault(mention.skill.name, unit)
        self.tenures: list[Tenure] = tenures(self.units, cv, job)
        self.education = max((_highest(unit) for unit in self.units), default=0)
        self._words = frozenset(WORD.findall(" ".join(self.units)))
        self._embedder = embedder
        self._vectors: Vectors = embedder.embed(self.units)

    def similarities(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, units): the cosine similarity of each text to each unit of the CV."""
        if not texts or not self.units:
            return np.zeros((len(texts), len(self.units)), dtype=np.float32)
        return self._embedder.embed(texts) @ self._vectors.T

    def nearest(self, similarities: Vectors) -> Near:
        """The unit of at least three words that is nearest, given one row of `similarities`."""
        candidates = [
            (float(similarity), unit)
            for similarity, unit in zip(similarities, self.units, strict=True)
            if len(unit.split()) >= 3 and "@" not in unit
        ]
        best = max(candidates, key=lambda pair: pair[0], default=(0.0, ""))
        return Near(best[1], best[0])

    def shows(self, words: frozenset[str], similarities: Vectors) -> bool:
        """Whether one unit of the CV covers the stems of a requirement, or is near enough in meaning.

        The bounds are calibrated on WordLlama's similarities: unrelated lines of one field reach 0.40,
        lines about the same thing start there.
        """
        if not self.units:
            return False
        covered = np.zeros(len(self.units), dtype=np.float32)
        for stem in words:
            covered[self._units_with(stem)] += 1 / len(words)
        covers = (covered >= 0.74) & ((similarities >= 0.25) | (len(words) > 1))
        close = (covered >= 0.49) & (similarities >= 0.40)
        touches = (covered > 0) & (similarities >= 0.55)
        return bool((covers | close | touches | (similarities >= 0.72)).any())

    def _units_with(self, stem: str) -> list[int]:
        """The units that hold a stem, or one of which the other is a beginning ('registr', 'regist')."""
        kin = {stem} & self._places.keys()
        if len(stem) >= 5:
            kin.update(stem[:end] for end in range(5, len(stem)) if stem[:end] in self._places)
            for other in self._vocabulary[bisect_left(self._vocabulary, stem) :]:
                if not other.startswith(stem):
                    break
                kin.add(other)
        return sorted({place for other in kin for place in self._places[other]})

    def touches(self, words: frozenset[str]) -> bool:
        """Whether the CV holds any of these stems."""
        return any(self._units_with(stem) for stem in words)

    def lacks_a_name(self, text: str) -> bool:
        """Whether a text holds an acronym, or is a short name in capitals, that the CV never uses."""
        acronyms = set(ACRONYM.findall(text)) - COMMON_ACRONYMS
        if not text.isupper() and any(acronym not in self._words for acronym in acronyms):
            return True
        tokens = WORD.findall(text)
        return len(tokens) == 1 and len(tokens[0]) <= 3 and tokens[0] not in self._words

    def says(self, pattern: re.Pattern[str]) -> str:
        """The first unit that a pattern finds, or ''."""
        return next((unit for unit in self.units if pattern.search(unit)), "")

    def language(self, name: str) -> tuple[str, float]:
        """The unit that names a language as one, and the level it gives (0 if none); ('', 0) if none does."""
        for unit in self.units:
            if name in LANGUAGE.findall(unit):
                part = unit[unit.index(name) :][:60]
                level = language_level(re.split(r"[,;|]", part)[0]) or language_level(unit[:40])
                return unit, level
        return "", 0


def stems(text: str) -> frozenset[str]:
    """The stems of a text's content words; a compound with a small word in it ('on-call') stays whole."""
    words: set[str] = set()
    for raw in WORD.findall(text.casefold()):
        word = re.sub(r"['’]s?$", "", raw)
        parts = re.split(r"[-'’]", word)
        words.update([word] if word in STOP or STOP.intersection(parts) else parts)
    kept = [RENAMED.get(word, word) for word in words if word not in STOP and len(word) > 1]
    return frozenset(map(_stem, kept))


def _stem(word: str) -> str:
    """The word without its ending: 'supervising' and 'supervised' share 'supervis'. `_units_with` forgives the rest."""
    if word.endswith("ss"):
        return word
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (5 if ending in {"er", "ers"} else 4):
            cut = word[: -len(ending)]
            return cut[:-1] if cut[-1] == cut[-2] and cut[-1] not in "sl" else cut
    return word


def _units(cv: Document) -> list[str]:
    """The CV's sentences and bullets, each cut where it turns from what was done to what is hoped for."""
    found: list[str] = []
    for _, line in cv.lines():
        for unit in units(line):
            hope = HOPE.search(unit)
            shown = (unit[: hope.start()] if hope else unit).replace("**", "").strip(" ,;-–#*")
            if any(mark.isalnum() for mark in shown):
                found.append(shown)
        if len(found) >= MAX_UNITS:
            break
    return found[:MAX_UNITS]


def _highest(unit: str) -> int:
    """The highest level of education a unit names; each of its parts may name one."""
    return max((education_level(part) for part in re.split(r"[,;|]", unit)), default=0)
