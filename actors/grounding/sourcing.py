"""Finds the words of a source that bear a claim out, for claims that name their source alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

from actors.grounding.quantities import quantity_keys
from actors.grounding.source import said
from actors.grounding.stems import stems
from state.model import Answer, Bullet, Claim, Document, Inputs

MAX_WHOLE_WORDS = 8
"""A source of so many words is quoted whole."""

_ENDS = (re.compile(r"[.;!?](?=\s|$)|[\n•]"), re.compile(r"[.;!?,](?=\s|$)|[\n•]|\s+(?=(?:and|so|which|but)\b)"))


def with_quotes(answer: Answer, inputs: Inputs, cv: Document) -> Answer:
    """The answer with a quote for every claim that has none: the shortest part of its source that shares most with it.

    A part is a sentence, a clause, two neighbours of these or the whole, word for word as it stands there.
    A claim whose source there is not stays without a quote, and the check refuses it.
    """
    quoted = partial(_quoted, inputs=inputs, lines=dict(cv.lines()))
    return replace(answer, bullets=tuple(_with_claims(bullet, map(quoted, bullet.claims)) for bullet in answer.bullets))


def source_text(source: str, inputs: Inputs, lines: Mapping[int, str]) -> str | None:
    """What stands under 'input:ID' or 'cv:LINE'; None if there is no such source."""
    kind, _, name = source.partition(":")
    if kind == "input" and name in inputs:
        return said(inputs[name])
    if kind == "cv" and name.isascii() and name.isdigit() and len(name) < 10:
        return lines.get(int(name))
    return None


def best_part(text: str, claim: str) -> str:
    """The shortest part of `text` that shares the most words and figures with `claim`."""
    if len(text.split()) <= MAX_WHOLE_WORDS:
        return text.strip()
    words, figures = stems(claim), quantity_keys(claim)
    parts = [(len(words & stems(part)), -len(part), -place, part) for place, part in enumerate(_parts(text))]
    best: tuple[int, int, int, str] = (-1, 0, 0, "")
    for shared, length, place, part in sorted(parts, reverse=True):
        if (shared + len(figures), length, place) > best[:3]:  # else no figure in it could make it the best
            best = max(best, (shared + len(figures & quantity_keys(part)), length, place, part))
    return best[3] if best[0] else text.strip()


def _with_claims(bullet: Bullet, claims: Iterator[Claim]) -> Bullet:
    return replace(bullet, claims=tuple(claims))


def _quoted(claim: Claim, inputs: Inputs, lines: Mapping[int, str]) -> Claim:
    text = None if claim.quote else source_text(claim.source, inputs, lines)
    return claim if text is None else replace(claim, quote=best_part(text, claim.text))


def _parts(text: str) -> Iterator[str]:
    spans = [(0, len(text))]
    for ends in _ENDS:
        marks = [0, *(match.end() for match in ends.finditer(text)), len(text)]
        pieces = [(start, end) for start, end in pairwise(marks) if text[start:end].strip()]
        spans += [*pieces, *((first[0], second[1]) for first, second in pairwise(pieces))]
    yield from (part for start, end in spans if (part := text[start:end].strip(" \t\n,;•-")))
