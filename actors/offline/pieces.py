"""What the inputs say, cut into pieces: each with the words it quotes and what they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from actors.grounding import folded, said
from actors.offline.evidence import stems
from actors.offline.markers import FILLER, FLATTERY, INSTRUCTION, TIME, VAGUE, says_little
from actors.offline.resume_style import DEED, tells_own_deed
from actors.offline.roles import FACTS, Role, role_of, round_of
from actors.offline.sentences import clauses, has_words, sentences
from state.model import Claim, Inputs

MAX_FACT_WORDS = 30
MAX_THIN_WORDS = 8
_NOTHING_SAID = re.compile(
    r"\W*(?:n/?a|none|nil|no|nothing|not (?:measured|applicable|sure)|(?:I )?(?:don't|do not) know|idk|tbc|tbd)?\W*",
    re.IGNORECASE,
)
_PROSE = re.compile(r"(?:^|\s)(?:I|we)(?:['’]\w+)?\s", re.IGNORECASE)
_SAID = re.compile(rf"\b(?:{DEED}|said|told|wrote|is|are|was|were|has|have|will|would)\b", re.IGNORECASE)
_NAMED = re.compile(r"(?<=\w )[A-Z]")
_FIGURES = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Words of an input and what they are for; `round` is the refinement that brought them, 0 for none."""

    prompt_id: str
    quote: str
    role: Role
    round: int = 0

    @property
    def vague(self) -> bool:
        named = _FIGURES.search(self.quote) or _NAMED.search(self.quote)
        return not named and bool(VAGUE.search(self.quote)) and not TIME.search(self.quote)

    @property
    def weight(self) -> float:
        """How much a reader learns from it: figures and names over plain words, follow-ups over all else."""
        told = len(_FIGURES.findall(self.quote)) + len(_NAMED.findall(self.quote))
        return told + (20 if self.round else 0) - (5 if self.vague else 0)

    def claim(self, text: str) -> Claim:
        return Claim(text=text, source=f"input:{self.prompt_id}", quote=self.quote)


def pieces_of(inputs: Inputs, questions: Mapping[str, str]) -> list[Piece]:
    """All that is said, in the order of the inputs: each thing once, and in its newest wording.

    Praise and instructions are left out where anything else is said.
    """
    every = [piece for name, value in inputs.items() for piece in _cut(name, said(value), questions.get(name, ""))]
    unique = list({folded(piece.quote): piece for piece in reversed(every)}.values())[::-1]
    telling = [piece for piece in unique if not INSTRUCTION.search(piece.quote)]
    factual = [piece for piece in telling if not FLATTERY.search(piece.quote) or _FIGURES.search(piece.quote)]
    kept = factual or telling or unique
    return [piece for piece in kept if not any(_supersedes(newer, piece) for newer in kept)]


def of_roles(pieces: Sequence[Piece], *roles: Role) -> list[Piece]:
    """The pieces of these roles; vague ones only where nothing better was said."""
    found = [piece for piece in pieces if piece.role in roles]
    return [piece for piece in found if not piece.vague] or found


def without_echoes(done: Sequence[Piece], results: Sequence[Piece]) -> list[Piece]:
    """What was done without the clauses that the results tell again, unless nothing else is left."""
    kept = []
    for piece in done:
        parts = clauses(piece.quote)
        own = [part for part in parts if not any(_echoes(part, result.quote) for result in results)]
        kept += [piece] if own == parts else [replace(piece, quote=part) for part in own]
    return kept or list(done)


def _cut(prompt_id: str, text: str, question: str) -> Iterator[Piece]:
    if _NOTHING_SAID.fullmatch(text) or not has_words(text):
        return
    role = role_of(prompt_id, question)
    if prompt_id == "people" and not _SAID.search(text):
        role = Role.TERMS
    whole = Piece(prompt_id=prompt_id, quote=text.strip(), role=role, round=round_of(prompt_id))
    if role in FACTS and not _PROSE.search(text) and len(text.split()) <= MAX_FACT_WORDS:
        yield whole
        return
    told = Role.METHOD if role in FACTS else role
    yield from (replace(whole, quote=quote, role=told) for quote in sentences(text))


def _supersedes(newer: Piece, older: Piece) -> bool:
    """Whether a refinement tells the same again, or tells more where next to nothing was said."""
    if newer.round <= older.round:
        return False
    if older.role in FACTS:
        return older.vague and newer.role is Role.DETAIL
    thin = says_little(older.quote) and not _FIGURES.search(older.quote) and len(older.quote.split()) <= MAX_THIN_WORDS
    same_kind = (newer.role is Role.RESULT) == (older.role is Role.RESULT)
    return same_kind and (thin or _echoes(older.quote, newer.quote))


def _echoes(part: str, whole: str) -> bool:
    """Whether nearly all its words, and all its figures, stand in the other text as well.

    What is not said of the candidate, such as 'so that only 4 were late', is known by its figures and a word.
    """
    words, figures = stems(FILLER.sub("", part)), set(_FIGURES.findall(part))
    shared = words & stems(whole)
    if not figures <= set(_FIGURES.findall(whole)):
        return False
    if figures and not tells_own_deed(part) and any(not stem.isdigit() for stem in shared):
        return True
    return len(words) >= 3 and len(shared) >= 0.8 * len(words)
