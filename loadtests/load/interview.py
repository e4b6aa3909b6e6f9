"""One candidate's session, as the candidate knows it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from loadtests.load.documents import INPUTS, MORE
from loadtests.load.samples import Standing
from loadtests.load.standing import lost, standing_of

Question = Mapping[str, Any]

RESPONSES: Mapping[str, float] = {"yes": 0.5, "no": 0.25, "willing_to_learn": 0.25}
REFINES = 0.8
"""Share of the answers that fell short and are told more about; the others are left as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a candidate sends next: the route below the question, the body, and the name of the step."""

    route: str
    body: Mapping[str, Any]
    step: str


@dataclass(slots=True, kw_only=True)
class Interview:
    """Not frozen: it holds what was acknowledged last."""

    session_id: str
    mark: str
    questions: dict[str, Question]
    left: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, session: Mapping[str, Any], mark: str) -> Self:
        return cls(session_id=session["id"], mark=mark, questions={one["id"]: one for one in session["questions"]})

    @property
    def path(self) -> str:
        return f"/api/sessions/{self.session_id}"

    @property
    def standing(self) -> Standing:
        return standing_of({"questions": self.questions.values()})

    def next(self) -> Question | None:
        """The first question that is neither finished nor left."""
        waiting = (one for one in self.questions.values() if not one["finished"] and one["id"] not in self.left)
        return next(waiting, None)

    def acknowledged(self, question: Question) -> None:
        self.questions[question["id"]] = question

    def trouble(self, session: Mapping[str, Any]) -> str:
        """What is wrong with the session as it is read again: 'lost', or nothing."""
        return "lost" if lost(self.standing, standing_of(session)) else ""

    def resumed(self, session: Mapping[str, Any]) -> None:
        self.questions = {one["id"]: one for one in session["questions"]}

    def reply_to(self, question: Question, chance: random.Random) -> Reply | None:
        """What a candidate says to it; None where it is left, or still being worked on."""
        match question["step"]:
            case "ASKED":
                response = chance.choices(list(RESPONSES), list(RESPONSES.values()))[0]
                return Reply(route="experience", body={"response": response}, step=f"reply {response}")
            case "PROMPTED":
                asked = [prompt["id"] for prompt in question["prompts"]]
                given = {name: INPUTS[name] for name in asked if name in INPUTS} or {asked[0]: INPUTS["achievement"]}
                return Reply(route="inputs", body={"inputs": given}, step="inputs")
            case "NEEDS_REFINEMENT" if chance.random() < REFINES:
                more = {question["follow_ups"][0]["id"]: MORE}
                return Reply(route="refinement", body={"inputs": more}, step="refinement")
            case "NEEDS_REFINEMENT":
                self.left.add(question["id"])
        return None


def incomplete(reply: Mapping[str, Any]) -> str:
    """What is wrong with new questions, of a session or of a batch: the kinds of failure of those that are missing."""
    kinds = {*reply.get("unasked", {}).values(), *reply.get("failed", {}).values()}
    return f"questions missing, {', '.join(sorted(kinds))}" if kinds else ""
