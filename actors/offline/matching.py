"""Whether a CV meets a requirement, and if not, what is missing and what the CV shows nearest to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from actors.embeddings import Vectors
from actors.offline.evidence import Evidence, stems
from actors.offline.kinds import LANGUAGE, TOPICS, Kind, language_level
from actors.offline.requirements import Group, Requirement
from actors.offline.sections import Cue
from state.model import Document

BY_NAME = frozenset({Kind.TOOL, Kind.CERTIFICATION, Kind.LICENCE})
NEAR = 0.30
NEAR_WITHOUT_A_WORD = 0.40
IMPLIED: Mapping[str, tuple[str, ...]] = {
    "SQL": ("PostgreSQL", "MySQL", "Microsoft SQL Server", "T-SQL", "Oracle Database", "BigQuery", "SQLite"),
    "Git": ("GitHub", "GitLab", "Bitbucket", "GitLab CI", "GitHub Actions"),
    "Version control": ("Git", "GitHub", "GitLab", "Bitbucket"),
    "CI/CD": ("GitLab CI", "GitHub Actions", "Jenkins", "CircleCI", "Azure DevOps", "Argo CD"),
    "JavaScript": ("TypeScript", "React", "Angular", "Vue.js", "Node.js"),
    "Amazon Web Services": ("Amazon EC2", "Amazon S3", "AWS Lambda", "Amazon RDS", "Amazon ECS", "Amazon EKS"),
    "Containerisation": ("Docker", "Kubernetes"),
    "Infrastructure as code": ("Terraform", "AWS CloudFormation", "Pulumi"),
    "Relational databases": ("PostgreSQL", "MySQL", "Microsoft SQL Server", "Oracle Database", "SQLite"),
    "Microsoft Office": ("Microsoft Excel", "Microsoft Word", "Microsoft PowerPoint", "Microsoft Outlook"),
    "Spreadsheets": ("Microsoft Excel", "Google Sheets"),
    "Warehouse management system": ("Manhattan WMS",),
}
LEVEL = re.compile(r"\blevel (\d)\b", re.IGNORECASE)
CATEGORY = re.compile(r"\bcategory (?:[CD]|B\+?E)|\b(?:HGV|LGV|PCV|CDL)\b", re.IGNORECASE)
NO_PLACE = frozenset(
    re.findall(
        r"\w+",
        """Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July
        August September October November December UK EU US I You We The This Our In At On Based Hybrid Office
        Must Working Hours Location Full Part Permanent""",
    )
)
PLACE = re.compile(r"\b[A-Z][a-z]{2,}\b")
RELATED = re.compile(r"\b(?:related|relevant|similar|equivalent|any (?:subject|discipline|field))\b", re.IGNORECASE)
ENGLISH = re.compile(r"\b(?:the|and|with|of|for|in)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A requirement that the CV does not meet."""

    requirement: Requirement
    missing: tuple[Group, ...] = ()
    cv_shows: str


def shortfall(requirement: Requirement, evidence: Evidence, row: Vectors, cv: Document) -> Shortfall | None:
    """None if the CV meets the requirement. `row` holds the similarity of its line to each unit of the CV."""
    nearest = evidence.nearest(row)
    kin = requirement.topic or stems(nearest.words) & stems(requirement.line.text)
    is_near = nearest.similarity >= (NEAR if kin else NEAR_WITHOUT_A_WORD)
    near = f"The nearest the CV shows: “{nearest.words}”" if is_near else ""
    nothing = "The CV shows nothing on this."
    match requirement.kind:
        case Kind.YEARS:
            shows = _years(requirement, evidence, row)
        case Kind.EDUCATION:
            shows = _education(requirement, evidence, row)
        case Kind.LANGUAGE:
            shows = _language(requirement, evidence, cv)
        case Kind.LOGISTICS:
            shows = _logistics(requirement, evidence)
        case Kind.LICENCE if requirement.topic:
            shows = _driving(requirement, evidence)
        case _:
            below = _below(requirement.title, nearest.words)
            return _skills(requirement, evidence, row, near or nothing, below=below)
    if shows is None:
        return None
    missing = tuple(group for group in requirement.groups if not _named(group, evidence))
    return Shortfall(requirement=requirement, missing=missing, cv_shows=shows or near or nothing)


def _skills(requirement: Requirement, evidence: Evidence, row: Vectors, near: str, *, below: bool) -> Shortfall | None:
    major = [group for group in requirement.groups if not group.minor]
    missing = [group for group in major if not _met(group, evidence, row)]
    if major and not missing:
        return None
    if not major and not below and not evidence.lacks_a_name(requirement.title):
        if evidence.shows(stems(requirement.title), row):
            return None
        if requirement.kind is Kind.PLAIN and not stems(requirement.title):
            return None
    details = [group for group in requirement.groups if group.minor and not _named(group, evidence)]
    return Shortfall(requirement=requirement, missing=(*missing, *details), cv_shows=near)


def _named(group: Group, evidence: Evidence) -> bool:
    names = [name for skill in group.skills for name in (skill.name, *IMPLIED.get(skill.name, ()))]
    return any(name in evidence.named and not _below(group.span, evidence.named[name]) for name in names)


def _below(asked: str, unit: str) -> bool:
    """Whether a job asks for 'Level 3' of what the CV has at 'Level 2'."""
    wanted, held = LEVEL.search(asked), LEVEL.search(unit)
    return bool(wanted and held and int(held.group(1)) < int(wanted.group(1)))


def _met(group: Group, evidence: Evidence, row: Vectors) -> bool:
    """A tool or a certificate has to be named; a practice may also be described."""
    if _named(group, evidence):
        return True
    if group.kind in BY_NAME or evidence.lacks_a_name(group.words):
        return False
    return evidence.shows(stems(group.words), row)


def _years(requirement: Requirement, evidence: Evidence, row: Vectors) -> str | None:
    longest = evidence.tenures[0] if evidence.tenures else None
    if longest is None:
        return "The CV names no length of experience."
    shown = f"“{longest.words}”" if longest.stated else f"{longest.years:g} years in all ({longest.words})"
    if not longest.years:
        return f"The CV dates its work ({longest.words}) but names no later date to count to."
    if longest.years < requirement.years:
        return f"The CV shows {shown}."
    subject = stems(re.sub(r"^.*? years? of ", "", requirement.title))
    on_subject = not subject or evidence.touches(subject) or float(row.max(initial=0)) >= NEAR
    if on_subject or any(_named(group, evidence) for group in requirement.groups):
        return None
    return f"The CV shows {shown}, but nothing that says it was in this line of work."


def _education(requirement: Requirement, evidence: Evidence, row: Vectors) -> str | None:
    if evidence.education < requirement.level:
        return ""
    subject = re.search(r"\b(?:in|of) (.+)", requirement.title)
    if not subject or RELATED.search(requirement.line.text):
        return None
    words = stems(subject.group(1))
    return None if evidence.touches(words) or float(row.max(initial=0)) >= 0.4 else ""


def _language(requirement: Requirement, evidence: Evidence, cv: Document) -> str | None:
    named = [name for group in requirement.groups for skill in group.skills for name in (skill.name,)]
    names = named or LANGUAGE.findall(requirement.line.text)
    wanted = language_level(requirement.line.text)
    short = ""
    for name in names:
        unit, level = evidence.language(name)
        if unit and (not level or level >= wanted):
            return None
        if not unit and name == "English" and len(ENGLISH.findall(cv.text[:20_000])) >= 5:
            return None
        short = short or (f"The CV says: “{unit}”" if unit else "")
    return short or f"The CV does not name {' or '.join(names) or 'this language'}."


def _logistics(requirement: Requirement, evidence: Evidence) -> str | None:
    if requirement.topic == "place":
        return _place(requirement, evidence)
    shows = next(pattern for name, _, pattern in TOPICS if name == requirement.topic)
    return None if evidence.says(shows) else ""


def _place(requirement: Requirement, evidence: Evidence) -> str | None:
    """A place the CV never names is asked about; 'hybrid' alone is not."""
    places = [word for word in PLACE.findall(requirement.line.text) if word not in NO_PLACE]
    if not places:
        return "" if requirement.cue is Cue.MUST else None
    if any(evidence.says(re.compile(rf"\b{word}\b")) for word in places):
        return None
    return f"The CV does not mention {places[0]}."


def _driving(requirement: Requirement, evidence: Evidence) -> str | None:
    """Any driving licence will do unless the job names a category."""
    if any(_named(group, evidence) for group in requirement.groups):
        return None
    shows = next(pattern for name, _, pattern in TOPICS if name == "driving")
    special = CATEGORY.search(requirement.line.text)
    held = evidence.says(shows)
    if held and not special:
        return None
    if held and special and special.group().casefold() in held.casefold():
        return None
    return f"The CV says: “{held}”" if held else "The CV does not mention a driving licence."
