"""Judges an answer by a rubric of four criteria, each a sum of features that stand in the answer.

What raises a score is read from claims alone, and from those only that their input bears out: the
answer's own prose cannot praise itself upwards, repetition counts once, and sentences of praise or
instruction count as nothing. What lowers a score is read from the whole text.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.embeddings import TextEmbedder
from actors.llm import Judgement
from actors.offline.criteria import ENOUGH, evidence, language, relevance, specificity
from actors.offline.lexicon import Lexicon
from actors.offline.markers import talks_idly
from actors.offline.reading import Reading
from actors.offline.sentences import sentences
from actors.offline.suggestions import suggestion
from state.messages import EvaluateAnswer
from state.model import Criterion, CriterionName, Note

STRONG = 8.5

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


def judge(request: EvaluateAnswer, *, lexicon: Lexicon, embedder: TextEmbedder) -> Judgement:
    """Four criteria of 1 to 10 in steps of 0.5, what is good, what is missing, and a question for each of that."""
    reading = Reading(request, lexicon)
    criteria = (
        specificity(reading),
        evidence(reading),
        language(reading),
        relevance(reading, embedder),
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
            suggestion(criterion.name, reading)
            for criterion in sorted(criteria, key=lambda criterion: criterion.score)
            if criterion.score < ENOUGH
        ),
    )


def _issues(criteria: Sequence[Criterion]) -> tuple[Note, ...]:
    return tuple(
        Note(label=_SHORTFALLS[criterion.name], description=criterion.reason)
        for criterion in criteria
        if criterion.score < ENOUGH
    )


def _faults(reading: Reading) -> tuple[Note, ...]:
    if not any(talks_idly(sentence) for sentence in sentences(reading.whole)):
        return ()
    return (Note(label="Praise or instruction", description="Not counted: it tells nothing that was done."),)
