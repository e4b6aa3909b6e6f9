"""The four criteria, each 1 to 10: a sum of features that stand in the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from actors.embeddings import TextEmbedder
from actors.offline.evidence import stems
from actors.offline.markers import FILLER, HEDGE, LIMITED, TIME, VAGUE, one_spelling, says_little, talks_idly
from actors.offline.reading import FIGURE, NAME, Reading
from actors.offline.resume_style import tells_own_deed
from actors.offline.sentences import sentences
from state.model import Addressability, BulletKind, Criterion, CriterionName, Gap

ENOUGH = 7.0
ON_THE_POINT = 9.5
FEW_DETAILS = 10
FAULTLESS = 9.0
"""What wording without a fault that rules can see is given: they do not see all of them."""
_COMPARED = re.compile(
    r"\bfrom\b.{1,60}\bto\b|\b(?:instead of|rather than|down|fell|rose|dropped|cut|reduced|raised|increased|saved"
    r"|replac\w+|out of|less than|fewer|more than|since then|up from|against|the \w+ before|before it was"
    r"|(?:\w+ )in (?:\d+|ten))\b|%",
    re.IGNORECASE | re.DOTALL,
)
_CHECKABLE = re.compile(
    r"\b(?:first time|passed|under|within|nobody|early|correctly|stopped|said|told|thanked"
    r"|signed|asked|opens|adopted|in use|used by|released?|published|kept|noticed|escalated)\b",
    re.IGNORECASE,
)
_PROVEN = re.compile(
    r"\b(?:passed|signed off|certificate|certified|diploma|accredited|licen[cs]ed?|qualified)\b", re.IGNORECASE
)
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I've|I'd|[Ww]e|[Mm]y|[Oo]ur|me|us|myself|ourselves)\b")
_UNFINISHED = re.compile(r"\bnot yet (?:told|measured|known|given)\b", re.IGNORECASE)
_WEAK_START = re.compile(
    r"(?:the|it|this|that|there|a|an|was|were|is|are|had|has|from|in|at|on|since)\b", re.IGNORECASE
)


def specificity(reading: Reading) -> Criterion:
    named = 0.5 * min(len(reading.names), 5)
    timed = 1.5 if TIME.search(reading.text) else 0.0
    counted = min(0.5 * len(reading.figures), 2.5)
    exact = 2.0 if _is_circumstance(reading.gap) and (timed or counted) else 0.0
    detailed = min(len(_details(reading)) / 7, 3.5)
    idle = sum(talks_idly(sentence) for sentence in sentences(reading.whole))
    vague = min(0.5 * len(VAGUE.findall(reading.whole)) + idle, 2.5)
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
    quote = reading.quote(FIGURE) or reading.quote(NAME)
    return _criterion(CriterionName.SPECIFICITY, 1 + exact + named + timed + counted + detailed - vague, reason, quote)


def evidence(reading: Reading) -> Criterion:
    """What can be checked weighs most; an outcome that is only asserted stays below the middle of the scale."""
    if _is_circumstance(reading.gap):
        return _proof(reading)
    outcome = [told for told in reading.outcome if told.figures or not says_little(told.text)]
    figures = frozenset[str]().union(*(told.figures for told in outcome))
    compared = reading.quote(_COMPARED, outcome)
    checkable = reading.quote(_CHECKABLE, outcome) or reading.quote(_PROVEN)
    done = [told for told in reading.told if told not in reading.outcome and len(told.text.split()) > 3]
    solid = bool(figures or compared or checkable)
    score = 1.0
    score += (2.0 if solid else 1.5) if outcome else 0.5 if reading.outcome else 0
    score += (0.0, 1.0, 1.5, 2.0, 2.5)[min(len(figures), 4)]
    score += 1.5 if compared else 1.0 if checkable else 0
    score += (1.5 if solid else 0.5) if outcome and done else 0
    score += 1 if solid and len({told.kind for told in reading.told}) == len(BulletKind) else 0
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


def _proof(reading: Reading) -> Criterion:
    """Of a circumstance (a place, hours, a licence) no outcome is due: since when it is so, and how it is known."""
    since, figures = reading.quote(TIME), min(len(reading.figures), 3)
    proven = reading.quote(_PROVEN)
    score = 1 + (1.5 if reading.told else 0) + (2.5 if since else 0) + figures + (1.0 if proven else 0)
    reason = "Says since when or how often." if since else "It does not yet say since when, or how it can be shown."
    return _criterion(CriterionName.EVIDENCE, score, reason, since or proven)


def _is_circumstance(gap: Gap) -> bool:
    return gap.addressability is Addressability.LOGISTICAL


def _details(reading: Reading) -> frozenset[str]:
    """Content words of sentences that hold a figure or a name or tell a deed; the others may be padding."""
    deeds = (told.text for told in reading.told if tells_own_deed(told.text))
    return reading.concrete.union(*map(stems, deeds))


def language(reading: Reading) -> Criterion:
    whole = reading.whole
    faults = [(name, found, cost) for name, found, cost in _wording_faults(reading, whole) if cost]
    reason = "Starts with what was done, without first person or fillers."
    if faults:
        reason = " ".join(dict.fromkeys(name for name, _, _ in faults))
    quote = next((found for _, found, _ in faults if found), "" if faults else reading.first)
    return _criterion(CriterionName.LANGUAGE, FAULTLESS - sum(cost for _, _, cost in faults), reason, quote)


def relevance(reading: Reading, embedder: TextEmbedder) -> Criterion:
    """How near its nearest sentence comes to the gap, less where it is a part of it or tells too little to show it."""
    gap = reading.gap
    if not reading.told:
        return _criterion(CriterionName.RELEVANCE, 1, _far(gap), "")
    asked = one_spelling(f"{gap.title}. {gap.job_asks}")
    text = one_spelling(reading.text)
    vectors = embedder.embed([asked, *(one_spelling(told.text) for told in reading.told)])
    near = vectors[1:] @ vectors[0]
    shared = len(stems(f"{asked} {one_spelling(' '.join(gap.skills))}") & stems(text))
    skills = {skill.casefold() for skill in gap.skills}
    named = bool(stems(gap.title) & stems(text)) or not skills.isdisjoint(reading.names)
    score = 2 + 5 * min(max((float(near.max()) - 0.12) / 0.33, 0.0), 1.0) + min(shared, 2) + named
    score = min(score, ON_THE_POINT)
    limits = {limit.casefold() for limit in LIMITED.findall(reading.text)}
    score -= min(2.0 * len(limits), 4.0)
    score -= 1.5 if len(_details(reading)) < FEW_DETAILS and not _is_circumstance(gap) else 0
    nearest = reading.told[int(near.argmax())].text
    if score >= ENOUGH:
        reason = f"Close to what the job asks: {gap.title}."
    elif limits:
        reason = f"Close to {gap.title}, but a part, a trial or somebody else's: say what was your own."
    else:
        reason = _far(gap)
    return _criterion(CriterionName.RELEVANCE, score, reason, nearest if score >= 4 else "")


def _wording_faults(reading: Reading, whole: str) -> list[tuple[str, str, float]]:
    """What to change, the words it is about, and what it costs."""
    person, hedges = _FIRST_PERSON.findall(whole), [*HEDGE.findall(whole), *FILLER.findall(whole)]
    idle = [sentence for sentence in sentences(whole) if talks_idly(sentence)]
    longest = max((len(sentence.split()) for sentence in sentences(whole)), default=0)
    unfinished = sum(bool(_UNFINISHED.search(bullet.text)) for bullet in reading.answer.bullets)
    starts = {told.kind: told.text for told in reversed(reading.told)}
    weak = [text for kind, text in starts.items() if kind is not BulletKind.IMPACT and _WEAK_START.match(text)]
    short = [sentence for sentence in sentences(whole) if len(sentence.split()) < 4 and not FIGURE.search(sentence)]
    vague = [match.group() for match in VAGUE.finditer(whole)]
    return [
        ("Leave out I, we and my.", person[0] if person else "", min(2.0 + 0.5 * len(person), 5.0) if person else 0.0),
        ("Leave out hedges and fillers.", hedges[0].strip() if hedges else "", min(1.0 * len(hedges), 3.0)),
        ("Leave out praise and instructions; facts speak.", idle[0] if idle else "", min(3.0 * len(idle), 6.0)),
        ("Shorten the longest sentence.", "", 3.0 if longest > 50 else 1.0 if longest > 38 else 0.0),
        ("Part of the answer is still open.", "", 1.0 * unfinished),
        ("Start with what was done.", weak[0] if weak else "", 0.5 * len(weak)),
        ("Tell it in whole sentences.", short[0] if short else "", min(0.5 * len(short), 1.5) if reading.told else 2.0),
        ("Say what is meant instead of vague words.", vague[0] if vague else "", min(0.5 * len(vague), 1.5)),
    ]


def _far(gap: Gap) -> str:
    return f"Say which part of this was about {gap.title}, in the words the job uses."


def _either(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _criterion(name: CriterionName, score: float, reason: str, quote: str) -> Criterion:
    halves = round(2 * min(max(score, 1.0), 10.0)) / 2
    return Criterion(name=name, score=halves, reason=reason, quote=quote)
