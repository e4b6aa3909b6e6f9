"""An interview in the terminal, against a running service: typed, or read from a file of replies."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serve_app.client import ExperienceReply
from serve_app.documents import read_document
from serve_app.http.bodies import MAX_INPUT_CHARS, MAX_JOB_CHARS
from serve_app.http.views import QuestionView, SessionView
from state.errors import AskwellError, InvalidField, StillRunning
from state.model import Claim, Gap, Inputs, InputValue, Prompt, PromptType, SessionStep, Step
from state.workflow import MAX_REFINEMENTS

FINISHED, PROBLEM, INTERRUPTED = 0, 1, 130
POLL_S = 1.0
MAX_POLLS = 120
MAX_NUMBER = 10**15

REPLIES: Mapping[str, ExperienceReply] = {
    **dict.fromkeys(("y", "yes"), "yes"),
    **dict.fromkeys(("n", "no"), "no"),
    **dict.fromkeys(("l", "learn", "w", "willing to learn", "willing_to_learn"), "willing_to_learn"),
}
OUTCOMES: Mapping[Step, str] = {
    Step.ACCEPTED: "Accepted",
    Step.BEST_EFFORT: "Best effort: below the threshold, so check it before you use it",
    Step.LEARNING: "Learning",
    Step.SKIPPED: "Skipped",
}
LEFT_OPEN = "Left open"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class InterviewClient(Protocol):
    """What an interview needs of `serve_app.client.AskwellClient`."""

    def create(self, *, cv: str, job: str, user: str, max_questions: int) -> SessionView: ...

    def get(self, session_id: str) -> SessionView: ...

    def experience(self, session_id: str, question_id: str, response: ExperienceReply) -> QuestionView: ...

    def inputs(self, session_id: str, question_id: str, inputs: Inputs) -> QuestionView: ...

    def refinement(self, session_id: str, question_id: str, inputs: Inputs) -> QuestionView: ...


class Candidate(Protocol):
    """Who replies. Without inputs the question is left open."""

    def experience(self, gap: Gap) -> ExperienceReply: ...

    def inputs(self, gap: Gap, question: QuestionView) -> Inputs: ...


def run(
    client: InterviewClient,
    *,
    cv: Path | None,
    job: Path | None,
    session_id: str | None,
    answers: Path | None,
    user: str,
    max_questions: int,
    console: Console,
    ask: Callable[[str], str] = input,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Hold an interview to its end, new or resumed; the exit code: 0 finished, 1 a problem, 130 interrupted."""
    screen = _Screen(console)
    interview = _Interview(client, screen, sleep)
    try:
        replies = None if answers is None else read_replies(answers)
        session = interview.resumed(session_id) if session_id else interview.created(cv, job, user, max_questions)
        candidate = _Typed(screen, ask) if replies is None else _Scripted(screen, replies, session)
        interview.hold(session, candidate)
    except AskwellError as error:
        screen.line(f"{str(error).rstrip('.')}.", "red")
        screen.how_to_resume(interview.session_id)
        return PROBLEM
    except (KeyboardInterrupt, EOFError):
        screen.line("")
        screen.how_to_resume(interview.session_id)
        return INTERRUPTED
    return FINISHED


class _Interview:
    """One session from here to its end."""

    def __init__(self, client: InterviewClient, screen: _Screen, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._screen = screen
        self._sleep = sleep
        self.session_id = ""

    def created(self, cv: Path | None, job: Path | None, user: str, max_questions: int) -> SessionView:
        if cv is None or job is None:
            raise InvalidField(field="CV and job", fix="give both, or the session to resume")
        texts = {"cv": read_document(cv), "job": read_document(job, max_chars=MAX_JOB_CHARS)}
        with self._screen.busy("Comparing the CV with the job"):
            return self._opened(self._client.create(**texts, user=user, max_questions=max_questions))

    def resumed(self, session_id: str) -> SessionView:
        return self._opened(self._client.get(session_id))

    def hold(self, session: SessionView, candidate: Candidate) -> None:
        """Ask what is still open, each question up to its end, and sum up."""
        self._screen.gaps(session)
        gaps = {gap.id: gap for gap in session.gaps}
        results = []
        for number, question in enumerate(session.questions, 1):
            gap = gaps[question.gap_id]
            if not question.finished:
                self._screen.question(f"Question {number} of {len(session.questions)}", gap, question)
                question = self._answered(gap, question, candidate)  # noqa: PLW2901 - the same one, later
            results.append((gap, question))
        self._screen.summary(results)
        if not all(question.finished for _, question in results):
            self._screen.how_to_resume(self.session_id)

    def _opened(self, session: SessionView) -> SessionView:
        self.session_id = session.id
        self._screen.line(f"Session {session.id}", "bold")
        return session if session.step is SessionStep.OPEN else self._awaited(lambda now: now.step is SessionStep.OPEN)

    def _answered(self, gap: Gap, question: QuestionView, candidate: Candidate) -> QuestionView:
        asked: dict[str, str] = {}
        while True:
            asked |= {prompt.id: prompt.question for prompt in (*question.prompts, *question.follow_ups)}
            self._screen.result(question, asked)
            moved = None if question.finished else self._moved(gap, question, candidate)
            if moved is None:
                return question
            question = moved

    def _moved(self, gap: Gap, question: QuestionView, candidate: Candidate) -> QuestionView | None:
        """The question one step on; None where the candidate leaves it open."""
        if not question.actions:
            return self._settled(question.id)
        if "experience" in question.actions:
            response = candidate.experience(gap)
            with self._screen.busy("One moment"):
                return self._client.experience(self.session_id, question.id, response)
        inputs = candidate.inputs(gap, question)
        if not inputs:
            return None
        send = self._client.refinement if _refining(question) else self._client.inputs
        with self._screen.busy("Writing and scoring the answer"):
            return send(self.session_id, question.id, inputs)

    def _settled(self, question_id: str) -> QuestionView:
        """The question once the work that is going on has ended."""

        def found(session: SessionView) -> QuestionView:
            return next(question for question in session.questions if question.id == question_id)

        with self._screen.busy("Waiting for work that is still going on"):
            return found(self._awaited(lambda now: found(now).finished or bool(found(now).actions)))

    def _awaited(self, ready: Callable[[SessionView], bool]) -> SessionView:
        """Raises `StillRunning` if it takes longer than two minutes."""
        for _ in range(MAX_POLLS):
            self._sleep(POLL_S)
            session = self._client.get(self.session_id)
            if ready(session):
                return session
        raise StillRunning


class _Screen:
    """What is printed. Every text goes through `_text`: neither markup nor control characters act."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.busy = console.status

    def line(self, text: str, style: str = "", *, indent: int = 0) -> None:
        shown = _text(text, style)
        self._console.print(Padding(shown, (0, 0, 0, indent), expand=False) if indent else shown)

    def how_to_resume(self, session_id: str) -> None:
        if session_id:
            self._unbroken(f"Go on with: askwell interview --resume {session_id}")

    def gaps(self, session: SessionView) -> None:
        if not session.gaps:
            self.line("The CV shows everything the job asks for; there is nothing to ask.")
            return
        table = Table("Priority", "Gap", "The job asks", "The CV shows", title="Gaps")
        for gap in session.gaps:
            unasked = session.unasked.get(gap.id)
            note = f"\n(no question: {unasked})" if unasked else ""
            table.add_row(*map(_text, (gap.priority.value, gap.title + note, gap.job_asks, gap.cv_shows or "–")))
        self._console.print(table)

    def question(self, heading: str, gap: Gap, question: QuestionView) -> None:
        self.line(f"\n{heading}: {gap.title}", "bold cyan")
        needed = f"needs {question.threshold:g} of 10"
        self.line(f"{gap.priority.value} priority, {needed}, about {question.minutes} min", "dim")
        self.line(question.text)
        self.line(f"Why it matters: {question.why}", "italic")

    def prompt(self, prompt: Prompt) -> None:
        self.line(f"\n{prompt.question}{'' if prompt.required else ' (optional)'}", "bold")
        for hint in filter(None, (prompt.help, prompt.placeholder and f"({prompt.placeholder})")):
            self.line(hint, "dim")
        for number, option in enumerate(prompt.options, 1):
            self.line(f"{number}. {option}", indent=2)

    def result(self, question: QuestionView, asked: Mapping[str, str]) -> None:
        """The resources found, or the answer with its sources and score; nothing where there is neither yet."""
        if question.step is Step.LEARNING:
            self._resources(question)
        if question.answer is None or question.evaluation is None:
            return
        self.line(f"\n{question.answer.title}", "bold")
        for bullet in question.answer.bullets:
            self.line(f"• {bullet.text}")
            for claim in bullet.claims:
                self.line(f"“{claim.text}” ← {_source(claim, asked)}", "dim", indent=4)
        score = f"{question.evaluation.score:g} of 10, needed {question.threshold:g}"
        table = Table("Criterion", "Score", "Why", title=_text(f"{_outcome(question)} ({score})"))
        for criterion in question.evaluation.criteria:
            name = criterion.name.value.replace("_", " ")
            table.add_row(*map(_text, (name, f"{criterion.score:g}", criterion.reason)))
        self._console.print(table)

    def summary(self, results: Iterable[tuple[Gap, QuestionView]]) -> None:
        groups: dict[str, list[tuple[Gap, QuestionView]]] = {name: [] for name in (*OUTCOMES.values(), LEFT_OPEN)}
        for gap, question in results:
            groups[OUTCOMES.get(question.step, LEFT_OPEN)].append((gap, question))
        self.line("\nSummary", "bold cyan")
        for name, members in groups.items():
            if members:
                self.line(f"\n{name} ({len(members)})", "bold")
            for gap, question in members:
                score = "" if question.evaluation is None else f" ({question.evaluation.score:g} of 10)"
                self.line(f"{gap.title}{score}", indent=2)
                if question.finished and question.answer is not None:
                    self._unbroken(f"{question.answer.title}")
                    for bullet in question.answer.bullets:
                        self._unbroken(f"- {bullet.text}")

    def _resources(self, question: QuestionView) -> None:
        if not question.resources:
            self.line("No learning resource fits within the days there are.")
            return
        table = Table("Resource", "Type", "Days", "Level", "Cost", "Rating", title="Learning resources")
        found = [ranked.resource for ranked in question.resources]
        for number, one in enumerate(found, 1):
            name = f"{number}. {one.title} ({one.provider})"
            table.add_row(
                *map(_text, (name, one.type, f"{one.duration_days}", one.difficulty, one.cost, f"{one.rating:g}"))
            )
        self._console.print(table)
        for number, one in enumerate(found, 1):
            self._unbroken(f"{number}. {one.url}")

    def _unbroken(self, text: str) -> None:
        """For copying: no line break but the text's own."""
        self._console.print(_text(text), soft_wrap=True)


class _Typed:
    """A candidate at the keyboard."""

    def __init__(self, screen: _Screen, ask: Callable[[str], str]) -> None:
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415 - gives `input` editing, and lines of more than 4,096 characters
        self._screen = screen
        self._ask = ask

    def experience(self, gap: Gap) -> ExperienceReply:
        self._screen.line(f"\nDo you have experience with this: {gap.title}?", "bold")
        while True:
            reply = REPLIES.get(self._read("yes / no / learn (willing to learn)> ").casefold())
            if reply is not None:
                return reply
            self._screen.line("Please reply yes, no or learn.", "yellow")

    def inputs(self, gap: Gap, question: QuestionView) -> Inputs:
        prompts = question.prompts
        if _refining(question):
            prompts = question.follow_ups
            self._screen.line(f"\nWhat would raise it (round {question.refinements + 1} of {MAX_REFINEMENTS}):", "bold")
            self._screen.line("Leave all of them blank to keep the answer as it is.", "dim")
        given = {prompt.id: self._value(prompt) for prompt in prompts}
        return {prompt_id: value for prompt_id, value in given.items() if value is not None}

    def _value(self, prompt: Prompt) -> InputValue | None:
        self._screen.prompt(prompt)
        hint, read = _HINTS[prompt.type], self._text if prompt.type is PromptType.TEXTAREA else self._read
        while True:
            text = read(f"{hint}> ")
            if not text and not prompt.required:
                return None
            value = _parsed(prompt, text)
            if value is not None:
                return value
            self._screen.line(_complaint(text, hint), "yellow")

    def _text(self, shown: str) -> str:
        lines = [self._read(shown)]
        while lines[-1]:
            lines.append(self._read("... "))
        return "\n".join(lines[:-1])

    def _read(self, shown: str) -> str:
        return self._ask(shown).encode(errors="replace").decode().strip()


class Reply(BaseModel):
    """One scripted reply, for the first gap that `about` occurs in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    response: ExperienceReply
    inputs: dict[str, str | int | float | list[str]] = {}
    refinement: dict[str, str | int | float | list[str]] = {}


class _ReplyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    replies: list[Reply]


class _Scripted:
    """A candidate whose replies stand in a file; what it does not speak of is answered 'no'."""

    def __init__(self, screen: _Screen, replies: Sequence[Reply], session: SessionView) -> None:
        gaps = {gap.id: gap for gap in session.gaps}
        self._screen = screen
        self._replies = matched(replies, [gaps[question.gap_id] for question in session.questions])

    def experience(self, gap: Gap) -> ExperienceReply:
        reply = self._replies.get(gap.id)
        response: ExperienceReply = "no" if reply is None else reply.response
        self._screen.line(f"> {response.replace('_', ' ')}")
        return response

    def inputs(self, gap: Gap, question: QuestionView) -> Inputs:
        reply = self._replies.get(gap.id)
        if reply is None:
            return {}
        inputs = refined(reply, question) if _refining(question) else given(reply, question.prompts)
        for prompt in (*question.prompts, *question.follow_ups):
            if prompt.id in inputs:
                self._screen.line(prompt.question, "bold")
                self._screen.line(f"> {_said(inputs[prompt.id])}")
        return inputs


def read_replies(path: Path) -> list[Reply]:
    """The replies of a JSON file like `examples/*/answers.json`. Raises `InvalidField`."""
    try:
        return _ReplyFile.model_validate_json(path.read_bytes()).replies
    except OSError as error:
        raise InvalidField(field=path.name, fix=f"cannot be opened ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidField(field=path.name, fix=f"{where}: {first['msg']}".removeprefix(": ")) from None


def matched(replies: Sequence[Reply], gaps: Sequence[Gap]) -> dict[str, Reply]:
    """By gap id: the first reply left whose `about` stands in the title as words; else one in what the job asks."""
    found: dict[str, Reply] = {}
    left = list(replies)
    for texts in ({gap.id: gap.title for gap in gaps}, {gap.id: gap.job_asks for gap in gaps}):
        for gap_id, text in texts.items():
            named = (reply for reply in left if _stands_in(reply.about, text))
            if gap_id not in found and (reply := next(named, None)):
                found[gap_id] = reply
                left.remove(reply)
    return found


def given(reply: Reply, prompts: Sequence[Prompt]) -> Inputs:
    """The scripted inputs that the prompts ask for; a required text without one gets the achievement."""
    told = reply.inputs.get("achievement") or next(iter(reply.inputs.values()), None)
    values = dict(reply.inputs)
    for prompt in prompts:
        if prompt.required and told is not None and prompt.type in (PromptType.TEXT, PromptType.TEXTAREA):
            values.setdefault(prompt.id, told)
    return _fitting(values, prompts)


def refined(reply: Reply, question: QuestionView) -> Inputs:
    """First the follow-ups, metrics to those about evidence; what is left, or said again, to the prompts anew.

    A script without a refinement repeats its inputs: the answer is then kept as best effort.
    """
    left = dict(reply.refinement or reply.inputs)
    follow_ups: dict[str, str | int | float | list[str]] = {}
    if reply.refinement and not question.refinements:
        for prompt in question.follow_ups:
            others = sorted((name for name in left if name != "metrics"), key=lambda name: name != "achievement")
            names = ["metrics", *others] if "evidence" in prompt.id and "metrics" in left else others
            if names:
                follow_ups[prompt.id] = left.pop(names[0])
    return {**_fitting(follow_ups, question.follow_ups), **_fitting(left, question.prompts)}


def _fitting(values: Mapping[str, str | int | float | list[str]], prompts: Iterable[Prompt]) -> Inputs:
    fitted = {prompt.id: _fitted(prompt, values[prompt.id]) for prompt in prompts if prompt.id in values}
    return {prompt_id: value for prompt_id, value in fitted.items() if value not in (None, "", ())}


def _fitted(prompt: Prompt, value: str | int | float | list[str]) -> InputValue | None:
    """The value as the prompt's type wants it, None if it cannot be that."""
    match prompt.type:
        case PromptType.TEXT | PromptType.TEXTAREA:
            return _said(value)
        case PromptType.NUMBER:
            number = re.search(r"-?\d+(?:\.\d+)?", _said(value))
            return number and _number(number.group())
        case PromptType.SELECT:
            return _nearest(_said(value), prompt)
        case PromptType.MULTISELECT:
            parts = value if isinstance(value, list) else _said(value).split(",")
            near = (_nearest(part.strip(), prompt) for part in parts)
            return tuple(dict.fromkeys(option for option in near if option is not None))


def _nearest(text: str, prompt: Prompt) -> str | None:
    """The option most like the text; one that is not much like it only where the prompt is required."""
    options = {option.casefold(): option for option in prompt.options}
    near = get_close_matches(text.casefold(), options, n=1, cutoff=0.0 if prompt.required else 0.6)
    return options[near[0]] if near else None


_HINTS: Mapping[PromptType, str] = {
    PromptType.TEXT: "text",
    PromptType.TEXTAREA: "text, ended by an empty line",
    PromptType.SELECT: "one number",
    PromptType.MULTISELECT: "numbers, with commas between",
    PromptType.NUMBER: "a number",
}


def _parsed(prompt: Prompt, text: str) -> InputValue | None:
    """What was typed, as the prompt's type wants it; None if it does not fit."""
    if not text:
        return None
    match prompt.type:
        case PromptType.TEXT | PromptType.TEXTAREA:
            return text if len(text) <= MAX_INPUT_CHARS else None
        case PromptType.NUMBER:
            return _number(text)
        case PromptType.SELECT:
            return _option(text, prompt.options)
        case PromptType.MULTISELECT:
            chosen = [_option(part.strip(), prompt.options) for part in text.split(",") if part.strip()]
            options = tuple(dict.fromkeys(option for option in chosen if option is not None))
            return options if options and None not in chosen else None


def _complaint(text: str, hint: str) -> str:
    if not text:
        return "This one is needed."
    too_long = len(text) > MAX_INPUT_CHARS
    return f"That is {len(text):,} characters; at most {MAX_INPUT_CHARS:,} fit." if too_long else f"Please give {hint}."


def _option(text: str, options: Sequence[str]) -> str | None:
    """By its number or its words."""
    if text.isdecimal() and 1 <= int(text) <= len(options):
        return options[int(text) - 1]
    return next((option for option in options if option.casefold() == text.casefold()), None)


def _number(text: str) -> int | float | None:
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number) and abs(number) <= MAX_NUMBER:
            return int(number) if number.is_integer() else number
    return None


def _said(value: InputValue | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _stands_in(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def _refining(question: QuestionView) -> bool:
    return "refinement" in question.actions


def _outcome(question: QuestionView) -> str:
    return OUTCOMES.get(question.step, question.step.value.replace("_", " ").capitalize())


def _source(claim: Claim, asked: Mapping[str, str]) -> str:
    kind, _, name = claim.source.partition(":")
    return f"CV line {name}: “{claim.quote}”" if kind == "cv" else f"your reply to “{asked.get(name, name)}”"


def _text(text: str, style: str = "") -> Text:
    return Text(_CONTROL.sub("", text), style)
