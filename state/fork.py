"""What a recorded session would have been otherwise: under other thresholds, or at other prices.

The answers and their evaluations are the recorded ones. What would have followed from them is worked out
as far as they go: nobody knows the refinement that was never asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from state.events import AnswerAccepted, AnswerFellShort, AnswerKept, QuestionEvent, QuestionsAsked
from state.model import Priority, Question, Step
from state.prices import Prices
from state.replay import Move
from state.spending import CallRecord
from state.workflow import advance, finished, judge

SECOND_PASS = "advanced_quality_evaluation"  # noqa: S105 - the name of a flag
Verdict = AnswerAccepted | AnswerFellShort | AnswerKept


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Scores of 10 that answers need: by priority, and `others` for those that are not named there. Without
    either a question keeps its own."""

    by_priority: Mapping[Priority, float] = field(default_factory=dict)
    others: float | None = None

    def instead_of(self, recorded: float, priority: Priority) -> float:
        return self.by_priority.get(priority, recorded if self.others is None else self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where a question stands at the end. `scored` counts the evaluations it took, `refinements` the refined
    answers among them."""

    threshold: float
    step: Step
    scored: int
    refinements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkedQuestion:
    """`scores` are all that were recorded, in order; the first `now.scored` of them would have been given.

    `doubtful` warns of an acceptance: two passes judged, and only the one that decided by the recorded threshold
    is known. By the other threshold the lower score of the other pass might have decided.
    """

    question_id: str
    priority: Priority
    scores: tuple[float, ...]
    then: Course
    now: Course
    doubtful: bool

    @property
    def asks_further(self) -> bool:
        """Whether a refinement would have been asked for that was never given."""
        return self.now.step is Step.NEEDS_REFINEMENT and self.then.step is not Step.NEEDS_REFINEMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    accepted: int
    best_effort: int
    to_refine: int
    refinements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    questions: tuple[ForkedQuestion, ...]

    @property
    def then(self) -> Totals:
        return _totals([question.then for question in self.questions])

    @property
    def now(self) -> Totals:
        return _totals([question.now for question in self.questions])


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """Calls at recorded prices and at others. `difference_usd` is of the calls that have a price in both;
    `unmeasured` calls have no usage block and so no price in either."""

    calls: int = 0
    unmeasured: int = 0
    unpriced_then: int = 0
    unpriced_now: int = 0
    then_usd: Decimal = Decimal(0)
    now_usd: Decimal = Decimal(0)
    difference_usd: Decimal = Decimal(0)

    def __add__(self, other: Repriced) -> Repriced:
        return Repriced(
            calls=self.calls + other.calls,
            unmeasured=self.unmeasured + other.unmeasured,
            unpriced_then=self.unpriced_then + other.unpriced_then,
            unpriced_now=self.unpriced_now + other.unpriced_now,
            then_usd=self.then_usd + other.then_usd,
            now_usd=self.now_usd + other.now_usd,
            difference_usd=self.difference_usd + other.difference_usd,
        )


def fork(moves: Iterable[Move], thresholds: Thresholds) -> Fork:
    """The same answers and evaluations under other thresholds. `moves` are a whole log's."""
    moves = tuple(moves)
    asked = [question for move in moves for question in _asked_in(move)]
    session = moves[-1].after
    return Fork(
        questions=tuple(
            _forked(
                question,
                session.gap(question.gap_id).priority,
                [move.entry.event for move in moves if move.entry.question_id == question.id],
                thresholds,
                two_passes=session.flags.get(SECOND_PASS, False),
            )
            for question in asked
        )
    )


def repriced(calls: Iterable[CallRecord], prices: Prices) -> Mapping[str, Repriced]:
    """By operation, in the order of their first calls."""
    groups: dict[str, Repriced] = {}
    for call in calls:
        groups[call.operation] = groups.get(call.operation, Repriced()) + _repriced(call, prices)
    return groups


def _asked_in(move: Move) -> tuple[Question, ...]:
    return move.entry.event.questions if isinstance(move.entry.event, QuestionsAsked) else ()


def _forked(
    question: Question, priority: Priority, events: Iterable[object], thresholds: Thresholds, *, two_passes: bool
) -> ForkedQuestion:
    own = [event for event in events if isinstance(event, QuestionEvent)]
    other = replace(question, threshold=thresholds.instead_of(question.threshold, priority))
    then, now = _course(question, own, judged_anew=False), _course(other, own, judged_anew=True)
    return ForkedQuestion(
        question_id=question.id,
        priority=priority,
        scores=tuple(event.evaluation.score for event in own if isinstance(event, Verdict)),
        then=then,
        now=now,
        doubtful=two_passes and now.step is Step.ACCEPTED and _other_pass_matters(then, now),
    )


def _course(question: Question, events: Iterable[QuestionEvent], *, judged_anew: bool) -> Course:
    """The question's way, by the recorded verdicts or by its own threshold; once that has ended it, what was
    recorded later never was."""
    scored = 0
    for recorded in events:
        if finished(question.step):
            break
        event: QuestionEvent = recorded
        if isinstance(recorded, Verdict):
            scored += 1
            if judged_anew:
                follow_ups = recorded.follow_ups if isinstance(recorded, AnswerFellShort) else ()
                event = judge(question, recorded.evaluation, follow_ups)
        question, _ = advance(question, event)
    return Course(threshold=question.threshold, step=question.step, scored=scored, refinements=question.refinements)


def _other_pass_matters(then: Course, now: Course) -> bool:
    """Both passes of an acceptance are at the recorded threshold or above, so they are above a lower one."""
    return now.threshold > then.threshold or (now.step, now.scored) != (then.step, then.scored)


def _totals(courses: list[Course]) -> Totals:
    steps = [course.step for course in courses]
    return Totals(
        accepted=steps.count(Step.ACCEPTED),
        best_effort=steps.count(Step.BEST_EFFORT),
        to_refine=steps.count(Step.NEEDS_REFINEMENT),
        refinements=sum(course.refinements for course in courses),
    )


def _repriced(call: CallRecord, prices: Prices) -> Repriced:
    if call.usage is None:
        return Repriced(calls=1, unmeasured=1)
    then = None if call.cost_usd is None else Decimal(repr(call.cost_usd))
    now = prices.exact(call.provider, call.model, call.usage, at_ms=call.at_ms)
    return Repriced(
        calls=1,
        unpriced_then=int(then is None),
        unpriced_now=int(now is None),
        then_usd=then or Decimal(0),
        now_usd=now or Decimal(0),
        difference_usd=Decimal(0) if then is None or now is None else now - then,
    )
