"""Judges an answer by a rubric of four criteria, each a sum of features that stand in the answer.

What raises a score is read from claims alone, and from those only that their input bears out: the
answer's own prose cannot praise itself upwards, repetition counts once, and sentences of praise or
instruction count as nothing. What lowers a score is read from the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from actors.embeddings import TextEmbedder
from actors.grounding import said, sources_of, unborne
from actors.llm import Judgement
from actors.offline.answers import FILLER, OUTCOME, TIME, VAGUE, sentences, talks_idly
from actors.offline.lexicon import Lexicon
from state.messages import EvaluateAnswer
from state.model import Bullet, BulletKind, Criterion, CriterionName, Document, Gap, Inputs, Note, Suggestion

ENOUGH = 7.0
STRONG = 8.5

_FIGURE = re.compile(
    r"(?<![\w.])\d[\d,]*(?:\.\d+)?|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|half)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[a-z,(;] )[A-Z][\w+#.-]*|\b[A-Z]{2,}\w*|\b[A-Za-z]+\d\w*|\b\d+[A-Z]\w*|\b\w+[a-z][A-Z]\w*")
_WORD = re.compile(r"[^\W\d_]{4,}|\b[A-Z]{2,}\b")
_COMPARED = re.compile(
    r"\bfrom\b.{1,60}\bto\b|\b(?:instead of|rather than|down|fell|rose|dropped|cut|reduced|raised|increased|saved"
    r"|replac\w+|out of|less than|fewer|more than|(?:\w+ )in (?:\d+|ten))\b|%",
    re.IGNORECASE | re.DOTALL,
)
_CHECKABLE = re.compile(
    r"\b(?:first time|passed|under|within|no|none|never|nobody|without|early|correctly|only|stopped|now|said|told"
    r"|signed|asked|opens|adopted|live|in use|released?|published|kept|noticed|escalated)\b",
    re.IGNORECASE,
)
_EMPTY_PRAISE = re.compile(r"\b(?:well|better|fine|good|great|nice|success\w*|happy|pleased)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I've|I'd|[Ww]e|[Mm]y|[Oo]ur|me|us|myself|ourselves)\b")
_HEDGE = re.compile(
    r"\b(?:a bit|maybe|perhaps|probably|possibly|somewhat|I hope|tried to|a little|quite|helped with|was involved)\b",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"\bnot yet (?:told|measured|known|given)\b", re.IGNORECASE)
_WEAK_START = re.compile(
    r"(?:the|it|this|that|there|a|an|was|were|is|are|had|has|from|in|at|on|since)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Told:
    """A sentence of an answer that its input bears out."""

    text: str
    kind: BulletKind
    source: str

    @property
    def figures(self) -> frozenset[str]:
        return frozenset(match.casefold().replace(",", "") for match in _FIGURE.findall(self.text))


class _Reading:
    """An answer as the rubric sees it."""

    def __init__(self, request: EvaluateAnswer, lexicon: Lexicon) -> None:
        self.gap = request.gap
        self.answer = request.answer
        self._lexicon = lexicon
        self.told = _borne_out(request.answer.bullets, request.inputs)

    @cached_property
    def text(self) -> str:
        return " ".join(told.text for told in self.told)

    @cached_property
    def names(self) -> dict[str, str]:
        """What is named: tools, methods, places; each once, as it stands in the text."""
        found = {mention.skill.name.casefold(): mention.words for mention in self._lexicon.mentions(self.text)}
        listed = [item for told in self.told if "tool" in told.source for item in re.split(r", | and ", told.text)]
        named = [match.group() for told in self.told for match in _NAME.finditer(told.text)]
        for words in (*(item.removeprefix("Used ") for item in listed), *named):
            if words.strip():
                found.setdefault(words.strip().casefold(), words.strip())
        return found

    @cached_property
    def figures(self) -> frozenset[str]:
        return frozenset().union(*(told.figures for told in self.told))

    @cached_property
    def outcome(self) -> list[_Told]:
        """What came of it: the impact bullet, or a sentence elsewhere that tells of a result."""
        impact = [told for told in self.told if told.kind is BulletKind.IMPACT]
        return impact or [told for told in self.told if OUTCOME.search(told.text)]

    @cached_property
    def concrete(self) -> frozenset[str]:
        """Content words of sentences that hold a figure or a name; the others may be padding."""
        return frozenset(
            word.casefold()[:6]
            for told in self.told
            if told.figures or _NAME.search(told.text) or self._lexicon.mentions(told.text)
            for word in _WORD.findall(told.text)
        )

    def quote(self, pattern: re.Pattern[str], among: Sequence[_Told] | None = None) -> str:
        """The first sentence that holds the pattern."""
        return next((told.text for told in (self.told if among is None else among) if pattern.search(told.text)), "")


def judge(request: EvaluateAnswer, *, lexicon: Lexicon, embedder: TextEmbedder) -> Judgement:
    """Four criteria of 1 to 10 in steps of 0.5, what is good, what is missing, and a question for each of that."""
    reading = _Reading(request, lexicon)
    criteria = (
        _specificity(reading),
        _evidence(reading),
        _language(reading),
        _relevance(reading, embedder),
    )
    return Judgement(
        criteria=criteria,
        issues=(*_issues(criteria), *_faults(reading)),
        strengths=tuple(
            Note(label=label, description=description)
            for criterion in criteria
            for label, description in (_STRENGTHS[criterion.name],)
            if criterion.score >= STRONG
        ),
        suggestions=tuple(
            _suggestion(criterion.name, reading)
            for criterion in sorted(criteria, key=lambda criterion: criterion.score)
            if criterion.score < ENOUGH
        ),
    )


_STRENGTHS = {
    CriterionName.SPECIFICITY: ("Specific", "It names tools, sizes and times."),
    CriterionName.EVIDENCE: ("Backed by an outcome", "A reader can check what came of it."),
    CriterionName.LANGUAGE: ("Reads like a resume", "Short sentences that start with what was done."),
    CriterionName.RELEVANCE: ("On the point", "It speaks of what the job asks for."),
}
_SHORTFALLS = {
    CriterionName.SPECIFICITY: "Too general",
    CriterionName.EVIDENCE: "Outcome not shown",
    CriterionName.LANGUAGE: "Wording",
    CriterionName.RELEVANCE: "Far from what the job asks",
}


def _specificity(reading: _Reading) -> Criterion:
    named = 0.5 * min(len(reading.names), 5)
    timed = 1.5 if TIME.search(reading.text) else 0.0
    counted = min(0.5 * len(reading.figures), 2.5)
    detailed = min(len(reading.concrete) / 14, 2.5)
    vague = min(0.5 * len(VAGUE.findall(_whole(reading))), 2.0)
    missing = [
        what
        for what, there in (
            ("tools or methods by name", named >= 1),
            ("when it was or how long it took", timed > 0),
            ("how big it was", counted >= 1),
        )
        if not there
    ]
    reason = (
        f"It does not yet say {_either(missing)}."
        if missing
        else f"Names {len(reading.names)} things, a time and {len(reading.figures)} figures."
    )
    if vague:
        reason += " Words such as 'some' or 'several' can become what they stand for."
    quote = reading.quote(_FIGURE) or reading.quote(_NAME)
    return _criterion(CriterionName.SPECIFICITY, 1 + named + timed + counted + detailed - vague, reason, quote)


def _evidence(reading: _Reading) -> Criterion:
    outcome = [told for told in reading.outcome if told.figures or not _says_little(told.text)]
    figures = frozenset[str]().union(*(told.figures for told in outcome))
    compared, checkable = reading.quote(_COMPARED, outcome), reading.quote(_CHECKABLE, outcome)
    done = [told for told in reading.told if told not in reading.outcome and len(told.text.split()) > 3]
    score = 1.0
    score += 2 if outcome else 0.5 if reading.outcome else 0
    score += (0.0, 1.0, 1.5, 2.0, 2.5)[min(len(figures), 4)]
    score += 1.5 if compared else 1.0 if checkable else 0
    score += 1.5 if outcome and done else 0
    score += 1 if len({told.kind for told in reading.told}) == len(BulletKind) else 0
    if not outcome:
        reason = "What came of it is not told yet; say how you could tell that it worked."
    elif not figures and not checkable:
        reason = "An outcome is told, but nothing a reader could check; a before and after would do."
    elif not compared and not checkable:
        reason = "It gives figures, but not what they are to be compared with."
    else:
        reason = "The outcome can be checked and follows from what was done."
    return _criterion(
        CriterionName.EVIDENCE, score, reason, compared or checkable or (outcome[0].text if outcome else "")
    )


def _says_little(text: str) -> bool:
    return bool(VAGUE.search(text) or _EMPTY_PRAISE.search(text))


def _language(reading: _Reading) -> Criterion:
    whole = _whole(reading)
    faults = [(name, found, cost) for name, found, cost in _wording_faults(reading, whole) if cost]
    reason = "Starts with what was done, without first person or fillers."
    if faults:
        reason = " ".join(dict.fromkeys(name for name, _, _ in faults))
    quote = next((found for _, found, _ in faults if found), "" if faults else _first(reading))
    return _criterion(CriterionName.LANGUAGE, 10 - sum(cost for _, _, cost in faults), reason, quote)


def _wording_faults(reading: _Reading, whole: str) -> list[tuple[str, str, float]]:
    """What to change, the words it is about, and what it costs."""
    person, hedges = _FIRST_PERSON.findall(whole), [*_HEDGE.findall(whole), *FILLER.findall(whole)]
    idle = [sentence for sentence in sentences(whole) if talks_idly(sentence)]
    longest = max((len(sentence.split()) for sentence in sentences(whole)), default=0)
    unfinished = sum(bool(_UNFINISHED.search(bullet.text)) for bullet in reading.answer.bullets)
    starts = {told.kind: told.text for told in reversed(reading.told)}
    weak = [text for kind, text in starts.items() if kind is not BulletKind.IMPACT and _WEAK_START.match(text)]
    short = sum(len(told.text.split()) < 4 for told in reading.told if told.kind is not BulletKind.ENGINEER)
    return [
        ("Leave out I, we and my.", person[0] if person else "", min(1.0 + 0.5 * len(person), 4.0) if person else 0.0),
        ("Leave out hedges and fillers.", hedges[0].strip() if hedges else "", min(1.0 * len(hedges), 3.0)),
        ("Leave out praise and instructions; facts speak.", idle[0] if idle else "", min(2.0 * len(idle), 6.0)),
        ("Shorten the longest sentence.", "", 2.0 if longest > 60 else 1.0 if longest > 42 else 0.0),
        ("Part of the answer is still open.", "", 1.0 * unfinished),
        ("Start with what was done.", weak[0] if weak else "", 0.5 * len(weak)),
        ("Tell it in whole sentences.", "", 0.5 * short if reading.told else 2.0),
    ]


def _relevance(reading: _Reading, embedder: TextEmbedder) -> Criterion:
    gap = reading.gap
    if not reading.told:
        return _criterion(CriterionName.RELEVANCE, 1, _far(gap), "")
    vectors = embedder.embed([f"{gap.title}. {gap.job_asks}", reading.text, *(told.text for told in reading.told)])
    near = float(vectors[0] @ vectors[1])
    nearest = int((vectors[2:] @ vectors[0]).argmax())
    shared = len(_stems(f"{gap.title} {gap.job_asks} {' '.join(gap.skills)}") & _stems(reading.text))
    skills = {skill.casefold() for skill in gap.skills}
    named = bool(_stems(gap.title) & _stems(reading.text)) or not skills.isdisjoint(reading.names)
    score = 2 + 5 * min(max((near - 0.05) / 0.4, 0.0), 1.0) + min(shared, 2) + named
    reason = f"Close to what the job asks: {gap.title}." if score >= ENOUGH else _far(gap)
    return _criterion(CriterionName.RELEVANCE, score, reason, reading.told[nearest].text if score >= 4 else "")


def _far(gap: Gap) -> str:
    return f"Say which part of this was about {gap.title}, in the words the job uses."


def _suggestion(name: CriterionName, reading: _Reading) -> Suggestion:
    """One question to the candidate; the examples are shapes to fill in and hold no figures."""
    match name:
        case CriterionName.EVIDENCE:
            return Suggestion(
                type=name,
                title="How did you know it worked? A number, a before and after, or what someone said all count.",
                examples=("from ... to ... in ...", "... out of ...", "... told me that ..."),
                help="Only what you know. If nothing was measured, say what is different now and who noticed.",
            )
        case CriterionName.SPECIFICITY:
            return _specific_suggestion(reading)
        case CriterionName.LANGUAGE:
            return Suggestion(
                type=name,
                title="In one or two plain sentences: what did you do yourself, and what came of it?",
                examples=("Built ... for ..., using ...", "Changed ... so that ..."),
                help="Start with the verb. Leave out 'I think', 'a bit' and praise.",
            )
        case CriterionName.RELEVANCE:
            return Suggestion(
                type=name,
                title=f"Which part of this was closest to what the job asks: {reading.gap.title}?",
                examples=("The part about ... was ...", "Used ... to ..."),
                help=f"The job says: {reading.gap.job_asks}",
            )


def _specific_suggestion(reading: _Reading) -> Suggestion:
    questions = {
        "which tools, systems or methods did you use, by name": len(reading.names) >= 2,
        "when was it and how long did it last": bool(TIME.search(reading.text)),
        "how big was it, in people, items, sites or hours": len(reading.figures) >= 2,
    }
    open_ = [question for question, answered in questions.items() if not answered]
    asked = ", and ".join(open_[:2]) or "which steps did you take yourself, one by one"
    return Suggestion(
        type=CriterionName.SPECIFICITY,
        title=f"{asked[0].upper()}{asked[1:]}?",
        examples=("For ... I used ... to ...", "From ... until ..., for ... people"),
        help="Names and sizes as far as you remember them; leave out what you are not sure of.",
    )


def _issues(criteria: Sequence[Criterion]) -> tuple[Note, ...]:
    return tuple(
        Note(label=_SHORTFALLS[criterion.name], description=criterion.reason)
        for criterion in criteria
        if criterion.score < ENOUGH
    )


def _faults(reading: _Reading) -> tuple[Note, ...]:
    if not any(talks_idly(sentence) for sentence in sentences(_whole(reading))):
        return ()
    return (Note(label="Praise or instruction", description="Not counted: it tells nothing that was done."),)


# Reading the answer.


def _borne_out(bullets: Sequence[Bullet], inputs: Inputs) -> list[_Told]:
    """The sentences of claims whose quote stands in the input they name; no quote counts twice."""
    source = sources_of(inputs, Document(text=""))
    kept: list[_Told] = []
    seen: set[str] = set()
    for bullet in bullets:
        for claim in bullet.claims:
            kind, _, name = claim.source.partition(":")
            quote = _folded(claim.quote)
            value = _folded(said(inputs[name])) if kind == "input" and name in inputs else ""
            if not quote or quote not in value or quote in seen or _folded(claim.text) not in _folded(bullet.text):
                continue
            seen.add(quote)
            kept += [
                _Told(sentence.rstrip(" ."), bullet.kind, claim.source)
                for sentence in sentences(claim.text)
                if not talks_idly(sentence) and not unborne(sentence, source)
            ]
    return kept


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _whole(reading: _Reading) -> str:
    return "\n".join(bullet.text for bullet in reading.answer.bullets)


def _first(reading: _Reading) -> str:
    return reading.told[0].text if reading.told else ""


def _stems(text: str) -> frozenset[str]:
    return frozenset(word.casefold()[:6] for word in _WORD.findall(text))


def _either(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _criterion(name: CriterionName, score: float, reason: str, quote: str) -> Criterion:
    halves = round(2 * min(max(score, 1.0), 10.0)) / 2
    return Criterion(name=name, score=halves, reason=reason, quote=quote)
