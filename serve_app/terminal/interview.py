"""An interview in the terminal, against a running service: the walk through its steps, up to the summary."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rich.console import Console

from serve_app.client import ExperienceReply
from serve_app.http.bodies import MAX_JOB_CHARS
from serve_app.http.views import QuestionView, SessionView
from serve_app.terminal.documents import read_document
from serve_app.terminal.screen import Screen
from serve_app.terminal.script import Scripted, read_replies
from serve_app.terminal.typed import Typed
from state.errors import AskwellError, InvalidField, StillRunning
from state.model import Gap, Inputs, SessionStep

FINISHED, PROBLEM, INTERRUPTED = 0, 1, 130
POLL_S = 1.0
MAX_POLLS = 120


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

    def sends_again(self, problem: AskwellError) -> bool:
        """Whether inputs that the problem stopped are sent once more."""

    def keeps(self, question: QuestionView, inputs: Inputs) -> None:
        """Inputs that were sent and not answered go back to whoever gave them."""


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
    screen = Screen(console)
    interview = _Interview(client, screen, sleep)
    try:
        replies = None if answers is None else read_replies(answers)
        session = interview.resumed(session_id) if session_id else interview.created(cv, job, user, max_questions)
        candidate = Typed(screen, ask) if replies is None else Scripted(screen, replies, session)
        interview.hold(session, candidate)
    except AskwellError as error:
        screen.problem(error)
        screen.how_to_resume(interview.session_id)
        return PROBLEM
    except (KeyboardInterrupt, EOFError):
        screen.line("")
        screen.how_to_resume(interview.session_id)
        return INTERRUPTED
    return FINISHED


class _Interview:
    """One session from here to its end."""

    def __init__(self, client: InterviewClient, screen: Screen, sleep: Callable[[float], None]) -> None:
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
        return self._scored(question, inputs, candidate)

    def _scored(self, question: QuestionView, inputs: Inputs, candidate: Candidate) -> QuestionView:
        """The question after its inputs. Where a problem stops them they may be sent again, and are not lost."""
        send = self._sent
        try:
            while True:
                try:
                    return send(question, inputs)
                except AskwellError as problem:
                    if not candidate.sends_again(problem):
                        raise
                    send = self._sent_unless_done
        except (AskwellError, KeyboardInterrupt, EOFError):
            candidate.keeps(question, inputs)
            raise

    def _sent(self, question: QuestionView, inputs: Inputs) -> QuestionView:
        send = self._client.refinement if "refinement" in question.actions else self._client.inputs
        with self._screen.busy("Writing and scoring the answer"):
            return send(self.session_id, question.id, inputs)

    def _sent_unless_done(self, question: QuestionView, inputs: Inputs) -> QuestionView:
        """What broke may have broken after the work: then the question has moved on."""
        now = self._settled(question.id)
        moved_on = (now.step, now.refinements) != (question.step, question.refinements)
        return now if moved_on else self._sent(question, inputs)

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
