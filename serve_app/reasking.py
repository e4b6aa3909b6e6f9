"""The steps of a recorded session asked again, with other versions of the prompts; nothing of it is recorded.

Every request is built by the same `StepWork` as in the service, from the session as it was before the step.
An answer that is written anew is therefore not the one that is judged anew: each step differs from its record
by the prompt alone (and by what a model says differently each time it is asked).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.prompts import Wording
from actors.prompts.library import every, load
from serve_app import wiring
from serve_app.settings import Settings
from serve_app.targets import targets
from state.costs import Tally, tally
from state.errors import AskwellError, InvalidField
from state.events import (
    AnswerAccepted,
    AnswerFellShort,
    AnswerKept,
    AnswerWritten,
    Event,
    GapsFound,
    PromptsWritten,
    QuestionsAsked,
)
from state.messages import FindResources, FindSimilar, Origin, Owner
from state.model import Evaluation, Experience, Gap, Question, RankedResource, Session, Step
from state.replay import AskedStep
from state.spending import CallRecord
from state.steps import StepWork
from state.workflow import TRANSITIONS, QuestionCommand, SessionCommand

OPTION = "--prompt-version"
REPAIR = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The prompts to ask with: `versions` by name are those that were asked for, `wordings` are all."""

    versions: Mapping[str, int]
    wordings: Mapping[str, Wording]

    def concern(self, step: AskedStep) -> bool:
        return self.wordings[operation_of(step)].name in self.versions


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAgain:
    """`now` is what the step would have come to, None where it failed with `failure`."""

    step: AskedStep
    now: Event | None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasking:
    """What was asked again, and by operation what that took: `then` as recorded, `now` as counted just now."""

    pins: Pins
    steps: tuple[AskedAgain, ...]
    then: Mapping[str, Tally]
    now: Mapping[str, Tally]


@dataclass
class MemoryLedger:
    """Implements `state.spending.Ledger`: keeps the calls of one run, on nobody's account."""

    records: list[CallRecord] = field(default_factory=list)

    async def reserve(self, *, tenant: str, now_ms: int, tokens: int, limit: int) -> bool:
        return True

    async def settle(self, *, tenant: str, now_ms: int, reserved: int, used: int) -> None:
        return

    async def record(self, record: CallRecord) -> None:
        self.records.append(record)


class NothingRemembered:
    """Implements `state.messages.Retriever`: finds nothing and keeps nothing."""

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]:
        return tuple(() for _ in request.texts)

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        return ()

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None:
        return

    async def forget(self, owner: Owner) -> None:
        return


def pinned(asked: Iterable[str], folder: Path, settings: Settings) -> Pins | None:
    """The prompts with the versions that were asked for: '2' of all prompts that have it, 'write_answer/2' of one.

    None where none was. Raises `InvalidField` where there is no such version, or nobody to be told it.
    """
    asked = sorted(asked, key=lambda text: "/" in text)
    if not asked:
        return None
    if not targets(settings):
        fix = "the offline provider works by rules and is told no prompts; set OPENAI_API_KEY or GEMINI_API_KEY"
        raise InvalidField(field=OPTION, fix=fix)
    known = every(folder)
    versions: dict[str, int] = {}
    for text in asked:
        name, slash, number = text.rpartition("/")
        if not (number.isascii() and number.isdigit()) or (slash and not name):
            raise InvalidField(field=OPTION, fix="write a version (2), or a prompt and its version (write_answer/2)")
        names = [name] if slash else [wording.name for wording in known if wording.version == int(number)]
        if not names:
            there = ", ".join(sorted(wording.label for wording in known))
            raise InvalidField(field=OPTION, fix=f"no prompt has version {int(number)}; there are {there}")
        versions.update(dict.fromkeys(names, int(number)))
    try:
        wordings = load(folder, versions)
    except InvalidField as error:
        raise InvalidField(field=OPTION, fix=f"{error.field} {error.fix}") from None
    if set(versions) == {REPAIR}:
        fix = "repair is asked for after a broken reply alone; name another prompt beside it"
        raise InvalidField(field=OPTION, fix=fix)
    return Pins(versions=versions, wordings=wordings)


def operation_of(step: AskedStep) -> str:
    """The operation of its calls; a batch of questions is made of single ones."""
    return "write_question" if step.command is SessionCommand.WRITE_QUESTIONS else step.command.value


async def asked_again(
    settings: Settings,
    pins: Pins,
    steps: Iterable[AskedStep],
    recorded: Iterable[CallRecord],
    told: Callable[[], None] = lambda: None,
) -> Reasking:
    """Each step that `pins` concern, one after another; `told` is called after each. A step that fails is shown
    as that, and loses no other."""
    ledger, again = MemoryLedger(), []
    figures = replace(wiring.resilience(settings), daily_tokens=0)
    llm = wiring.recorded_llm(settings, figures, ledger=ledger, flights=None, wordings=pins.wordings)
    work = StepWork(
        generator=Generator(llm=llm, plain=wiring.offline_llm()),
        evaluator=Evaluator(llm=llm),
        retriever=NothingRemembered(),
        deadline_s=settings.step_deadline_s,
        question_deadline_s=settings.question_deadline_s,
    )
    try:
        for step in filter(pins.concern, steps):
            again.append(await _asked_again(work, step))
            told()
    finally:
        await llm.aclose()
    operations = {operation_of(done.step) for done in again}
    then = [call for call in recorded if call.operation in operations]
    return Reasking(pins=pins, steps=tuple(again), then=_by_operation(then), now=_by_operation(ledger.records))


def evaluation_of(event: Event | None) -> Evaluation | None:
    return event.evaluation if isinstance(event, AnswerAccepted | AnswerFellShort | AnswerKept) else None


def outcome(event: Event | None) -> str:
    """What a step came to, in figures; no text of it."""
    match event:
        case GapsFound(gaps=gaps):
            return f"{len(gaps)} gaps"
        case QuestionsAsked(questions=questions, unasked=unasked):
            return f"{len(questions)} questions, {len(unasked)} not asked"
        case PromptsWritten(prompts=prompts):
            return f"{len(prompts)} prompts"
        case AnswerWritten(answer=answer):
            return f"{sum(len(bullet.claims) for bullet in answer.bullets)} claims"
        case AnswerAccepted() | AnswerFellShort() | AnswerKept():
            return f"{event.evaluation.score} {TRANSITIONS[Step.EVALUATING][type(event)]}"
        case _:
            return ""


async def _asked_again(work: StepWork, step: AskedStep) -> AskedAgain:
    session, origin = step.session, _origin(step.session)
    try:
        now: Event
        match step.command:
            case SessionCommand():
                now = await work.prepare(step.command, session, origin)
            case QuestionCommand():
                now = await work.perform(step.command, session, session.require(step.question_id), origin)
    except AskwellError as error:
        return AskedAgain(step=step, now=None, failure=type(error).__name__)
    return AskedAgain(step=step, now=now)


def _origin(session: Session) -> Origin:
    """As the service has it, so that a provider's prefix cache knows the session; without a step of its own."""
    return Origin(tenant=session.tenant, session_id=session.id, flags=session.flags)


def _by_operation(calls: Iterable[CallRecord]) -> Mapping[str, Tally]:
    groups: dict[str, Tally] = {}
    for call in calls:
        groups[call.operation] = groups.get(call.operation, Tally()) + tally(call)
    return groups
