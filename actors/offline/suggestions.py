"""What would raise a criterion, asked as one question; the examples are shapes to fill in and hold no figures."""

from __future__ import annotations

from actors.offline.markers import TIME
from actors.offline.reading import Reading
from state.model import CriterionName, Suggestion


def suggestion(name: CriterionName, reading: Reading) -> Suggestion:
    """One question to the candidate."""
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


def _specific_suggestion(reading: Reading) -> Suggestion:
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
