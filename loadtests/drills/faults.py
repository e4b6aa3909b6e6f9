"""Fault by provider by step: what the client saw, how many calls were made, what they cost.

    python -m loadtests.drills.faults [--markdown FILE]

Each cell has a service and a stub of its own. The step is asked for once with the fault on every call of
its operation to the first provider ('always'), then, with the fault gone, once more under the same
Idempotency-Key. A cell fails if the step was lost, if an answer stood accepted without a score, or if
more calls were made than the policies allow.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from actors.resilience.stack import most_calls
from loadtests.drills.stage import PROVIDERS, Stage, quiet, staged, valkey
from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.faults import Fault, FaultPlan
from state.prices import Prices
from state.spending import Usage

CV = "Ada Nowak\nBackend developer, Northgate Ltd, 2021 - 2025\nBuilt REST APIs in Python and Django.\n"
JOB = "Platform engineer\nYou will run Kubernetes in production.\n"
INPUTS = {
    "context": "Work",
    "achievement": "I moved five services into a Kubernetes cluster and wrote the Helm charts.",
}
MORE = {"metrics": "Deployments went from 40 minutes to 6."}
LOW, HIGH = 3.0, 9.0
AT_ONCE = 8
TRIES = 40
PAUSE_S = 0.1

OPEN_BEFORE = {
    "find_gaps": None,
    "write_question": None,
    "write_prompts": "ASKED",
    "write_answer": "PROMPTED",
    "evaluate_answer": "PROMPTED",
    "refine_answer": "NEEDS_REFINEMENT",
}
"""By operation: where a question waits for the request that leads to it; None for opening the session."""

COMPLETIONS = {step: 2 if step in {"write_answer", "refine_answer"} else 1 for step in OPEN_BEFORE}
"""An answer that invents is written once more."""
REPLIES = 2
"""A reply that breaks its schema is asked for once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    path: str
    body: dict[str, Any]
    key: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`saw` is the client's view of the faulty request, `then` of the same one afterwards; `trouble` what is wrong."""

    fault: Fault
    provider: str
    step: str
    saw: str
    calls: int
    allowed: int
    spent_usd: Decimal
    then: str
    trouble: tuple[str, ...]


Place = tuple[Fault, str, str]
"""A cell's fault, providers and step."""

EVERYWHERE: tuple[Place, ...] = tuple(itertools.product(Fault, PROVIDERS, OPEN_BEFORE))


async def drill(redis_url: str, places: Sequence[Place] = EVERYWHERE) -> list[Cell]:
    """A cell for each place, some at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(place: Place) -> Cell:
        async with slots:
            return await _cell(redis_url, *place)

    return await asyncio.gather(*map(one, places))


async def _cell(redis_url: str, fault: Fault, provider: str, step: str) -> Cell:
    providers = PROVIDERS[provider]
    low = StubConfig(retry_after_s=0.05, score_low=LOW, score_high=LOW)
    high = replace(low, score_low=HIGH, score_high=HIGH)
    changes: dict[str, Any] = {"rollouts": {"advanced_quality_evaluation": 0}, "llm_hedge_share": 0}
    async with staged(redis_url, providers, low, **changes) as stage:
        request = await _reached(stage, step)
        stage.stub.calls.clear()
        stage.stub.report.clear()
        stage.stub.configure(replace(high, faults={f"{providers[0]}:{step}": FaultPlan(shares={fault: 1.0})}))
        reply = await _sent(stage, request)
        calls = [call for call in stage.stub.calls if call.operation == step]
        spent = spent_usd(stage.stub)
        trouble = await _after_the_fault(stage, request, reply)
        stage.stub.configure(high)
        again = await _insisted(stage, request)
        trouble += _at_the_end(request, again)
        allowed = most_calls(stage.resilience, len(providers)) * REPLIES * COMPLETIONS[step]
    if len(calls) > allowed:
        trouble += ("more calls than the policies allow",)
    return Cell(
        fault=fault,
        provider=provider,
        step=step,
        saw=_told(reply),
        calls=len(calls),
        allowed=allowed,
        spent_usd=spent,
        then=_told(again),
        trouble=trouble,
    )


async def _reached(stage: Stage, step: str) -> Request:
    """Everything before the step, done; the request that leads to it."""
    opening = Request(
        path="/api/sessions",
        body={"cv": f"{CV}{uuid.uuid4().hex}", "job": JOB, "max_questions": 1},  # no two cells share a flight
        key=uuid.uuid4().hex,
        step=step,
    )
    if OPEN_BEFORE[step] is None:
        return opening
    session = (await _insisted(stage, opening)).raise_for_status().json()
    question = f"/api/sessions/{session['id']}/questions/{session['questions'][0]['id']}"
    for action, body, opens in (
        ("experience", {"response": "yes"}, "ASKED"),
        ("inputs", {"inputs": INPUTS}, "PROMPTED"),
        ("refinement", {"inputs": MORE}, "NEEDS_REFINEMENT"),
    ):
        request = Request(path=f"{question}/{action}", body=body, key=uuid.uuid4().hex, step=step)
        if OPEN_BEFORE[step] == opens:
            return request
        (await _insisted(stage, request)).raise_for_status()
    raise AssertionError(step)


async def _sent(stage: Stage, request: Request) -> httpx.Response:
    return await stage.client.post(request.path, json=request.body, headers={"Idempotency-Key": request.key})


async def _insisted(stage: Stage, request: Request) -> httpx.Response:
    """The same request under the same key until it is answered, as a client that honours Retry-After would."""
    for _ in range(TRIES):
        reply = await _sent(stage, request)
        if reply.is_success:
            return reply
        await asyncio.sleep(PAUSE_S)
    return reply


async def _after_the_fault(stage: Stage, request: Request, reply: httpx.Response) -> tuple[str, ...]:
    if reply.is_success:
        return _at_the_end(request, reply)
    trouble = []
    if reply.status_code not in (502, 503) or "retry-after" not in reply.headers:
        trouble.append("refused without a way to come back")
    if (before := OPEN_BEFORE[request.step]) is not None:
        session_path, _, question_id = request.path.rpartition("/")[0].partition("/questions/")
        session = await stage.read(session_path)
        found = next(one for one in session["questions"] if one["id"] == question_id)
        if found["step"] != before:
            trouble.append(f"the step is lost: {found['step']}")
    return tuple(trouble)


def _at_the_end(request: Request, reply: httpx.Response) -> tuple[str, ...]:
    if not reply.is_success:
        return ("never answered",)
    body = reply.json()
    if OPEN_BEFORE[request.step] is None:
        return () if body["questions"] else ("no question was asked",)
    if request.step == "write_prompts":
        return () if body["step"] == "PROMPTED" else ("no prompts",)
    return unfounded(body)


def unfounded(question: dict[str, Any]) -> tuple[str, ...]:
    """What is wrong with an accepted answer: no score, or one below the threshold."""
    if question["step"] != "ACCEPTED":
        return ()
    evaluation = question["evaluation"]
    if question["answer"] is None or evaluation is None or evaluation["score"] < question["threshold"]:
        return ("accepted without a score that allows it",)
    return ()


def spent_usd(stub: Stub) -> Decimal:
    """What the stub billed since its report was cleared, by the price list of the real providers."""
    prices = Prices()
    total = Decimal(0)
    for row in stub.report.as_json()["rows"]:
        usage = Usage(
            input_tokens=row["input_tokens"],
            cached_tokens=row["cached_tokens"],
            cache_write_tokens=row["cache_write_tokens"],
            output_tokens=row["output_tokens"],
        )
        name = "google" if row["provider"] == "gemini" else row["provider"]
        total += Decimal(str(prices.price(name, row["model"], usage) or 0))
    return total


def _told(reply: httpx.Response) -> str:
    if reply.is_success:
        return str(reply.status_code)
    kind = reply.json()["type"].rpartition(":")[2]
    return f"{reply.status_code} {kind}, Retry-After {reply.headers.get('retry-after', 'none')}"


def table(cells: Sequence[Cell]) -> list[tuple[str, ...]]:
    """One row a cell, as text."""
    return [
        (
            cell.fault,
            cell.provider,
            cell.step,
            cell.saw,
            f"{cell.calls} of {cell.allowed}",
            f"{cell.spent_usd * 1000:.3f}",
            cell.then,
            "; ".join(cell.trouble) or "none",
        )
        for cell in cells
    ]


COLUMNS = ("fault", "provider", "step", "the client saw", "calls", "spent, $/1000", "then", "trouble")


def main() -> int:
    """The process's exit code: 1 where a cell is in trouble."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = arguments.parse_args()
    quiet()
    with valkey() as redis_url:
        cells = asyncio.run(drill(redis_url))
    shown = Table(*COLUMNS)
    for row in table(cells):
        shown.add_row(*row)
    Console(width=160).print(shown)
    if options.markdown:
        rows = [COLUMNS, tuple("---" for _ in COLUMNS), *table(cells)]
        options.markdown.write_text("".join(f"| {' | '.join(row)} |\n" for row in rows))
    wrong = [cell for cell in cells if cell.trouble]
    print(f"{len(cells)} cells, {len(wrong)} in trouble")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
