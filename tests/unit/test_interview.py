"""The terminal interview over the real workflow, and its client over a real socket."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serve_app.client import WAITS_S, ApiProblem, AskwellClient, Unreachable
from serve_app.http.problems import problem
from serve_app.http.views import QuestionView, SessionView
from serve_app.ports import free_port
from serve_app.terminal.interview import run
from serve_app.terminal.script import Reply, given, matched, read_replies, refined
from state.errors import InvalidField, NotFound, StepNotOpen, StillRunning, WorkUnavailable
from state.events import (
    AnswerWritten,
    InputsGiven,
    PromptsWritten,
    QuestionEvent,
    RefinementGiven,
    ResourcesFound,
    SaidNo,
    SaidYes,
    WillLearn,
)
from state.flags import DEFAULT_ROLLOUTS
from state.inputs import check_inputs
from state.messages import WrittenQuestions
from state.model import (
    Answer,
    Claim,
    Document,
    Gap,
    Inputs,
    Priority,
    Prompt,
    PromptType,
    RankedResource,
    Session,
    SessionStep,
    Step,
)
from state.session import asked, new_session, with_question
from state.workflow import advance, judge
from tests.conftest import EXAMPLES
from tests.fakes import PROMPTS, a_gap, a_resource, a_written_question, an_answer, an_evaluation

GAPS = (
    a_gap(1, Priority.CRITICAL, "Kubernetes"),
    a_gap(2, Priority.HIGH, "Kafka"),
    a_gap(3, Priority.LOW, "Terraform"),
)
EVIDENCE = Prompt(id="refine0-1-evidence", type=PromptType.TEXTAREA, question="What came of it?")
DETAIL = Prompt(id="refine0-2-specificity", type=PromptType.TEXTAREA, question="What exactly?")
EVENTS: Mapping[str, QuestionEvent] = {"yes": SaidYes(), "no": SaidNo(), "willing_to_learn": WillLearn()}


def a_session(*gaps: Gap) -> Session:
    session = new_session(
        session_id="s1",
        tenant="local",
        user="ada",
        cv=Document(text=""),
        job=Document(text=""),
        gaps=None,
        max_questions=10,
        rollouts=DEFAULT_ROLLOUTS,
        now_ms=0,
        ttl_ms=1,
    )
    session = replace(session, gaps=gaps)
    event = asked(session, WrittenQuestions(written={gap.id: a_written_question(gap) for gap in gaps}, failed={}))
    return replace(session, questions=event.questions, step=SessionStep.OPEN)


@dataclass
class FakeAskwell:
    """The service's rules without the service; `scores` come one after another, the last one for ever.

    `problems` meet what is sent to be scored, one each.
    """

    session: Session
    scores: list[float] = field(default_factory=lambda: [9.0])
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    answer: Callable[[Inputs], Answer] = lambda inputs: an_answer(dict(inputs))
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    problems: list[BaseException] = field(default_factory=list)

    def create(self, **body: Any) -> SessionView:
        self.calls.append(("create", body))
        return SessionView.of(self.session)

    def get(self, session_id: str) -> SessionView:
        self.calls.append(("get",))
        if session_id != self.session.id:
            raise ApiProblem(status=404, title="Nothing here under this id")
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return SessionView.of(self.session)

    def experience(self, session_id: str, question_id: str, response: str) -> QuestionView:
        self.calls.append(("experience", question_id, response))
        self.move(question_id, EVENTS[response])
        if response == "yes":
            self.move(question_id, PromptsWritten(prompts=PROMPTS))
        if response == "willing_to_learn":
            found = RankedResource(resource=a_resource(), score=90, match=0.8)
            self.move(question_id, ResourcesFound(resources=(found,)))
        return self.view(question_id)

    def inputs(self, session_id: str, question_id: str, inputs: Inputs) -> QuestionView:
        self.calls.append(("inputs", question_id, inputs))
        return self.scored(question_id, InputsGiven(inputs=inputs))

    def refinement(self, session_id: str, question_id: str, inputs: Inputs) -> QuestionView:
        self.calls.append(("refinement", question_id, inputs))
        return self.scored(question_id, RefinementGiven(inputs=inputs))

    def scored(self, question_id: str, event: QuestionEvent) -> QuestionView:
        if self.problems:
            raise self.problems.pop(0)
        check_inputs(self.session.require(question_id), event)
        self.move(question_id, event)
        self.move(question_id, AnswerWritten(answer=self.answer(self.session.require(question_id).inputs)))
        score = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        self.move(question_id, judge(self.session.require(question_id), an_evaluation(score), (EVIDENCE, DETAIL)))
        return self.view(question_id)

    def move(self, question_id: str, event: QuestionEvent) -> None:
        self.session = with_question(self.session, advance(self.session.require(question_id), event)[0])

    def view(self, question_id: str) -> QuestionView:
        return QuestionView.of(self.session.require(question_id))

    @property
    def steps(self) -> list[Step]:
        return [question.step for question in self.session.questions]


class Terminal:
    """A console that keeps what it prints, and a keyboard that types `lines`, then Ctrl-D."""

    def __init__(self, *lines: str | type[BaseException]) -> None:
        self.console = Console(file=io.StringIO(), width=200)
        self._lines = list(lines)

    def ask(self, shown: str) -> str:
        self.console.out(shown)
        line = self._lines.pop(0) if self._lines else EOFError
        if isinstance(line, str):
            return line
        raise line

    @property
    def printed(self) -> str:
        file = self.console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()


@dataclass
class Files:
    cv: Path
    job: Path
    folder: Path

    def answers(self, *replies: dict[str, Any]) -> Path:
        path = self.folder / "answers.json"
        path.write_text(json.dumps({"replies": list(replies)}))
        return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    cv, job = tmp_path / "cv.md", tmp_path / "job.txt"
    cv.write_text("Ada Nowak\r\nNurse")
    job.write_text("Kubernetes in production")
    return Files(cv=cv, job=job, folder=tmp_path)


def hold(
    askwell: FakeAskwell,
    terminal: Terminal,
    files: Files | None = None,
    *,
    resume: str | None = None,
    answers: Path | None = None,
) -> int:
    return run(
        askwell,
        cv=files.cv if files else None,
        job=files.job if files else None,
        session_id=resume,
        answers=answers,
        user="ada",
        max_questions=3,
        console=terminal.console,
        ask=terminal.ask,
        sleep=lambda _: None,
    )


def in_order(text: str, *parts: str) -> None:
    place = 0
    for part in parts:
        assert part in text[place:], part
        place = text.index(part, place) + len(part)


def test_an_interview_goes_from_the_gaps_through_every_question_to_the_summary(files: Files) -> None:
    askwell = FakeAskwell(a_session(*GAPS))
    terminal = Terminal("Yes", "2", "6", "1, kubectl", "I moved services.", "", "learn", "n")
    assert hold(askwell, terminal, files) == 0
    inputs = {
        "context": "Side Project",
        "duration": 6,
        "tools": ("Helm", "kubectl"),
        "achievement": "I moved services.",
    }
    assert askwell.calls == [
        ("create", {"cv": "Ada Nowak\nNurse", "job": "Kubernetes in production", "user": "ada", "max_questions": 3}),
        ("experience", "q1", "yes"),
        ("inputs", "q1", inputs),
        ("experience", "q2", "willing_to_learn"),
        ("experience", "q3", "no"),
    ]
    assert terminal.printed.startswith("Session s1\n")
    in_order(
        terminal.printed,
        *("Gaps", "CRITICAL", "Kubernetes", "Kubernetes in production", "nothing of it", "Terraform"),
        *("Question 1 of 3: Kubernetes", "CRITICAL priority, needs 8 of 10, about 3 min"),
        *("Have you used Kubernetes?", "Why it matters: asked for in the first round", "yes / no / learn"),
        *("Where? (optional)", "1. Work", "2. Side Project", "How many months?", "With what?", "What did you do?"),
        *("Side Project\n", "• Side Project", "“Side Project” ← your reply to “Where?”"),
        *("Accepted (9 of 10, needed 8)", "specificity", "because", "evidence", "professional language", "relevance"),
        *("Question 2 of 3: Kafka", "Resource 1 (Provider)", "course", "beginner", "free", "https://example.com/1"),
        *("Question 3 of 3: Terraform", "Summary", "Accepted (1)", "Kubernetes (9 of 10)", "- Side Project"),
        *("Learning (1)", "Kafka", "Skipped (1)", "Terraform"),
    )


def test_what_does_not_fit_a_prompt_is_asked_again_and_blanks_skip_only_optional_ones() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]))
    terminal = Terminal(
        "perhaps", "y", "3", "", "many", "", "Helm, Nomad", "", "", "x" * 5001, "", "Did it.", "Twice.", ""
    )
    assert hold(askwell, terminal, resume="s1") == 0
    assert askwell.calls[-1] == ("inputs", "q1", {"achievement": "Did it.\nTwice."})
    in_order(
        terminal.printed,
        *("Please reply yes, no or learn.", "Please give one number.", "Please give a number."),
        *(
            "Please give numbers, with commas between.",
            "This one is needed.",
            "That is 5,001 characters; at most 5,000",
        ),
    )


def test_a_claim_from_the_cv_shows_its_line_and_words() -> None:
    claim = Claim(text="Related: charts", source="cv:12", quote="Wrote the Helm charts")
    plain = an_answer({"achievement": "x"})
    bullets = tuple(replace(bullet, claims=(claim,)) for bullet in plain.bullets)
    askwell = FakeAskwell(a_session(GAPS[0]), answer=lambda _: replace(plain, bullets=bullets))
    terminal = Terminal("y", "", "", "", "Did it.", "")
    assert hold(askwell, terminal, resume="s1") == 0
    assert "“Related: charts” ← CV line 12: “Wrote the Helm charts”" in terminal.printed


def test_follow_ups_are_asked_twice_at_most_and_the_rest_is_best_effort() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0])
    terminal = Terminal("y", "", "", "", "Did it.", "", "40 fewer", "", "", "", "Two racks", "")
    assert hold(askwell, terminal, resume="s1") == 0
    assert [call[0] for call in askwell.calls] == ["get", "experience", "inputs", "refinement", "refinement"]
    assert askwell.calls[3:] == [
        ("refinement", "q1", {EVIDENCE.id: "40 fewer"}),
        ("refinement", "q1", {DETAIL.id: "Two racks"}),
    ]
    in_order(terminal.printed, "Needs refinement (4 of 10", "round 1 of 2", "What came of it?", "round 2 of 2")
    in_order(terminal.printed, "Summary", "Best effort", "Kubernetes (4 of 10)")
    assert "Accepted" not in terminal.printed


def test_follow_ups_left_blank_leave_the_question_open_and_say_how_to_go_on() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0])
    terminal = Terminal("y", "", "", "", "Did it.", "", "", "")
    assert hold(askwell, terminal, resume="s1") == 0
    assert askwell.steps == [Step.NEEDS_REFINEMENT]
    in_order(terminal.printed, "Left open (1)", "askwell interview --resume s1")


@pytest.mark.parametrize("leaving", [EOFError, KeyboardInterrupt])
def test_leaving_in_the_middle_says_how_to_resume(leaving: type[BaseException], files: Files) -> None:
    askwell = FakeAskwell(a_session(*GAPS))
    terminal = Terminal("no", "yes", "1", leaving)
    assert hold(askwell, terminal, files) == 130
    assert askwell.steps == [Step.SKIPPED, Step.PROMPTED, Step.ASKED]
    assert terminal.printed.endswith("Go on with: askwell interview --resume s1\n")


def test_a_resumed_interview_goes_on_at_the_step_of_each_question() -> None:
    askwell = FakeAskwell(a_session(*GAPS), scores=[4.0, 9.0])
    askwell.experience("s1", "q1", "yes")
    askwell.inputs("s1", "q1", {"achievement": "Did it."})
    askwell.experience("s1", "q2", "yes")
    askwell.experience("s1", "q3", "no")
    askwell.calls.clear()
    terminal = Terminal("40 fewer", "", "", "", "", "", "Built it.", "")
    assert hold(askwell, terminal, resume="s1") == 0
    assert [call[:2] for call in askwell.calls] == [("get",), ("refinement", "q1"), ("inputs", "q2")]
    in_order(terminal.printed, "Needs refinement", "What came of it?", "Question 2 of 3", "Summary", "Accepted (2)")
    assert "Question 3 of 3" not in terminal.printed


def test_work_that_is_still_going_on_is_waited_for() -> None:
    session = a_session(GAPS[0])
    askwell = FakeAskwell(replace(session, step=SessionStep.WRITING_QUESTIONS, questions=()))

    def opened() -> None:
        askwell.session = session
        askwell.move("q1", SaidYes())

    askwell.meanwhile = [lambda: None, opened, lambda: askwell.move("q1", PromptsWritten(prompts=PROMPTS))]
    terminal = Terminal("", "", "", "Did it.", "")
    assert hold(askwell, terminal, resume="s1") == 0
    assert askwell.steps == [Step.ACCEPTED]


def test_work_that_does_not_end_is_a_problem_and_not_an_endless_wait() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]))
    askwell.move("q1", SaidYes())
    terminal = Terminal()
    assert hold(askwell, terminal, resume="s1") == 1
    in_order(terminal.printed, "This step is still running", "--resume s1")


AWAY = ApiProblem(status=503, title="The work cannot be done now", retry_after_s=1.0)
DID_IT: Inputs = {"context": "Side Project", "tools": ("Helm", "kubectl"), "achievement": "Did it.\nTwice."}
TYPED = ("y", "2", "", "1, 2", "Did it.", "Twice.", "")


def test_replies_that_a_passing_problem_stopped_are_sent_again_and_not_asked_again() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), problems=[AWAY, Unreachable(retry_after_s=0)])
    terminal = Terminal(*TYPED, "perhaps", "yes", "y")
    assert hold(askwell, terminal, resume="s1") == 0
    assert [call for call in askwell.calls if call[0] == "inputs"] == [("inputs", "q1", DID_IT)] * 3
    assert askwell.steps == [Step.ACCEPTED]
    in_order(terminal.printed, "The work cannot be done now.", "Send your replies again?", "Please reply yes or no.")
    assert "Your replies, to use again" not in terminal.printed


def test_replies_to_follow_ups_are_sent_again_too() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0, 9.0])
    askwell.experience("s1", "q1", "yes")
    askwell.inputs("s1", "q1", {"achievement": "Did it."})
    askwell.problems = [AWAY]
    assert hold(askwell, Terminal("40 fewer", "", "", "yes"), resume="s1") == 0
    assert [call for call in askwell.calls if call[0] == "refinement"] == [
        ("refinement", "q1", {EVIDENCE.id: "40 fewer"})
    ] * 2
    assert askwell.steps == [Step.ACCEPTED]


def test_replies_that_had_arrived_before_the_connection_broke_are_not_sent_twice() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), problems=[Unreachable(retry_after_s=0)])

    def arrived() -> None:
        askwell.scored("q1", InputsGiven(inputs=DID_IT))

    askwell.meanwhile = [lambda: None, arrived]
    assert hold(askwell, Terminal(*TYPED, "yes"), resume="s1") == 0
    assert [call[0] for call in askwell.calls] == ["get", "experience", "inputs", "get"]
    assert askwell.steps == [Step.ACCEPTED]


@pytest.mark.parametrize(
    ("problem", "reply", "code"),
    [
        (AWAY, "no", 1),
        (AWAY, EOFError, 130),
        (AWAY, KeyboardInterrupt, 130),
        (KeyboardInterrupt(), "not asked", 130),
        (ApiProblem(status=409, title="This step is not open"), "not asked", 1),
    ],
)
def test_replies_that_are_not_sent_after_all_are_printed_whole(
    problem: BaseException, reply: str | type[BaseException], code: int
) -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), problems=[problem])
    terminal = Terminal(*TYPED, reply)
    assert hold(askwell, terminal, resume="s1") == code
    in_order(
        terminal.printed,
        *("Your replies, to use again", "Where?\nSide Project\n", "With what?\nHelm, kubectl\n"),
        *("What did you do?\nDid it.\nTwice.\n", "askwell interview --resume s1"),
    )
    assert ("Send your replies again?" in terminal.printed) == (problem is AWAY)


def test_a_script_meets_a_problem_without_being_asked(files: Files) -> None:
    answers = files.answers({"about": "Kubernetes", "response": "yes", "inputs": {"achievement": "Did it."}})
    terminal = Terminal()
    assert hold(FakeAskwell(a_session(GAPS[0]), problems=[AWAY]), terminal, files, answers=answers) == 1
    assert terminal.printed.endswith("The work cannot be done now.\nGo on with: askwell interview --resume s1\n")
    assert "Your replies" not in terminal.printed


def test_markup_and_control_characters_in_texts_are_printed_and_do_nothing() -> None:
    gap = a_gap(1, title="[bold]C[/bold] [/] :smile: \x1b[31m\x07")
    askwell = FakeAskwell(a_session(gap))
    terminal = Terminal("y", "", "", "", "[link=x]It[/link]", "")
    terminal.console = Console(file=io.StringIO(), width=200, force_terminal=True)
    assert hold(askwell, terminal, resume="s1") == 0
    for text in ("[bold]C[/bold] [/] :smile:", "• [link=x]It[/link]"):
        assert text in terminal.printed
    assert "\x07" not in terminal.printed
    assert "\x1b[31m" not in terminal.printed


def test_a_problem_is_a_sentence_with_its_field_and_fix(files: Files) -> None:
    files.cv.write_text("")
    terminal = Terminal()
    assert hold(FakeAskwell(a_session()), terminal, files) == 1
    assert terminal.printed == "cv.md: holds no text; a scanned page needs text recognition first.\n"
    terminal = Terminal()
    assert hold(FakeAskwell(a_session()), terminal, resume="other") == 1
    assert terminal.printed == "Nothing here under this id.\n"
    terminal = Terminal()
    assert hold(FakeAskwell(a_session()), terminal) == 1
    assert "give both, or the session to resume" in terminal.printed


def test_a_cv_without_gaps_ends_at_once(files: Files) -> None:
    terminal = Terminal()
    assert hold(FakeAskwell(a_session()), terminal, files) == 0
    assert "there is nothing to ask" in terminal.printed


def test_a_script_answers_by_word_and_says_no_to_what_it_does_not_speak_of(files: Files) -> None:
    inputs = {"context": "side projekt", "duration": "6 months", "achievement": "Moved it.", "unknown": "x"}
    answers = files.answers(
        {"about": "Kuber", "response": "willing_to_learn"},
        {"about": "kubernetes", "response": "yes", "inputs": inputs},
        {"about": "TERRAFORM", "response": "willing_to_learn"},
    )
    askwell = FakeAskwell(a_session(*GAPS))
    terminal = Terminal()
    assert hold(askwell, terminal, files, answers=answers) == 0
    assert askwell.calls[1:] == [
        ("experience", "q1", "yes"),
        ("inputs", "q1", {"context": "Side Project", "duration": 6, "achievement": "Moved it."}),
        ("experience", "q2", "no"),
        ("experience", "q3", "willing_to_learn"),
    ]
    in_order(terminal.printed, "> yes", "What did you do?", "> Moved it.", "> no", "> willing to learn", "Summary")


def test_a_script_refines_first_with_the_follow_ups_and_then_with_the_prompts_anew(files: Files) -> None:
    more = {"metrics": "40 fewer", "achievement": "Moved five services."}
    answers = files.answers(
        {"about": "Kubernetes", "response": "yes", "inputs": {"achievement": "Did it."}, "refinement": more}
    )
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0])
    assert hold(askwell, Terminal(), files, answers=answers) == 0
    assert askwell.calls[3:] == [
        ("refinement", "q1", {EVIDENCE.id: "40 fewer", DETAIL.id: "Moved five services."}),
        ("refinement", "q1", {"achievement": "Moved five services."}),
    ]
    assert askwell.steps == [Step.BEST_EFFORT]


def test_a_script_without_more_to_say_still_comes_to_an_end(files: Files) -> None:
    answers = files.answers({"about": "Kubernetes", "response": "yes", "inputs": {"achievement": "Did it."}})
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0])
    assert hold(askwell, Terminal(), files, answers=answers) == 0
    assert askwell.steps == [Step.BEST_EFFORT]


def a_prompt(kind: PromptType, *options: str, required: bool = False) -> Prompt:
    return Prompt(id="p", type=kind, question="?", options=options, required=required)


@pytest.mark.parametrize(
    ("prompt", "value", "sent"),
    [
        (a_prompt(PromptType.TEXT), 3, "3"),
        (a_prompt(PromptType.TEXTAREA), ["a", "b"], "a, b"),
        (a_prompt(PromptType.NUMBER), "about 3.5 years", 3.5),
        (a_prompt(PromptType.NUMBER), "a while", None),
        (a_prompt(PromptType.SELECT, "Work", "Studies"), "WORK", "Work"),
        (a_prompt(PromptType.SELECT, "Work", "Studies"), "Hackathon", None),
        (a_prompt(PromptType.SELECT, "Work", "Side Project", required=True), "Project at home", "Side Project"),
        (a_prompt(PromptType.MULTISELECT, "Helm", "kubectl"), "helm, Nomad, Helm", ("Helm",)),
        (a_prompt(PromptType.MULTISELECT, "Helm", "kubectl"), ["Nomad"], None),
    ],
)
def test_a_scripted_value_takes_the_shape_its_prompt_wants_or_is_left_out(
    prompt: Prompt, value: Any, sent: Any
) -> None:
    reply = Reply(about="x", response="yes", inputs={"p": value})
    assert given(reply, [prompt]) == ({} if sent is None else {"p": sent})


def test_a_required_text_without_an_input_gets_the_achievement_and_a_choice_is_never_made_up() -> None:
    reply = Reply(about="x", response="yes", inputs={"metrics": "4", "achievement": "Did it."})
    assert given(reply, [a_prompt(PromptType.TEXT, required=True)]) == {"p": "Did it."}
    assert given(reply, [a_prompt(PromptType.SELECT, "Work", required=True)]) == {}


def test_scripted_metrics_answer_evidence_alone_and_what_is_left_answers_its_prompt_anew() -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0])
    askwell.experience("s1", "q1", "yes")
    question = askwell.inputs("s1", "q1", {"achievement": "Did it."})
    question = question.model_copy(update={"follow_ups": [EVIDENCE]})
    reply = Reply(about="x", response="yes", refinement={"achievement": "More.", "metrics": "40", "context": "Work"})
    assert refined(reply, question) == {EVIDENCE.id: "40", "achievement": "More.", "context": "Work"}


def test_replies_are_matched_by_titles_before_what_the_job_asks_and_used_once() -> None:
    asks_kafka = replace(GAPS[0], job_asks="Kubernetes and Kafka")
    go = replace(GAPS[2], id="g4", title="Category theory", job_asks="Go: some experience")
    kafka, golang, again = (Reply(about=about, response="no") for about in ("Kafka", "go", "Kafka"))
    found = matched([kafka, golang, again], [asks_kafka, GAPS[1], go])
    assert found == {"g2": kafka, "g1": again, "g4": golang}


@pytest.mark.parametrize("name", ["backend-engineer", "logistics-coordinator", "ward-nurse"])
def test_the_examples_replies_can_be_read(name: str) -> None:
    assert {reply.response for reply in read_replies(EXAMPLES / name / "answers.json")} >= {"yes", "no"}


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        ("no json", "Invalid JSON"),
        ('{"replies": [{"about": "x", "response": "maybe"}]}', "replies.0.response: Input should be"),
        ('{"replies": [{"response": "no"}]}', "replies.0.about: Field required"),
    ],
)
def test_a_broken_file_of_replies_is_named_before_anything_is_asked(files: Files, content: str, fix: str) -> None:
    path = files.folder / "answers.json"
    path.write_text(content)
    askwell = FakeAskwell(a_session(*GAPS))
    terminal = Terminal()
    assert hold(askwell, terminal, files, answers=path) == 1
    assert askwell.calls == []
    assert f"answers.json: {fix}" in terminal.printed


@dataclass
class Server:
    """A real server that gives `replies` in their order and keeps what it was asked."""

    url: str
    replies: list[Response]
    asked: list[tuple[str, str, str, Any]] = field(default_factory=list)
    authorization: set[str] = field(default_factory=set)
    slept: list[float] = field(default_factory=list)
    clients: list[AskwellClient] = field(default_factory=list)

    def client(self, api_key: str | None = None) -> AskwellClient:
        keys = map("key-{}".format, count(1))
        self.clients.append(AskwellClient(self.url, api_key, sleep=self.slept.append, new_key=lambda: next(keys)))
        return self.clients[-1]


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server(url=f"http://127.0.0.1:{(port := free_port())}", replies=[])

    async def reply(request: Request) -> Response:
        body = await request.body()
        key = request.headers.get("idempotency-key", "")
        found.asked.append((request.method, request.url.path, key, json.loads(body) if body else None))
        found.authorization.add(request.headers.get("authorization", ""))
        return found.replies.pop(0)

    app = Starlette(routes=[Route("/{path:path}", reply, methods=["GET", "POST", "DELETE"])])
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    started = threading.Event()
    startup = running.startup

    async def tell(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    running.startup = tell  # type: ignore[method-assign]
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    assert started.wait(10)
    yield found
    for client in found.clients:
        client.close()
    running.should_exit = True
    thread.join(10)


def ok(view: SessionView | QuestionView, status: int = 200) -> Response:
    return JSONResponse(view.model_dump(mode="json"), status_code=status)


def test_the_client_speaks_every_route_and_reads_its_views(server: Server) -> None:
    askwell = FakeAskwell(a_session(GAPS[0]), scores=[4.0, 9.0])
    session = SessionView.of(askwell.session)
    prompted = askwell.experience("s1", "q1", "yes")
    scored = askwell.inputs("s1", "q1", {"tools": ("Helm",), "achievement": "Did it."})
    server.replies = [ok(session, 201), ok(session), ok(prompted), ok(scored), ok(scored), Response(status_code=204)]
    with server.client(api_key="secret") as client:
        assert client.create(cv="Ada", job="Kubernetes", user="ada", max_questions=3) == session
        assert client.get("s1") == session
        assert client.experience("s1", "q1", "yes") == prompted
        assert client.inputs("s1", "q1", {"tools": ("Helm",), "achievement": "Did it."}) == scored
        assert client.refinement("s1", "q1", {"achievement": "More."}) == scored
        client.delete("s1/../s2")
    assert server.authorization == {"Bearer secret"}
    assert server.asked == [
        ("POST", "/api/sessions", "key-1", {"cv": "Ada", "job": "Kubernetes", "user": "ada", "max_questions": 3}),
        ("GET", "/api/sessions/s1", "", None),
        ("POST", "/api/sessions/s1/questions/q1/experience", "key-2", {"response": "yes"}),
        *[
            ("POST", f"/api/sessions/s1/questions/q1/{action}", key, {"inputs": inputs})
            for action, key, inputs in (
                ("inputs", "key-3", {"tools": ["Helm"], "achievement": "Did it."}),
                ("refinement", "key-4", {"achievement": "More."}),
            )
        ],
        ("DELETE", "/api/sessions/s1/../s2", "", None),
    ]


PASSING: Sequence[tuple[Response, float]] = (
    (problem(WorkUnavailable(retry_after_s=7)), 7.0),
    (problem(StillRunning()), 1.0),
    (Response("no replica", status_code=503), WAITS_S[0]),
    (Response("bad gateway", status_code=502), WAITS_S[0]),
    (Response("Internal Server Error", status_code=500), WAITS_S[0]),
)


@pytest.mark.parametrize(("refusal", "wait_s"), PASSING)
def test_what_passes_is_repeated_under_the_same_key_after_the_wait_asked_for(
    server: Server, refusal: Response, wait_s: float
) -> None:
    session = SessionView.of(a_session())
    server.replies = [refusal, ok(session, 201)]
    assert server.client().create(cv="Ada", job="Kubernetes") == session
    assert server.asked[0] == server.asked[1]
    assert server.asked[0][2] == "key-1"
    assert server.slept == [wait_s]


def test_repetitions_end_and_the_last_problem_is_told(server: Server) -> None:
    server.replies = [problem(WorkUnavailable()) for _ in range(6)]
    with pytest.raises(ApiProblem) as refused:
        server.client().create(cv="Ada", job="Kubernetes")
    assert (refused.value.status, refused.value.kind) == (503, "WorkUnavailable")
    assert len({call[2] for call in server.asked}) == 1
    assert server.slept == [1.0, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("refusal", "status", "message"),
    [
        (problem(InvalidField(field="cv", fix="must hold some text")), 422, "cv: must hold some text"),
        (problem(NotFound()), 404, "There is nothing here under this id."),
        (problem(StepNotOpen(step="ASKED", accepts=("SaidYes",))), 409, "The open step is ASKED"),
        (problem(WorkUnavailable(retry_after_s=600)), 503, "No one can do this work"),
        (Response("<html>", status_code=403), 403, "Forbidden"),
    ],
)
def test_a_problem_is_raised_at_once_with_all_it_says(
    server: Server, refusal: Response, status: int, message: str
) -> None:
    server.replies = [refusal]
    with pytest.raises(ApiProblem, match=message) as refused:
        server.client().get("s1")
    assert refused.value.status == status
    assert server.slept == []
    if status == 422:
        assert (refused.value.field, refused.value.fix) == ("cv", "must hold some text")


def test_another_servers_reply_is_told_from_askwells(server: Server) -> None:
    server.replies = [JSONResponse({"hello": "world"})]
    with pytest.raises(ApiProblem, match="not this version of Askwell"):
        server.client().get("s1")


def test_a_service_that_does_not_answer_is_tried_again_and_then_named() -> None:
    slept: list[float] = []
    url = f"http://127.0.0.1:{free_port()}"
    with (
        AskwellClient(url, sleep=slept.append) as client,
        pytest.raises(Unreachable, match=f"does not answer at {url}"),
    ):
        client.get("s1")
    assert slept == list(WAITS_S)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidField, match="must look like http"):
        AskwellClient(url)
