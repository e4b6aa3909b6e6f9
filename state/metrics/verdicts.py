"""What an evaluation is recorded as, once the event that it led to is committed."""

from __future__ import annotations

from collections.abc import Mapping

from state.events import AnswerAccepted, AnswerFellShort, AnswerKept, Event
from state.metrics.cells import Verdict
from state.metrics.labels import Labels, Operation, variant_of
from state.metrics.recorder import Recorder
from state.model import Question, Session

VERDICTS: Mapping[type[Event], Verdict] = {
    AnswerAccepted: Verdict.ACCEPTED,
    AnswerFellShort: Verdict.NEEDS_REFINEMENT,
    AnswerKept: Verdict.BEST_EFFORT,
}


def record_verdict(recorder: Recorder, session: Session, question: Question, event: Event) -> None:
    """`question` as it stands after `event`; one that is no verdict is not recorded. The score is that of the answer
    that was judged, also where a better one before it was kept."""
    if not isinstance(event, AnswerAccepted | AnswerFellShort | AnswerKept):
        return
    provider, _, model = event.evaluation.by.partition(":")
    labels = Labels(
        Operation.EVALUATE_ANSWER,
        session.gap(question.gap_id).priority,
        provider,
        model,
        variant=variant_of(session.flags),
    )
    verdict = VERDICTS[type(event)]
    recorder.judged(labels, score=event.evaluation.score, verdict=verdict, refinements=question.refinements)
