"""What of an answer counts: the sentences its inputs bear out, and the names and figures in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from actors.grounding import folded, said, sources_of, unborne
from actors.grounding.quantities import WORD_VALUES
from actors.grounding.vocabulary import any_of
from actors.offline.evidence import stems
from actors.offline.facts import OPENING
from actors.offline.lexicon import Lexicon
from actors.offline.markers import OUTCOME, talks_idly
from actors.offline.sentences import sentences
from state.messages import EvaluateAnswer
from state.model import Bullet, BulletKind, Document, Inputs

FIGURE = re.compile(
    rf"(?<![\w.])\d[\d,]*(?:\.\d+)?|\b(?:half|{any_of(WORD_VALUES.keys() - {'zero', 'one'})})\b", re.IGNORECASE
)
NAME = re.compile(r"(?<=[a-z,(;] )[A-Z][\w+#.-]*|\b[A-Z]{2,}\w*|\b[A-Za-z]+\d\w*|\b\d+[A-Z]\w*|\b\w+[a-z][A-Z]\w*")


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence of an answer that its input bears out."""

    text: str
    kind: BulletKind
    source: str

    @property
    def figures(self) -> frozenset[str]:
        return frozenset(match.casefold().replace(",", "") for match in FIGURE.findall(self.text))


class Reading:
    """An answer as the rubric sees it."""

    def __init__(self, request: EvaluateAnswer, lexicon: Lexicon) -> None:
        self.gap = request.gap
        self.answer = request.answer
        self._lexicon = lexicon
        self.told = _borne_out(request.answer.bullets, request.inputs)

    @cached_property
    def text(self) -> str:
        return " ".join(told.text for told in self.told)

    @cached_property
    def names(self) -> dict[str, str]:
        """What is named: tools, methods, places; each once, as it stands in the text."""
        found = {mention.skill.name.casefold(): mention.words for mention in self._lexicon.mentions(self.text)}
        listed = [item for told in self.told if "tool" in told.source for item in re.split(r", | and ", told.text)]
        named = [match.group() for told in self.told for match in NAME.finditer(told.text)]
        for words in (*(OPENING.sub("", item) for item in listed), *named):
            if words.strip():
                found.setdefault(words.strip().casefold(), words.strip())
        return found

    @cached_property
    def figures(self) -> frozenset[str]:
        return frozenset().union(*(told.figures for told in self.told))

    @cached_property
    def outcome(self) -> list[Told]:
        """What came of it: the impact bullet, or a sentence elsewhere that tells of a result."""
        impact = [told for told in self.told if told.kind is BulletKind.IMPACT]
        return impact or [told for told in self.told if OUTCOME.search(told.text)]

    @cached_property
    def concrete(self) -> frozenset[str]:
        """Content words of sentences that hold a figure or a name; the others may be padding."""
        return frozenset(
            stem
            for told in self.told
            if told.figures or NAME.search(told.text) or self._lexicon.mentions(told.text)
            for stem in stems(told.text)
        )

    @property
    def whole(self) -> str:
        """All that the bullets say, borne out or not."""
        return "\n".join(bullet.text for bullet in self.answer.bullets)

    @property
    def first(self) -> str:
        return self.told[0].text if self.told else ""

    def quote(self, pattern: re.Pattern[str], among: Sequence[Told] | None = None) -> str:
        """The first sentence that holds the pattern."""
        return next((told.text for told in (self.told if among is None else among) if pattern.search(told.text)), "")


def _borne_out(bullets: Sequence[Bullet], inputs: Inputs) -> list[Told]:
    """The sentences of claims whose quote stands in the input they name; no quote counts twice."""
    source = sources_of(inputs, Document(text=""))
    kept: list[Told] = []
    seen: set[str] = set()
    for bullet in bullets:
        for claim in bullet.claims:
            kind, _, name = claim.source.partition(":")
            quote = folded(claim.quote)
            value = folded(said(inputs[name])) if kind == "input" and name in inputs else ""
            if not quote or quote not in value or quote in seen or folded(claim.text) not in folded(bullet.text):
                continue
            seen.add(quote)
            kept += [
                Told(sentence.rstrip(" ."), bullet.kind, claim.source)
                for sentence in sentences(claim.text)
                if not talks_idly(sentence) and not unborne(sentence, source)
            ]
    return kept
