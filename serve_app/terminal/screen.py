"""The screen of a terminal interview: what is printed, from the gaps to the summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serve_app.http.views import QuestionView, SessionView
from serve_app.terminal.values import said
from state.errors import AskwellError
from state.model import Claim, Gap, Inputs, Prompt, Step

OUTCOMES: Mapping[Step, str] = {
    Step.ACCEPTED: "Accepted",
    Step.BEST_EFFORT: "Best effort: below the threshold, so check it before you use it",
    Step.LEARNING: "Learning",
    Step.SKIPPED: "Skipped",
}
LEFT_OPEN = "Left open"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Screen:
    """What is printed. Every text goes through `_text`: neither markup nor control characters act."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.busy = console.status

    def line(self, text: str, style: str = "", *, indent: int = 0) -> None:
        shown = _text(text, style)
        self._console.print(Padding(shown, (0, 0, 0, indent), expand=False) if indent else shown)

    def problem(self, problem: AskwellError) -> None:
        self.line(f"{str(problem).rstrip('.')}.", "red")

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

    def given_back(self, question: QuestionView, inputs: Inputs) -> None:
        """What the candidate replied to the question's prompts, for copying."""
        self.line("\nYour replies, to use again:", "bold")
        for prompt in (*question.prompts, *question.follow_ups):
            if prompt.id in inputs:
                self.line(prompt.question, "dim")
                self._unbroken(said(inputs[prompt.id]))

    def _resources(self, question: QuestionView) -> None:
        if not question.resources:
            self.line("No learning resource comes near enough to this within the days there are.")
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


def _outcome(question: QuestionView) -> str:
    return OUTCOMES.get(question.step, question.step.value.replace("_", " ").capitalize())


def _source(claim: Claim, asked: Mapping[str, str]) -> str:
    kind, _, name = claim.source.partition(":")
    return f"CV line {name}: “{claim.quote}”" if kind == "cv" else f"your reply to “{asked.get(name, name)}”"


def _text(text: str, style: str = "") -> Text:
    return Text(_CONTROL.sub("", text), style)
