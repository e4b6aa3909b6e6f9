"""The claims of a bullet, held to the sources they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.grounding.extractors import InventionKind
from actors.grounding.quantities import figures_in
from actors.grounding.source import folded
from actors.grounding.sourcing import source_text
from actors.grounding.stems import akin, stems, telling_stems
from actors.grounding.tools import tools_in
from state.model import Bullet, Claim, Document, Inputs

_MANY_WORDS = 3
"""Content words by which a claim is more than a figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """One rule for claims. `fault` gives the words to refuse, or None; its `source` is None if there is none."""

    name: str
    kind: InventionKind
    fault: Callable[[Claim, Bullet, str | None], str | None]


def faults_of(
    bullets: Sequence[Bullet], inputs: Inputs, cv: Document, rules: Sequence[ClaimRule]
) -> Iterator[tuple[InventionKind, str]]:
    """(kind, refused words) of every claim that breaks a rule, in the order of the bullets."""
    lines: Mapping[int, str] = dict(cv.lines())
    for bullet in bullets:
        for claim in bullet.claims:
            source = source_text(claim.source, inputs, lines)
            for rule in rules:
                words = rule.fault(claim, bullet, source)
                if words is not None:
                    yield rule.kind, words


def _source_missing(claim: Claim, bullet: Bullet, source: str | None) -> str | None:
    return claim.source if source is None else None


def _misquoted(claim: Claim, bullet: Bullet, source: str | None) -> str | None:
    return claim.quote if source is not None and not _within(claim.quote, source) else None


def _not_in_bullet(claim: Claim, bullet: Bullet, source: str | None) -> str | None:
    return None if _within(claim.text, bullet.text) else claim.text


def _baseless(claim: Claim, bullet: Bullet, source: str | None) -> str | None:
    """A claim has to share a word or a tool with the source it names; where it is but figures, there have to be some."""
    if source is None or _shares(claim.text, source):
        return None
    return claim.text


def _shares(text: str, source: str) -> bool:
    wanted = telling_stems(text)
    if not wanted or akin(wanted, stems(source)):
        return True
    if not tools_in(text).keys().isdisjoint(tools_in(source)):
        return True
    words = [word for word in wanted if word.isalpha()]
    return bool(figures_in(text) and figures_in(source)) and len(words) < _MANY_WORDS


def _within(words: str, text: str) -> bool:
    wanted = folded(words)
    return bool(wanted) and wanted in folded(text)


CLAIM_RULES: tuple[ClaimRule, ...] = (
    ClaimRule(name="sources", kind=InventionKind.SOURCE, fault=_source_missing),
    ClaimRule(name="quotes", kind=InventionKind.QUOTE, fault=_misquoted),
    ClaimRule(name="claims", kind=InventionKind.CLAIM, fault=_not_in_bullet),
    ClaimRule(name="bases", kind=InventionKind.BASIS, fault=_baseless),
)
