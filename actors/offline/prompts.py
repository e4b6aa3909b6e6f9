"""The deep dive into one gap: five usual prompts, worded for its kind, and a sixth of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actors.offline.kinds import LEXICON_KINDS, Kind, inline, kind_of
from actors.offline.lexicon import Lexicon, Skill
from state.messages import WritePrompts, WrittenPrompts
from state.model import Experience, Gap, Prompt, PromptType

CONTEXTS = ("Work", "Side Project", "Online Course", "Hackathon", "Personal Learning")
LANGUAGE_LEVELS = ("A1", "A2", "B1", "B2", "C1", "C2", "Native")
MAX_OPTIONS = 8
MAX_QUOTE = 160
FROM_LEXICON = frozenset({Kind.TOOL, Kind.METHOD, Kind.KNOWLEDGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wording:
    """The questions of one kind of gap; `{name}` is filled in. `sixth` is its own prompt."""

    context: str
    duration: str
    tools: str
    achievement: str
    metrics: str
    sixth: Prompt


def _sixth(prompt_id: str, question: str, placeholder: str = "") -> Prompt:
    return Prompt(id=prompt_id, type=PromptType.TEXT, question=question, placeholder=placeholder)


WORDINGS: Mapping[Kind, _Wording] = {
    Kind.TOOL: _Wording(
        context="Where have you used {name}?",
        duration="How long did you use {name}, and how recently?",
        tools="Which parts of {name} did you use, and which other tools along with it?",
        achievement="What did you build, run or change with {name}?",
        metrics="Do you have figures for how large it was or what it changed?",
        sixth=_sixth("scale", "How large was it: users, data, machines, colleagues?"),
    ),
    Kind.METHOD: _Wording(
        context="Where was {name} part of what you did?",
        duration="Over what time, and how often?",
        tools="Which tools, methods or guidelines did you follow?",
        achievement="Tell of one case of {name}: what was the situation, and what did you do?",
        metrics="Do you know how often you did it, or what came of it in figures?",
        sixth=_sixth("part", "What was your own part, and who else took part?"),
    ),
    Kind.KNOWLEDGE: _Wording(
        context="Where have you learned or applied {name}?",
        duration="When was that, and for how long?",
        tools="Which rules, sources or systems did you work with?",
        achievement="Tell of one decision or task in which you relied on {name}.",
        metrics="Do you have figures: cases, checks, findings, hours of training?",
        sixth=_sixth("applied", "Whom did you advise, check or train in it?"),
    ),
    Kind.SOFT: _Wording(
        context="Where did it show?",
        duration="When was that, and how long did it go on?",
        tools="What helped you: a method, a habit, a tool?",
        achievement="Tell of one moment that shows it: the situation, what you did, how it ended.",
        metrics="Is there a figure that shows how it ended?",
        sixth=_sixth("people", "Who was involved, and what did they say about it?"),
    ),
    Kind.YEARS: _Wording(
        context="Where does the experience that is not in your CV come from?",
        duration="From when to when was it, and how many hours a week?",
        tools="Which tools, systems or methods did you work with then?",
        achievement="What did you do in that time that counts for this job?",
        metrics="Do you have figures for that time: people, cases, sums, sizes?",
        sixth=_sixth("role", "What were you called, and who can confirm it?"),
    ),
    Kind.CERTIFICATION: _Wording(
        context="Where did you prepare for {name} or an equivalent?",
        duration="How long did the training take, and when did you finish it?",
        tools="What is the certificate called exactly, and who issued it?",
        achievement="What have you done with what you learned for it?",
        metrics="Do you have figures: a score, hours of training, times you applied it?",
        sixth=_sixth(
            "valid_until", "Until when is it valid?", placeholder="A month and a year, or that it does not expire"
        ),
    ),
    Kind.LICENCE: _Wording(
        context="Where have you needed it so far?",
        duration="Since when have you held it?",
        tools="Which kind, class or category is it, and who issued it?",
        achievement="What work have you done that required it?",
        metrics="Do you have figures: distances, cases, years without an incident?",
        sixth=_sixth("valid_until", "Until when is it valid, and are there any restrictions?"),
    ),
    Kind.LANGUAGE: _Wording(
        context="Where have you learned or used it?",
        duration="How long have you been learning or using it?",
        tools="In which situations do you use it: telephone, email, meetings, reading?",
        achievement="Tell of one time when you got something done in that language.",
        metrics="Do you have a test result, or know how often you use it?",
        sixth=Prompt(
            id="level",
            type=PromptType.SELECT,
            question="Which level fits best today?",
            options=LANGUAGE_LEVELS,
            help="A1 is a beginner, B1 gets by at work, C1 is fluent.",
        ),
    ),
    Kind.EDUCATION: _Wording(
        context="Where did you study or learn something comparable?",
        duration="From when to when?",
        tools="Which subjects, methods or tools did you learn?",
        achievement="What did you finish or produce there that matters for this job?",
        metrics="Do you have a grade, credits or hours to name?",
        sixth=_sixth("qualification", "What is the qualification called, and which school or body awarded it?"),
    ),
    Kind.LOGISTICS: _Wording(
        context="Where have you met this condition before?",
        duration="How long did you work that way?",
        tools="What makes it possible for you: transport, documents, arrangements?",
        achievement="How would you meet this condition, and when have you done so before?",
        metrics="Do you have figures: distance, travel time, days or nights a month?",
        sixth=_sixth("availability", "From when, and how often, could you do it?"),
    ),
    Kind.PLAIN: _Wording(
        context="Where does your nearest experience come from?",
        duration="How long did you do it, and when?",
        tools="What did you work with: tools, equipment, methods?",
        achievement="What have you done that comes closest to this: {name}?",
        metrics="Do you have figures for it: how many, how often, how much?",
        sixth=_sixth("scale", "How large or how difficult was it?"),
    ),
}


def write_prompts(request: WritePrompts, *, lexicon: Lexicon) -> WrittenPrompts:
    """Six prompts; only the achievement is required. Nothing in them suggests a figure that could be taken over."""
    gap = request.gap
    kind = _kind(gap, lexicon)
    wording = WORDINGS[kind]
    name = inline(gap.title, job_asks=gap.job_asks, skills=gap.skills)
    prompts = (
        Prompt(
            id="context",
            type=PromptType.SELECT,
            question=wording.context,
            options=CONTEXTS,
            help="Everything counts that you have really done; choose what comes nearest.",
        ),
        Prompt(id="duration", type=PromptType.TEXT, question=wording.duration, placeholder="A length of time or dates"),
        Prompt(id="tools", type=PromptType.TEXT, question=wording.tools, placeholder="Separate several with commas"),
        Prompt(
            id="achievement",
            type=PromptType.TEXTAREA,
            question=wording.achievement,
            placeholder="The situation, what you did yourself, and what came of it",
            required=True,
            help=_recalled(request.similar) or "Your own part matters most; plain words are enough.",
        ),
        Prompt(
            id="metrics",
            type=PromptType.TEXT,
            question=wording.metrics,
            help="Only figures you know; leave it empty if you have none.",
        ),
        _related(gap, lexicon) or wording.sixth if kind is Kind.TOOL else wording.sixth,
    )
    return WrittenPrompts(prompts=tuple(_named(prompt, name) for prompt in prompts))


def _named(prompt: Prompt, name: str) -> Prompt:
    return replace(prompt, question=prompt.question.replace("{name}", name))


def _kind(gap: Gap, lexicon: Lexicon) -> Kind:
    """The kind from the gap's words, corrected by what the lexicon knows of its first skill."""
    kind = kind_of(gap)
    skill = next(filter(None, map(lexicon.skill, gap.skills)), None)
    if skill is None or kind not in FROM_LEXICON:
        return kind
    known = LEXICON_KINDS.get(skill.kind, kind)
    return Kind.METHOD if known is Kind.SOFT else known


def _related(gap: Gap, lexicon: Lexicon) -> Prompt | None:
    """What else the job's line names, and the gap's neighbours in the lexicon, to choose from."""
    skills = [skill for skill in map(lexicon.skill, gap.skills) if skill is not None]
    beside = [mention.skill for mention in lexicon.mentions(gap.job_asks)]
    neighbours = [other for skill in skills[:1] for other in lexicon.neighbours(skill, MAX_OPTIONS)]
    options = _names([*beside, *neighbours], without=skills)
    if len(options) < 2:
        return None
    return Prompt(
        id="related",
        type=PromptType.MULTISELECT,
        question="Which of these have you used as well?",
        options=options,
        help="Choose only what you have really worked with; none is fine.",
    )


def _names(skills: Sequence[Skill], *, without: Sequence[Skill]) -> tuple[str, ...]:
    left_out = {skill.name for skill in without}
    return tuple(dict.fromkeys(skill.name for skill in skills if skill.name not in left_out))[:MAX_OPTIONS]


def _recalled(similar: Sequence[Experience]) -> str:
    """What the candidate told before, nearest first: one thing from the CV and one from earlier answers."""
    nearest = sorted(similar, key=lambda experience: -experience.similarity)
    cv = next((past for past in nearest if past.source.startswith("cv") and past.text.strip()), None)
    told = next((past for past in nearest if not past.source.startswith("cv") and past.text.strip()), None)
    lines = [f"You wrote before: “{_short(told.text)}”"] if told else []
    lines += [f"Your CV mentions: “{_short(cv.text)}”"] if cv else []
    return " ".join([*lines, "Does that belong here?"]) if lines else ""


def _short(text: str) -> str:
    words = " ".join(text.split())
    if len(words) <= MAX_QUOTE:
        return words
    cut = words.rfind(" ", MAX_QUOTE // 2, MAX_QUOTE)
    return words[: cut if cut > 0 else MAX_QUOTE].rstrip(" .,;:") + " …"
