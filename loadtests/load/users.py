"""The users: candidates who think, leave and come back, readers of events, and whole batches of gaps at once."""

from __future__ import annotations

import random

import gevent  # type: ignore[import-untyped]
from locust import constant_pacing, tag, task

from loadtests.load.asking import Asking
from loadtests.load.documents import GAPS, documents
from loadtests.load.following import Follower
from loadtests.load.interview import Interview, Question, incomplete
from loadtests.provider_stub.traces import new_mark

GONE = 0.01
"""Share of the steps before which a candidate leaves for good."""
AWAY = 0.03
"""Share of those before which one leaves and comes back, to a session that has to be read again."""
AWAY_S = (4.0, 12.0)
QUESTIONS = (3, 5, 10)
MOST_FAILURES = 3
"""In one interview, after which a candidate gives it up."""
BATCH_EVERY_S = 20.0
STILL_WORKING_S = 1.0


class Interviewed(Asking):
    """Opens an interview and answers its questions one after another, thinking in between."""

    abstract = True
    interview: Interview | None = None

    def on_start(self) -> None:
        """Locust starts all users of a second in the same instant, and people come one by one."""
        super().on_start()
        self.pause(random.random())  # noqa: S311

    def open_and_answer(self) -> None:
        mark = new_mark()
        body = documents(mark) | {"max_questions": random.choice(QUESTIONS)}  # noqa: S311 - a mix, not a secret
        session = self.ask("POST", "/api/sessions", step="open session", mark=mark, body=body, check=incomplete)
        if session is not None:
            self.interview = Interview.of(session, mark)
            self.answer_all(self.interview)
            self._leave()

    def answer_all(self, interview: Interview) -> None:
        """Until no question is left, or the candidate leaves."""
        failures = 0
        while failures < MOST_FAILURES and (question := interview.next()) is not None:
            self.pause(self.thinking_s() if question["step"] == "ASKED" else self.writing_s())
            mood = random.random()  # noqa: S311
            if mood < GONE:
                return
            if mood < GONE + AWAY:
                self.pause(random.uniform(*AWAY_S))  # noqa: S311
                failures += not self._resume(interview)
            elif not self._answer(interview, question):
                failures += 1
                self._resume(interview)

    def on_stop(self) -> None:
        self._leave()

    def _answer(self, interview: Interview, question: Question) -> bool:
        """Take the question one step on; False where that failed."""
        reply = interview.reply_to(question, random)  # type: ignore[arg-type]
        if reply is None:
            if question["id"] in interview.left:
                return True
            self.pause(STILL_WORKING_S)
            return self._resume(interview)
        path = f"{interview.path}/questions/{question['id']}/{reply.route}"
        answered = self.ask("POST", path, step=reply.step, mark=interview.mark, body=reply.body)
        if answered is not None:
            interview.acknowledged(answered)
        return answered is not None

    def _resume(self, interview: Interview) -> bool:
        """Read the session again, and go on from where it stands."""
        session = self.ask("GET", interview.path, step="resume", mark=interview.mark, check=interview.trouble)
        if session is not None:
            interview.resumed(session)
        return session is not None

    def _leave(self) -> None:
        if self.interview is not None and self.notes is not None:
            self.notes.standing(self.interview.session_id, self.interview.standing)
        self.interview = None


class Candidate(Interviewed):
    """Waits for each reply."""

    weight = 9

    @tag("interview")
    @task
    def interviewed(self) -> None:
        self.open_and_answer()


class Reader(Interviewed):
    """A candidate whose page follows the session's events meanwhile."""

    weight = 1

    @tag("events")
    @task
    def reading(self) -> None:
        self.open_and_answer()

    def answer_all(self, interview: Interview) -> None:
        follower = Follower(str(self.host), f"{interview.path}/events", self.tell)
        following = gevent.spawn(follower.run)
        try:
            super().answer_all(interview)
        finally:
            following.kill(block=False)


class BatchUser(Asking):
    """Has ten gaps asked about at once, again and again; now and then as a session that is then left.

    All that start together stay together: a burst every 20 s.
    """

    weight = 1
    _paced = constant_pacing(BATCH_EVERY_S)

    def thinking_s(self) -> float:
        return float(self._paced())

    @tag("batch")
    @task(3)
    def batch(self) -> None:
        mark = new_mark()
        body = documents(mark) | {"gaps": GAPS}
        self.ask("POST", "/api/questions/batch", step="batch", mark=mark, body=body, check=incomplete)

    @tag("batch")
    @task(1)
    def opening(self) -> None:
        mark = new_mark()
        body = documents(mark) | {"gaps": GAPS}
        session = self.ask(
            "POST", "/api/sessions", step="open session with gaps", mark=mark, body=body, check=incomplete
        )
        if session is not None and self.notes is not None:
            self.notes.standing(session["id"], Interview.of(session, mark).standing)
