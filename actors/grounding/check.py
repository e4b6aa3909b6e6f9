"""Holds an answer to its sources.

Claims are held to their sources word for word. The title and the bullets are then read by the table of
extractors, one a kind of fact; a fact stands if one source bears it, in whatever form it is written
there ('40 percent', 'forty percent' and 'two-fifths' are one figure). What no extractor reads, such as
the order of words, is free: an answer may be a paraphrase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actors.grounding.extractors import EXTRACTORS, InventionKind
from actors.grounding.source import Source, folded, said, sources_of
from state.model import Answer, Bullet, Document, Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    """Something an answer says that nothing bears out; `words` are the answer's own."""

    kind: InventionKind
    words: str


def ungrounded(answer: Answer, inputs: Inputs, cv: Document) -> tuple[Invention, ...]:
    """Everything `answer` invents, in the order it stands there; empty if all of it holds."""
    found = list(_misquoted(answer.bullets, inputs, cv))
    sources = sources_of(inputs, cv)
    for text in (answer.title, *(bullet.text for bullet in answer.bullets)):
        found += unborne(text, sources)
    return tuple(dict.fromkeys(found))


def unborne(text: str, sources: Sequence[Source]) -> list[Invention]:
    """The facts of a piece of text that none of the sources bears."""
    return [
        Invention(kind=extractor.kind, words=fact.words)
        for extractor in EXTRACTORS
        for fact in extractor.asserted(text)
        if not any(extractor.borne(fact, source) for source in sources)
    ]


def _misquoted(bullets: Sequence[Bullet], inputs: Inputs, cv: Document) -> Iterator[Invention]:
    lines = dict(cv.lines())
    for bullet in bullets:
        for claim in bullet.claims:
            source = _source_text(claim.source, inputs, lines)
            if source is None:
                yield Invention(kind=InventionKind.SOURCE, words=claim.source)
            elif not _within(claim.quote, source):
                yield Invention(kind=InventionKind.QUOTE, words=claim.quote)
            if not _within(claim.text, bullet.text):
                yield Invention(kind=InventionKind.CLAIM, words=claim.text)


def _source_text(source: str, inputs: Inputs, lines: dict[int, str]) -> str | None:
    kind, _, name = source.partition(":")
    if kind == "input" and name in inputs:
        return said(inputs[name])
    if kind == "cv" and name.isascii() and name.isdigit() and len(name) < 10:
        return lines.get(int(name))
    return None


def _within(words: str, text: str) -> bool:
    wanted = folded(words)
    return bool(wanted) and wanted in folded(text)
