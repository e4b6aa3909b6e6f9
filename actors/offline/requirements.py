"""What a job asks for: each line of its description as requirements, in the job's own words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.offline.kinds import (
    CERTIFICATION,
    LANGUAGE,
    LEXICON_KINDS,
    LICENCE,
    Kind,
    education_level,
    number_of,
    topic_of,
    years_in,
)
from actors.offline.lexicon import Lexicon, Mention, Skill
from actors.offline.sections import Cue, JobLine, Section, generic, read_sections
from actors.offline.titles import capital, head, title_of_years
from state.model import Document

MUST = re.compile(
    r"\b(?:must(?! have been)|essential|mandatory|minimum|at least|non[- ]negotiable|no less than)\b|\d\+ ?years",
    re.IGNORECASE,
)
REQUIRED = re.compile(
    r"\b(?:required?|requires|requirement|proven|necessary|needed|you(?:['’]ll| will)? need)\b", re.IGNORECASE
)
WANT_AHEAD = re.compile(
    r"\b(?:ideally|preferably|bonus points|nice to have|desirable:|bonus:|preferred:|we(?:['’]d| would) love)",
    re.IGNORECASE,
)
WANT_BEHIND = re.compile(
    r"\b(?:a plus|an? (?:strong |big |huge )?(?:bonus|advantage)|preferred|desirable|desired|advantageous"
    r"|beneficial|would be (?:great|good|nice|useful|helpful|welcome|an?\b)|is welcome|optional"
    r"|not (?:essential|required)|helpful|appreciated)\b",
    re.IGNORECASE,
)
PERSONAL = re.compile(
    r"\b(?:you|your|experience|applicants?|candidates?|looking for|must (?:be|have|hold))\b", re.IGNORECASE
)
NO_ASK = re.compile(
    r"^(?:please|apply|if you|we (?:are|offer|do|don['’]t|will|have)|our |this (?:role|job|post)|full training)\b",
    re.IGNORECASE,
)
EXAMPLES = re.compile(r"\b(?:such as|including|includes?|like|for example|e\.g|i\.e)\b", re.IGNORECASE)
EITHER = re.compile(r"(?:^|\W)(?:or|equivalent)\b|^\s?/\s?$", re.IGNORECASE)
ONE_OF = re.compile(r"\b(?:one|any|either|some)(?: or more)? of\b|\beither\b", re.IGNORECASE)
LISTED = re.compile(r"^[\s,&/+)(]*(?:and|or|as well as|plus)?[\s,(]*$", re.IGNORECASE)
FRESH = re.compile(r"\b(?:experience|knowledge|understanding|familiar\w*|proficien\w+|skills?)\b|;", re.IGNORECASE)
SPEAKS = re.compile(
    r"\b(?:fluen\w+|speak\w*|spoken|written|languages?|native|bilingual|conversational|[ABC][12]|good enough"
    r"|proficien\w+|verbal|oral|read|communicat\w+)\b",
    re.IGNORECASE,
)
BESIDE = re.compile(r"\b(?:with|alongside|for|to|from)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)
STRONG_TOPICS = frozenset({"driving", "permit", "nights", "relocation", "travel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Skills of which any one will do; `words` is how the job names the first, `span` all of them.

    A `minor` group is a detail of the one before it and need not be met by itself.
    """

    skills: tuple[Skill, ...]
    words: str
    span: str
    start: int
    minor: bool = False

    @property
    def kind(self) -> Kind:
        return LEXICON_KINDS.get(self.skills[0].kind, Kind.METHOD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing a job asks for. `line` is the job's own; every one of `groups` that is not minor has to be met."""

    kind: Kind
    title: str
    line: JobLine
    cue: Cue = Cue.NONE
    groups: tuple[Group, ...] = ()
    years: float = 0
    topic: str = ""
    level: int = 0


def read_requirements(job: Document, lexicon: Lexicon) -> list[Requirement]:
    """Every requirement in the job's order. Duties and company blurb ask only for skills they name."""
    lines = [line for line in read_sections(job) if line.section is not Section.OFFER]
    mentions = [lexicon.mentions(line.text) for line in lines]
    fields = Counter(mention.skill.field for found in mentions for mention in found)
    return [
        requirement
        for line, found in zip(lines, mentions, strict=True)
        for requirement in _of(line, [mention for mention in found if _fits(mention, fields)], lexicon)
    ]


def _fits(mention: Mention, fields: Counter[str]) -> bool:
    """Whether a short abbreviation belongs to a field that the job speaks of: 'ADR' has two meanings."""
    words = mention.words
    short = len(words) <= 4 and words.isupper() and words.casefold() != mention.skill.name.casefold()
    alone = fields[mention.skill.field] == 1 and sum(fields.values()) >= 6
    return not (short and alone)


def _of(line: JobLine, mentions: list[Mention], lexicon: Lexicon) -> Iterable[Requirement]:
    topic = _topic(line)
    if topic:
        kind = Kind.LICENCE if topic == "driving" else Kind.LOGISTICS
        drives = [mention for mention in mentions if "driv" in mention.skill.name.casefold()]
        licences = tuple(_group(line.text, [mention]) for mention in drives)
        title = "Driving licence" if topic == "driving" else head(line.text)
        yield Requirement(kind=kind, title=title, line=line, cue=_cue(line, 0), groups=licences, topic=topic)
        mentions = [mention for mention in mentions if mention not in drives]
        if line.section is not Section.NEED or not mentions:
            return
    if line.section is Section.LOGISTICS:
        return
    asks = line.section is Section.NEED or (_cue(line, 0) is not Cue.NONE and bool(PERSONAL.search(line.text)))
    mentions = [mention for mention in mentions if _asked_for(mention, line)]
    found = list(_skills(line, mentions, lexicon))
    special = [*_years(line, found), *_education(line)] if asks or _tells_years(line) else []
    yield from special
    yield from found
    if not special and not found and asks and not NO_ASK.search(line.text):
        yield from _plain(line, mentions)


def _topic(line: JobLine) -> str:
    topic = topic_of(line.text)
    if line.section is Section.LOGISTICS or topic in {"driving", "permit"}:
        return topic if line.section is not Section.ABOUT else ""
    if topic not in STRONG_TOPICS and not re.search(r"\b(?:must|able|willing|available)\b", line.text):
        return ""
    return topic if line.section is Section.NEED or _cue(line, 0) is not Cue.NONE else ""


def _tells_years(line: JobLine) -> bool:
    return line.section is Section.UNKNOWN and bool(PERSONAL.search(line.text))


def _asked_for(mention: Mention, line: JobLine) -> bool:
    """Company blurb asks for its tools alone; 'Polish customers' asks for no Polish."""
    kind = mention.skill.kind
    if line.section is Section.ABOUT:
        return kind == "tool"
    if line.section is Section.UNKNOWN and kind not in {"tool", "certification", "language"}:
        return bool(PERSONAL.search(line.text)) or _cue(line, mention.start) is not Cue.NONE
    if kind == "language":
        short = len(head(line.text).split()) <= 3
        return bool(short or EXAMPLES.search(line.text) or SPEAKS.search(line.text))
    if line.section is Section.DUTIES and kind not in {"tool", "certification"}:
        return kind != "soft" and not BESIDE.search(line.text[max(mention.start - 40, 0) : mention.start])
    return kind != "soft" or line.section is Section.NEED


def _skills(line: JobLine, mentions: list[Mention], lexicon: Lexicon) -> Iterable[Requirement]:
    label, rest_at = _label(line)
    if label:
        inside = [mention for mention in mentions if mention.end <= rest_at]
        named = lexicon.skill(label)
        if inside:
            groups = tuple(group for run in _runs(line.text, inside) for group in run)
            yield _requirement(line, groups, capital(label))
            return
        if named is not None:
            yield _requirement(line, (Group(skills=(named,), words=label, span=label, start=0),), capital(label))
            return
        if not _is_a_list(line.text[rest_at:], mentions):
            return
    named_by = {tuple(group.skills for group in run): run for run in reversed(_runs(line.text, mentions))}
    runs = sorted(named_by.values(), key=lambda run: run[0].start)
    for run in runs:
        yield _requirement(line, run, _title(line, run, alone=len(runs) == 1))


def _label(line: JobLine) -> tuple[str, int]:
    """The words before a colon or a dash that name what the line is about, and where they end."""
    found = re.match(r"(?P<label>[^:.;]{2,60}?)(?: \([^)]{1,30}\))?(?::| [–—-] )\s*\S", line.text)
    if found is None or len(found["label"].split()) > 6 or generic(found["label"]):
        return "", 0
    return found["label"].strip(), found.end() - 1


def _is_a_list(text: str, mentions: Sequence[Mention]) -> bool:
    """Whether the skills named make up most of a text."""
    return len(mentions) > 1 and 2 * sum(len(mention.words) for mention in mentions) > len(text)


def _runs(text: str, mentions: Sequence[Mention]) -> list[tuple[Group, ...]]:
    """Mentions as requirements of groups: alternatives share a group, a bare list makes several runs."""
    runs: list[list[list[Mention]]] = []
    examples = bool(mentions) and bool(ONE_OF.search(text, 0, mentions[0].start))
    chain = 0
    for n, mention in enumerate(mentions):
        if not n:
            runs.append([[mention]])
            continue
        between = text[mentions[n - 1].end : mention.start]
        listed = bool(LISTED.match(between))
        same = mentions[n - 1].skill.name == mention.skill.name
        either = EITHER.search(between) and len(between.split()) <= 6
        if EXAMPLES.search(between):
            examples = True
            runs[-1][-1].append(mention)
        elif same or (examples and listed):
            runs[-1][-1].append(mention)
        elif either:
            for _ in range(chain):
                runs[-2][-1].extend(runs.pop()[-1])
            runs[-1][-1].append(mention)
            chain = 0
        elif listed or FRESH.search(between) or mention.skill.kind == "tool":
            runs.append([[mention]])
            chain = chain + 1 if between.strip() == "," else 0
            examples = False
        else:
            runs[-1].append([mention])
    return [tuple(_group(text, group, minor=n > 0) for n, group in enumerate(run)) for run in runs]


def _group(text: str, mentions: Sequence[Mention], *, minor: bool = False) -> Group:
    return Group(
        skills=tuple(dict.fromkeys(mention.skill for mention in mentions)),
        words=mentions[0].words,
        span=text[mentions[0].start : mentions[-1].end],
        start=mentions[0].start,
        minor=minor,
    )


def _requirement(line: JobLine, groups: tuple[Group, ...], title: str) -> Requirement:
    return Requirement(kind=groups[0].kind, title=title, line=line, cue=_cue(line, groups[0].start), groups=groups)


def _title(line: JobLine, run: tuple[Group, ...], *, alone: bool) -> str:
    """The line's head where it is short and names the skill, or has it as an example; else the skill."""
    whole = head(line.text) if line.section is Section.NEED else ""
    words, span = run[0].words, run[0].span
    is_example = whole and EXAMPLES.search(line.text[max(run[0].start - 14, 0) : run[0].start])
    short = words in whole and (len(whole.split()) <= 5 or len(run) > 1)
    if alone and (is_example or short):
        return whole
    named = span if len(span) <= 50 else words
    return named if named in {skill.name for skill in run[0].skills} else capital(named)


def _years(line: JobLine, found: Sequence[Requirement]) -> Iterable[Requirement]:
    named = years_in(line.text)
    if named is None or line.section is Section.ABOUT or not 1 <= number_of(named["number"]) <= 40:
        return
    groups = tuple(group for requirement in found for group in requirement.groups)
    title = title_of_years(line.text, named)
    cue = _cue(line, named.start())
    yield Requirement(kind=Kind.YEARS, title=title, line=line, cue=cue, groups=groups, years=number_of(named["number"]))


def _education(line: JobLine) -> Iterable[Requirement]:
    level = education_level(line.text)
    if level:
        yield Requirement(kind=Kind.EDUCATION, title=head(line.text), line=line, cue=_cue(line, 0), level=level)


def _plain(line: JobLine, mentions: Sequence[Mention]) -> Iterable[Requirement]:
    label, rest_at = _label(line)
    title = capital(label) if label else head(line.text)
    if not any(mark.isalpha() for mark in title):
        return
    kind = Kind.PLAIN
    if LANGUAGE.fullmatch(title):
        kind = Kind.LANGUAGE
    elif CERTIFICATION.search(line.text):
        kind = Kind.CERTIFICATION
    elif LICENCE.search(title):
        kind = Kind.LICENCE
    details = tuple(_group(line.text, [mention], minor=True) for mention in mentions)
    yield Requirement(kind=kind, title=title, line=line, cue=_cue(line, rest_at), groups=details)


def _cue(line: JobLine, at: int) -> Cue:
    """How strongly the line wants what stands at a place: its own words there, else its heading's."""
    text = line.text
    ahead = max((found.end() for found in WANT_AHEAD.finditer(text, 0, at + 1)), default=-1)
    firm = [found.start() for pattern in (MUST, REQUIRED) for found in pattern.finditer(text)]
    if (ahead >= 0 and not any(ahead < place < at for place in firm)) or WANT_AHEAD.match(text):
        return Cue.WANT
    behind = min((found.start() for found in WANT_BEHIND.finditer(text) if found.start() >= at), default=-1)
    if behind >= 0 and not any(at < place < behind for place in firm):
        return Cue.WANT
    if MUST.search(text):
        return Cue.MUST
    if line.cue is not Cue.NONE:
        return line.cue
    return Cue.REQUIRED if REQUIRED.search(text) else Cue.NONE
