"""Whole sessions at a fault rate: none may be lost, none may hold an answer that should not stand.

    python -m loadtests.drills.sessions [--sessions 1000] [--faults 0.2] [--seed 1]

The candidates come back under the same Idempotency-Key after every refusal that says when, as a
well-behaved client does. At the end every session is read back and held against what was acknowledged:
a reply that was answered with 200 stands in the session's log, exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from actors.grounding import ungrounded
from loadtests.drills.faults import spent_usd, unfounded
from loadtests.drills.stage import PROVIDERS, Stage, quiet, staged, valkey
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.faults import Fault, FaultPlan
from state.model import Answer, Bullet, BulletKind, Claim, Document

AT_ONCE = 40
TRIES = 200
PAUSE_S = 0.1
CVS = tuple(
    f"Candidate {number}\nBackend developer, Northgate Ltd, 2021 - 2025\nBuilt REST APIs in Python and Django."
    for number in range(7)
)
JOB = "Platform engineer\nYou will run Kubernetes in production.\nYou will write Terraform.\nYou will be on call."
REPLIES_TO_QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "yes",
        {
            "context": "Work",
            "achievement": "I moved five services into a Kubernetes cluster and wrote the Helm charts.",
        },
    ),
    (
        "yes",
        {"context": "Work", "achievement": "I wrote modules for our networks.", "metrics": "12 modules in 3 months"},
    ),
    ("no", {}),
    ("willing_to_learn", {}),
)
MORE = {"metrics": "Deployments went from 40 minutes to 6."}
EVENTS = {"yes": "SaidYes", "no": "SaidNo", "willing_to_learn": "WillLearn"}


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts over all sessions; `steps` by what the client saw last, `refusals` by problem."""

    sessions: int = 0
    lost: int = 0
    wrongly_accepted: int = 0
    accepted: int = 0
    best_effort: int = 0
    steps: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    spent_usd: float = 0.0
    troubles: list[str] = field(default_factory=list)


async def drill(redis_url: str, *, sessions: int, fault_rate: float, seed: int, provider: str = "both") -> Tally:
    """`fault_rate` is the share of calls struck, evenly by every kind of fault."""
    shares: Mapping[Fault, float] = {fault: fault_rate / len(Fault) for fault in Fault}
    config = StubConfig(
        seed=seed,
        faults={"*": FaultPlan(shares=shares)},
        retry_after_s=0.05,
        score_low=4.0,
        score_high=9.5,
        inventing_share=0.1,
    )
    tally = Tally(sessions=sessions)
    slots = asyncio.Semaphore(AT_ONCE)
    async with staged(redis_url, PROVIDERS[provider], config) as stage:

        async def one(number: int) -> None:
            async with slots:
                await _Candidate(stage, tally, random.Random(f"{seed}/{number}"), number).interview()  # noqa: S311

        await asyncio.gather(*(one(number) for number in range(sessions)))
        report = stage.stub.report.as_json()["totals"]
        tally.calls, tally.faults = report["calls"], Counter(report["faults"])
        tally.spent_usd = float(spent_usd(stage.stub))
    return tally


class _Candidate:
    """One interview, then its reckoning."""

    def __init__(self, stage: Stage, tally: Tally, rng: random.Random, number: int) -> None:
        self._stage = stage
        self._tally = tally
        self._rng = rng
        self._number = number
        self._acknowledged: list[tuple[str, str]] = []

    async def interview(self) -> None:
        cv = CVS[self._number % len(CVS)]
        body = {"cv": cv, "job": JOB, "max_questions": 3, "user": f"u{self._number}"}
        session = await self._insist("/api/sessions", body)
        if session is None:
            return
        path = f"/api/sessions/{session['id']}"
        for question in session["questions"]:
            await self._answer(path, question["id"])
        await self._reckon(path, cv)

    async def _answer(self, path: str, question_id: str) -> None:
        response, inputs = self._rng.choice(REPLIES_TO_QUESTIONS)
        at = f"{path}/questions/{question_id}"
        if await self._insist(f"{at}/experience", {"response": response}) is None:
            return
        self._acknowledged.append((question_id, EVENTS[response]))
        if response != "yes":
            return
        question = await self._insist(f"{at}/inputs", {"inputs": inputs})
        if question is not None:
            self._acknowledged.append((question_id, "InputsGiven"))
        while question is not None and question["step"] == "NEEDS_REFINEMENT":
            question = await self._insist(f"{at}/refinement", {"inputs": MORE})
            if question is not None:
                self._acknowledged.append((question_id, "RefinementGiven"))

    async def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        key = uuid.uuid4().hex
        for _ in range(TRIES):
            reply = await self._stage.client.post(path, json=body, headers={"Idempotency-Key": key})
            if reply.is_success:
                self._tally.steps += 1
                answered: dict[str, Any] = reply.json()
                return answered
            self._tally.refusals[f"{reply.status_code} {reply.json()['type'].rpartition(':')[2]}"] += 1
            if "retry-after" not in reply.headers:
                self._trouble(f"{path}: {reply.status_code} says not when to come back")
            await asyncio.sleep(PAUSE_S)
        self._trouble(f"{path}: never answered")
        self._tally.lost += 1
        return None

    async def _reckon(self, path: str, cv: str) -> None:
        """What was acknowledged is in the log once, and what stands accepted may."""
        session = await self._stage.read(path)
        happened = standing(await self._events(path, session["version"]))
        if wrong := missing_or_doubled(self._acknowledged, happened):
            self._trouble(f"{path}: lost or doubled {wrong}")
            self._tally.lost += 1
        for question in session["questions"]:
            self._tally.accepted += question["step"] == "ACCEPTED"
            self._tally.best_effort += question["step"] == "BEST_EFFORT"
            unsound = [*unfounded(question), *invented(question, cv)]
            self._tally.wrongly_accepted += bool(unsound)
            if unsound:
                self._trouble(f"{path}: {unsound}")

    async def _events(self, path: str, version: int) -> list[tuple[str, str]]:
        """The session's whole log, by question and event."""
        found: list[tuple[str, str]] = []
        name = ""
        async with self._stage.client.stream("GET", f"{path}/events") as reply:
            async for line in reply.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: ") and name != "Delta":
                    data = _json(line.removeprefix("data: "))
                    found.append((data.get("question_id", ""), name))
                    if data.get("version") == version:
                        return found
        return found

    def _trouble(self, what: str) -> None:
        self._tally.troubles.append(what)


def standing(events: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The candidate's replies in a log, less those that were withdrawn again."""
    found: list[tuple[str, str]] = []
    for question_id, name in events:
        if name in {*EVENTS.values(), "InputsGiven", "RefinementGiven"}:
            found.append((question_id, name))
        elif name in {"ReplyWithdrawn", "DraftWithdrawn", "RefinementWithdrawn"}:
            del found[max(n for n, (question, _) in enumerate(found) if question == question_id)]
    return found


def missing_or_doubled(
    acknowledged: Iterable[tuple[str, str]], happened: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What was acknowledged and did not happen as often."""
    counted = Counter(happened)
    return [reply for reply, count in Counter(acknowledged).items() if counted[reply] != count]


def _json(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def invented(question: Mapping[str, Any], cv: str) -> list[str]:
    """What an answer that stands says beyond the candidate's inputs and CV."""
    if question["answer"] is None:
        return []
    bullets = tuple(
        Bullet(
            kind=BulletKind(bullet["kind"]),
            text=bullet["text"],
            claims=tuple(Claim(**claim) for claim in bullet["claims"]),
        )
        for bullet in question["answer"]["bullets"]
    )
    answer = Answer(title=question["answer"]["title"], bullets=bullets)
    return [f"invented: {one.kind}" for one in ungrounded(answer, question["inputs"], Document(text=cv))]


def main() -> int:
    """The process's exit code: 1 where anything was lost or wrongly accepted."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--sessions", type=int, default=1000)
    arguments.add_argument("--faults", type=float, default=0.2)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--provider", choices=list(PROVIDERS), default="both")
    options = arguments.parse_args()
    quiet()
    with valkey() as redis_url:
        tally = asyncio.run(
            drill(
                redis_url,
                sessions=options.sessions,
                fault_rate=options.faults,
                seed=options.seed,
                provider=options.provider,
            )
        )
    table = Table("what", "count")
    for name in ("sessions", "steps", "accepted", "best_effort", "lost", "wrongly_accepted", "calls", "spent_usd"):
        table.add_row(name, str(getattr(tally, name)))
    for refusal, count in tally.refusals.most_common():
        table.add_row(f"refused: {refusal}", str(count))
    for fault, count in tally.faults.most_common():
        table.add_row(f"fault: {fault}", str(count))
    Console().print(table)
    for trouble in tally.troubles[:20]:
        print(trouble)
    return 1 if tally.lost or tally.wrongly_accepted or tally.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
