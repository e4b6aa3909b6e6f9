"""A job description as lines that know which section they stand in and how strongly it wants them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from state.model import Document

MAX_LINES = 600
MAX_CHARS = 500


class Section(StrEnum):
    UNKNOWN = "unknown"
    ABOUT = "about"
    DUTIES = "duties"
    NEED = "need"
    LOGISTICS = "logistics"
    OFFER = "offer"


class Cue(StrEnum):
    """How strongly a line, or the heading above it, wants what it names."""

    NONE = "none"
    MUST = "must"
    REQUIRED = "required"
    WANT = "want"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """A bullet or a sentence, without its bullet mark: a substring of one line of the job."""

    text: str
    section: Section
    cue: Cue


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    section: Section = Section.UNKNOWN
    cue: Cue = Cue.NONE
    depth: int = 0


BULLET = re.compile(r"^(?:[-*•·–—▪◦●‣○➢✓✔>]|o(?= )|\d{1,2}[.)]|\([a-z0-9]\))\s+")
SENTENCE_END = re.compile(r"(?<=[.!?;])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)\s+(?=[A-Z0-9\"'“])")
HEADINGS: tuple[tuple[re.Pattern[str], Section, Cue], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), section, cue)
    for pattern, section, cue in (
        (
            r"how to apply|appl(?:y|ying|ication)s?|next steps?|interviews?|(?:recruitment|hiring) process"
            r"|contact|closing date|equal opportunit\w+|diversity|inclusion|equality|privacy|disclaimer",
            Section.OFFER,
            Cue.NONE,
        ),
        (
            r"nice[- ]to[- ]haves?|desirables?|desired|preferred|preferable|preferably|bonus points|pluse?s?"
            r"|ideally|advantages?|advantageous|good to have|great if|would be (?:great|good|nice)|optional",
            Section.NEED,
            Cue.WANT,
        ),
        (
            r"(?:we|on) offer|benefits?|perks|in it for you|you(?:['’]ll| will)? (?:get|receive)|salary"
            r"|compensation|package|rewards?|remuneration|pay|bonus|why (?:join|work|us)\w*",
            Section.OFFER,
            Cue.NONE,
        ),
        (
            r"you(?:['’]ll| will) (?:do|be(?: doing)?)|responsibilit\w+|responsible for|duties|day[- ]to[- ]day"
            r"|the role|this role|role (?:overview|summary|purpose)|tasks|job (?:summary|description|purpose)"
            r"|accountabilities|your (?:mission|role|day)|the job",
            Section.DUTIES,
            Cue.NONE,
        ),
        (r"must(?:[- ]haves?)?|essentials?|mandatory|minimum|non[- ]negotiable", Section.NEED, Cue.MUST),
        (r"required", Section.NEED, Cue.REQUIRED),
        (
            r"locations?|hours|shifts?|travel|working patterns?|work(?:ing)? (?:arrangements?|conditions)"
            r"|schedule|rota",
            Section.LOGISTICS,
            Cue.NONE,
        ),
        (
            r"you(?:['’]ll| will)? need|needs?|requirements?|qualifications?|skills?|criteria|experience"
            r"|about you|who you are|looking for|you (?:have|bring|are)|you(?:['’]ll| will) bring"
            r"|profile|candidate|person specification|competenc\w+|knowledge|abilities|expect|background"
            r"|education|certifi\w+|licen[cs]es?|languages?|tech(?:nical|nology)?(?: stack)?|attributes|qualities",
            Section.NEED,
            Cue.NONE,
        ),
        (
            r"about|who we are|our (?:company|story|values|mission|team)|overview|introduction|company",
            Section.ABOUT,
            Cue.NONE,
        ),
    )
)
HEADING_FILLERS = frozenset(
    re.findall(
        r"\S+",
        """a an and are as at be day for have here i if in is it key what's we're you'll you've of on or our
    other s should specific that the this to us we were what when where who why will with work working would
    you your job role main general core minimum personal professional position successful ideal person things
    everything re ll ve""",
    )
)


def read_sections(job: Document) -> list[JobLine]:
    """Every bullet and sentence of the job below its headings, in order; at most 600."""
    raw = [line for _, line in job.lines()]
    shouting = sum(line.isupper() for line in raw) > 0.6 * len(raw)
    place, lines = _Place(), list[JobLine]()
    for n, line in enumerate(raw):
        heading = _heading(line, place, first=n == 0, shouting=shouting)
        if heading is not None:
            place = heading
            continue
        text = _bare(line)
        here = _labelled(text)
        for unit in units(text):
            at = here or place
            lines.append(JobLine(text=unit, section=at.section, cue=at.cue))
        if len(lines) >= MAX_LINES:
            break
    return lines[:MAX_LINES]


def units(line: str) -> list[str]:
    """A line's sentences without its bullet mark, each of at most 500 characters."""
    found: list[str] = []
    for sentence in SENTENCE_END.split(_bare(line)):
        rest = sentence.strip()
        while len(rest) > MAX_CHARS:
            cut = rest.rfind(" ", 1, MAX_CHARS)
            cut = cut if cut > 0 else MAX_CHARS
            found.append(rest[:cut].strip())
            rest = rest[cut:].strip()
        found.append(rest)
    return [unit for unit in found if any(mark.isalnum() for mark in unit)][:MAX_LINES]


def generic(label: str) -> bool:
    """Whether a label in front of a colon only says which section follows: 'Essential', 'Skills'."""
    return _vocabulary(label) is not None and not _residue(label)


def _heading(line: str, place: _Place, *, first: bool, shouting: bool) -> _Place | None:
    """The section a heading opens, or None if the line is none."""
    depth = len(line) - len(line.lstrip("#"))
    bold = line.startswith(("**", "__")) and line.rstrip(":").endswith(("**", "__"))
    words = _bare(line).split()
    if not words or (BULLET.match(line) and not depth):
        return None if words else place
    text = " ".join(words)
    colon = text.endswith(":") and len(words) <= 14
    upper = text.isupper() and len(words) <= 10 and not shouting
    short = len(words) <= 7 and text[-1] not in ".;,!:"
    known = _vocabulary(text)
    residue = _residue(text)
    if first and not colon and (residue or known is None):
        return _Place(depth=depth) if depth or upper or (short and residue) else None
    if known is not None and (depth or bold or colon or (upper and residue <= 2) or (short and not residue)):
        return _Place(section=known.section, cue=known.cue, depth=depth)
    if known is None and (depth or upper or bold):
        deeper = depth > place.depth > 0
        return place if deeper else _Place(depth=depth)
    return place if colon else None


def _vocabulary(text: str) -> _Place | None:
    for pattern, section, cue in HEADINGS:
        if pattern.search(text[:120]):
            return _Place(section=section, cue=cue)
    return None


def _residue(text: str) -> int:
    """How many words of a heading belong to no known heading."""
    rest = text[:120]
    for pattern, _, _ in HEADINGS:
        rest = pattern.sub(" ", rest)
    return sum(word.casefold() not in HEADING_FILLERS for word in re.findall(r"[^\W\d_]+", rest))


def _labelled(text: str) -> _Place | None:
    """The section of a line such as 'Essential: a degree in physics'."""
    label, colon, rest = text.partition(":")
    if not colon or not rest.strip() or len(label) > 40 or not generic(label):
        return None
    return _vocabulary(label)


def _bare(line: str) -> str:
    """The line without bullet mark, heading marks and emphasis."""
    text = line.lstrip("#").strip()
    text = BULLET.sub("", text, count=1)
    if text[:2] in ("**", "__") and text[-2:] in ("**", "__"):
        text = text[2:-2]
    return text.strip()
