"""One question about one gap: what it is, how the job words it, what the CV shows, and what to tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from actors.offline.kinds import Kind, inline, kind_of
from state.messages import WriteQuestion, WrittenQuestion
from state.model import AnswerType, Gap, Priority

MAX_QUOTE = 220
QUOTED = re.compile(r"“([^”]+)”")
NOTHING = re.compile(
    r"^\W*$|\b(?:nothing|none|no (?:mention|evidence|sign)|does not (?:name|mention|show))\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How a kind of gap is asked about. `{name}`, `{asks}` and `{shown}` are filled in."""

    text: str
    why: str
    answer_type: AnswerType
    minutes: int


MANNERS: Mapping[Kind, _Manner] = {
    Kind.TOOL: _Manner(
        text="The job asks for “{asks}”, and {shown}. Have you used {name} hands-on, at work or in something of "
        "your own?",
        why="Whoever uses {name} daily can tell from one concrete example how far you have come with it.",
        answer_type=AnswerType.BOTH,
        minutes=4,
    ),
    Kind.METHOD: _Manner(
        text="“{asks}” is part of this job, and {shown}. Where has {name} been "
        "part of your own work, even under another name?",
        why="The job wants to see {name} in practice: a situation of your own says more than the term.",
        answer_type=AnswerType.BOTH,
        minutes=4,
    ),
    Kind.KNOWLEDGE: _Manner(
        text="The job expects you to know about {name} (“{asks}”), and {shown}. Where have you learned about it or "
        "had to apply it?",
        why="Knowing about {name} counts for this job once you can say where you applied it.",
        answer_type=AnswerType.TEXT,
        minutes=3,
    ),
    Kind.SOFT: _Manner(
        text="The job looks for “{asks}”, and {shown}. Which moment shows you at your best there?",
        why="Everybody claims {name}; one real moment sets you apart.",
        answer_type=AnswerType.TEXT,
        minutes=3,
    ),
    Kind.YEARS: _Manner(
        text="The job sets a length of experience, “{asks}”, and {shown}. Is there more that counts towards it, such "
        "as earlier posts, placements, freelance or voluntary work?",
        why="Lengths of experience are often checked first, and work that counts is easily left out of a CV.",
        answer_type=AnswerType.STRUCTURED,
        minutes=3,
    ),
    Kind.CERTIFICATION: _Manner(
        text="For “{asks}” the job wants a certificate on record, and {shown}. Do you hold {name} or an equivalent, "
        "or have you done the training for it?",
        why="A certificate such as {name} is quick to verify, so it should stand in the application if you have it.",
        answer_type=AnswerType.STRUCTURED,
        minutes=2,
    ),
    Kind.LICENCE: _Manner(
        text="The job can only be done with a licence or registration (“{asks}”), and {shown}. Do you hold a valid "
        "one, or have you applied for it?",
        why="Without it the work may not be done at all, so a clear word saves both sides time.",
        answer_type=AnswerType.STRUCTURED,
        minutes=1,
    ),
    Kind.LANGUAGE: _Manner(
        text="You would speak or write another language in this job (“{asks}”), and {shown}. How well do you get on "
        "in it, and where have you used it?",
        why="The job needs the language in use; a level and one situation show whether it is enough.",
        answer_type=AnswerType.BOTH,
        minutes=2,
    ),
    Kind.EDUCATION: _Manner(
        text="The job names a qualification, “{asks}”, and {shown}. Have you completed or begun something comparable, "
        "here or abroad?",
        why="Comparable studies and qualifications from abroad often count, but only if they are named.",
        answer_type=AnswerType.STRUCTURED,
        minutes=2,
    ),
    Kind.LOGISTICS: _Manner(
        text="A practical point: the job says “{asks}”, and {shown}. Would that work for you, and have you worked that "
        "way before?",
        why="Employers settle practical points early, and read silence on them as a no.",
        answer_type=AnswerType.TEXT,
        minutes=1,
    ),
    Kind.PLAIN: _Manner(
        text="One line of the job reads “{asks}”, and {shown}. What in your experience comes closest to this: {name}?",
        why="The job spells it out ({name}), so something comparable of yours is worth telling.",
        answer_type=AnswerType.BOTH,
        minutes=3,
    ),
}


def write_question(request: WriteQuestion) -> WrittenQuestion:
    """A question of at most two sentences, worded for the kind of gap; `by` is left to the caller."""
    gap = request.gap
    kind = kind_of(gap)
    manner = MANNERS[kind]
    name = _clean(inline(gap.title, job_asks=gap.job_asks, skills=gap.skills))
    why = manner.why.format(name=name)
    return WrittenQuestion(
        text=manner.text.format(name=name, asks=_quote(gap.job_asks or gap.title), shown=_shown(gap, kind)),
        why=f"{why[:1].upper()}{why[1:]} {gap.impact}".strip(),
        answer_type=manner.answer_type,
        minutes=min(manner.minutes + (gap.priority is Priority.CRITICAL), 5),
    )


def _shown(gap: Gap, kind: Kind) -> str:
    """What the CV shows, as the second half of a sentence."""
    shown = gap.cv_shows.strip()
    quoted = QUOTED.search(shown)
    if quoted and kind is Kind.YEARS:
        return f"your CV says “{_quote(quoted.group(1))}”"
    if quoted:
        return f"the nearest your CV comes to it is “{_quote(quoted.group(1))}”"
    if NOTHING.search(shown):
        return "your CV does not mention it"
    first = _quote(re.split(r"(?<=[.!?])\s", shown, maxsplit=1)[0])
    if re.match(r"(?:The|Your) CV\b", first):
        return "your CV" + first[6 if first.startswith("The") else 7 :]
    return f"your CV shows this: “{first}”"


def _quote(text: str) -> str:
    """Words to stand inside quotation marks: one line, no final stop, cut at a word if long."""
    words = _clean(text).rstrip(" .!?;:,")
    if len(words) <= MAX_QUOTE:
        return words
    cut = words.rfind(" ", MAX_QUOTE // 2, MAX_QUOTE)
    return words[: cut if cut > 0 else MAX_QUOTE].rstrip(" .,;:") + " …"


def _clean(text: str) -> str:
    return " ".join(text.split()).replace("“", "‘").replace("”", "’")
