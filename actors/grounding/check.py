"""Holds an answer to its sources.

Claims are held to the sources they name. The title and the bullets are then read by the table of
extractors, one a kind of fact; a fact stands if the sources bear it, in whatever form it is written
there ('40 percent', 'forty percent' and 'two-fifths' are one figure). A sentence that a source says word
for word stands as it is. What no extractor reads, such as the order of words, is free: an answer may be
a paraphrase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.grounding.claims import CLAIM_RULES, ClaimRule, faults_of
from actors.grounding.extractors import EXTRACTORS, Extractor, InventionKind
from actors.grounding.source import STOPS, Source, folded, sources_of
from state.model import Answer, Document, Inputs

_MISSING = re.compile(
    r"\b(?:What was done|Tools and method|Outcome|(?:[\w'’-]+ ){1,4}) ?not yet (?:told|measured|stated)\b[.:]?|\bRelated experience:",
    re.IGNORECASE,
)
"""Says that something is missing, which invents nothing."""
_SENTENCE = re.compile(r"(?:[^.;:!?\n•]|[.;:!?](?=\S))+[.;:!?]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    """Something an answer says that nothing bears out; `words` are the answer's own."""

    kind: InventionKind
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an answer is held to."""

    claims: tuple[ClaimRule, ...] = CLAIM_RULES
    facts: tuple[Extractor, ...] = EXTRACTORS

    @property
    def names(self) -> tuple[str, ...]:
        return (*(rule.name for rule in self.claims), *(rule.name for rule in self.facts))

    def without(self, name: str) -> Rules:
        """The same rules but for one."""
        return replace(
            self,
            claims=tuple(rule for rule in self.claims if rule.name != name),
            facts=tuple(rule for rule in self.facts if rule.name != name),
        )


RULES = Rules()


def ungrounded(answer: Answer, inputs: Inputs, cv: Document, *, rules: Rules = RULES) -> tuple[Invention, ...]:
    """Everything `answer` invents, in the order it stands there; empty if all of it holds."""
    faults = faults_of(answer.bullets, inputs, cv, rules.claims)
    found = [Invention(kind=kind, words=words) for kind, words in faults]
    sources = sources_of(inputs, cv)
    for text in (answer.title, *(bullet.text for bullet in answer.bullets)):
        found += unborne(text, sources, extractors=rules.facts)
    return tuple(dict.fromkeys(found))


def unborne(text: str, sources: Sequence[Source], *, extractors: Sequence[Extractor] = EXTRACTORS) -> list[Invention]:
    """The facts of a piece of text that none of the sources bears.

    A text that is still growing is to be cut where its last sentence ends: half a figure is another figure.
    """
    rest = _reworded(_MISSING.sub("\n", text), sources)
    return [
        Invention(kind=extractor.kind, words=fact.words)
        for extractor in extractors
        for fact in extractor.asserted(rest)
        if not extractor.borne(fact, sources)
    ]


def _reworded(text: str, sources: Sequence[Source]) -> str:
    """The text without the sentences that a source says in the same words."""
    if _told_so(text, sources):
        return ""
    return _SENTENCE.sub(lambda sentence: "\n" if _told_so(sentence.group(), sources) else sentence.group(), text)


def _told_so(text: str, sources: Sequence[Source]) -> bool:
    plain = folded(text).strip(STOPS)
    return any(plain in source.folded and plain in source.verbatim for source in sources)
