"""Finds what a job asks for and a CV does not show: requirements, matched, ranked and worded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.embeddings import TextEmbedder
from actors.offline.evidence import Evidence, stems
from actors.offline.kinds import SOFT, Kind, inline
from actors.offline.lexicon import Lexicon
from actors.offline.matching import Shortfall, shortfall
from actors.offline.requirements import Requirement, read_requirements
from actors.offline.sections import Cue, Section, read_sections
from actors.offline.titles import capital
from state.messages import FindGaps, FoundGaps
from state.model import Addressability, Gap, Priority

ADDRESSABILITY: Mapping[Kind, Addressability] = {
    Kind.YEARS: Addressability.TIME_DEPENDENT,
    Kind.EDUCATION: Addressability.TIME_DEPENDENT,
    Kind.LICENCE: Addressability.TIME_DEPENDENT,
    Kind.LOGISTICS: Addressability.LOGISTICAL,
}
SOFTENED = frozenset({Kind.SOFT, Kind.PLAIN, Kind.METHOD})
LACK: Mapping[Kind, str] = {
    Kind.YEARS: "The CV does not show that length of experience.",
    Kind.EDUCATION: "The CV names no qualification at that level in that subject.",
    Kind.LANGUAGE: "The CV does not show it at the level asked for.",
    Kind.CERTIFICATION: "The CV does not name it among its certificates.",
    Kind.LICENCE: "The CV does not name it among its licences and registrations.",
    Kind.TOOL: "The CV does not name it anywhere.",
}
STRENGTH: Mapping[Priority, str] = {
    Priority.CRITICAL: "The job insists on",
    Priority.HIGH: "The job requires",
    Priority.IMPORTANT: "The job lists among what it needs",
    Priority.MEDIUM: "The work itself involves",
    Priority.NICE_TO_HAVE: "The job would like",
    Priority.LOW: "The job mentions",
    Priority.LOGISTICAL: "The post comes with a practical condition:",
}
IMPACT: Mapping[Priority, str] = {
    Priority.CRITICAL: "Without evidence of it an application is likely to be turned down early.",
    Priority.HIGH: "It is required, so a reader will look for evidence of it.",
    Priority.IMPORTANT: "It stands among the job's requirements; evidence of it makes the match visibly closer.",
    Priority.MEDIUM: "It is part of the daily work, so evidence of it shows a quick start.",
    Priority.NICE_TO_HAVE: "It is no condition, but evidence of it sets an application apart.",
    Priority.LOW: "It matters little by itself; a concrete example would still be noticed.",
    Priority.LOGISTICAL: "It is a condition of the post: a clear word on it takes away a doubt.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A shortfall with its rank. `order` is its place in the job."""

    shortfall: Shortfall
    priority: Priority
    order: int
    title: str
    skills: tuple[str, ...]

    @property
    def requirement(self) -> Requirement:
        return self.shortfall.requirement


def find_gaps(request: FindGaps, *, lexicon: Lexicon, embedder: TextEmbedder) -> FoundGaps:
    """At most `request.limit` gaps, highest priority first, in the job's order within one priority.

    `job_asks` is always the job's own words and every quotation the CV's own. A CV or a job without
    anything to read gives no gaps.
    """
    requirements = read_requirements(request.job, lexicon)
    evidence = Evidence(request.cv, request.job, lexicon=lexicon, embedder=embedder)
    if not requirements or not evidence.units:
        return FoundGaps(gaps=())
    rows = evidence.similarities([requirement.line.text for requirement in requirements])
    job_lines = [
        (line.text.casefold(), stems(line.text))
        for line in read_sections(request.job)
        if line.section is not Section.OFFER
    ]
    found: list[_Found] = []
    for order, (requirement, row) in enumerate(zip(requirements, rows, strict=True)):
        short = shortfall(requirement, evidence, row, request.cv)
        if short is not None:
            found.append(_ranked(short, order, job_lines))
    found.sort(key=lambda one: (one.priority.rank, one.order))
    kept = _distinct(found, max(request.limit, 0))
    return FoundGaps(gaps=tuple(_gap(one, f"g{n}") for n, one in enumerate(kept, 1)))


def _ranked(short: Shortfall, order: int, job_lines: Sequence[tuple[str, frozenset[str]]]) -> _Found:
    skills = tuple(dict.fromkeys(skill.name for group in short.missing for skill in group.skills))
    return _Found(
        shortfall=short,
        priority=_priority(short.requirement, job_lines),
        order=order,
        title=_title(short),
        skills=skills,
    )


def _title(short: Shortfall) -> str:
    """The requirement's own title, or of several things named only those that are missing."""
    requirement = short.requirement
    major = [group for group in requirement.groups if not group.minor]
    missing = [group for group in short.missing if not group.minor]
    if requirement.kind is Kind.YEARS or not missing or len(missing) == len(major):
        return requirement.title
    return capital(" and ".join(group.words for group in missing))


def _priority(requirement: Requirement, job_lines: Sequence[tuple[str, frozenset[str]]]) -> Priority:
    section, cue = requirement.line.section, requirement.cue
    years = requirement.kind is Kind.YEARS
    tests = (
        (bool(requirement.topic), Priority.LOGISTICAL),
        (requirement.kind in SOFTENED and bool(SOFT.search(requirement.title)), Priority.LOW),
        (cue is Cue.WANT, Priority.NICE_TO_HAVE),
        (cue is Cue.MUST and (years or _mentions(requirement, job_lines) > 1), Priority.CRITICAL),
        (cue is not Cue.NONE, Priority.HIGH),
        (section is Section.NEED or years, Priority.IMPORTANT),
        (section is Section.ABOUT, Priority.LOW),
    )
    return next((priority for test, priority in tests if test), Priority.MEDIUM)


def _mentions(requirement: Requirement, job_lines: Sequence[tuple[str, frozenset[str]]]) -> int:
    """How many lines of the job name it."""
    words = [group.words.casefold() for group in requirement.groups if not group.minor]
    title = stems(requirement.title)
    return sum(any(word in text for word in words) or (bool(title) and title <= found) for text, found in job_lines)


def _distinct(found: Sequence[_Found], limit: int) -> list[_Found]:
    """The first of every near-identical lot; what a length of experience is about is not asked again."""
    kept: list[_Found] = []
    for one in found:
        if len(kept) >= limit:
            break
        if not any(_same(one, other) for other in kept):
            kept.append(one)
    return kept


def _same(one: _Found, other: _Found) -> bool:
    if one.requirement.topic and one.requirement.topic == other.requirement.topic:
        return True
    if set(one.skills) & set(other.skills):
        return True
    kinds = {one.requirement.kind, other.requirement.kind}
    if Kind.YEARS in kinds:
        one_line = one.requirement.line is other.requirement.line
        return len(kinds) == 1 or (one_line and Kind.EDUCATION not in kinds)
    words, others = stems(one.title), stems(other.title)
    return bool(words and others) and (words <= others or others <= words)


def _gap(one: _Found, gap_id: str) -> Gap:
    requirement = one.requirement
    asks = requirement.line.text
    named = inline(one.title, job_asks=asks, skills=one.skills)
    addressability = ADDRESSABILITY.get(requirement.kind, Addressability.LEARNABLE)
    if requirement.topic:
        addressability = Addressability.LOGISTICAL
    return Gap(
        id=gap_id,
        title=one.title,
        description=f"{STRENGTH[one.priority]} {named}. {_lack(requirement)}",
        priority=one.priority,
        cv_shows=one.shortfall.cv_shows,
        job_asks=asks,
        impact=IMPACT[one.priority],
        addressability=addressability,
        skills=one.skills,
    )


def _lack(requirement: Requirement) -> str:
    if requirement.topic:
        return "The CV does not say whether it can be met."
    return LACK.get(requirement.kind, "No line of the CV describes it.")
