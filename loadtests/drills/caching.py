"""What prefix caching saves: ten-question sessions, counted by the stub as each provider documents its cache.

    python -m loadtests.drills.caching [--sessions 100]

Every session opens with a real CV and job of `examples/`, has its gaps found, and answers ten questions
with 'yes' and inputs. Tokens, hits and eligible calls are the stub's own account; the same calls uncached,
and the predecessor's layout, are priced by `state.costs` from what the service recorded.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtests.drills.faults import spent_usd
from loadtests.drills.stage import PROVIDERS, Stage, quiet, staged, valkey
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.latency import Latency
from state.costs import report
from state.prices import Prices
from state.spending import CallRecord, Usage

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
QUESTIONS = 10
INPUTS = {
    "context": "Work",
    "duration": "14 months",
    "achievement": "I moved five services into a cluster, wrote the charts and trained two colleagues.",
    "metrics": "Deployments went from 40 minutes to 6.",
}
AT_ONCE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Money in US dollars, for all sessions together; shares from 0 to 1."""

    provider: str
    sessions: int
    calls: int
    eligible: int
    hits: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    spent_usd: Decimal
    uncached_usd: Decimal
    predecessor_usd: Decimal
    output_usd: Decimal

    @property
    def hit_share(self) -> float:
        """Of the calls whose prefix is long enough to be cached."""
        return self.hits / self.eligible if self.eligible else 0.0

    @property
    def cached_share(self) -> float:
        """Of all input tokens."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0


async def drill(redis_url: str, *, sessions: int, provider: str) -> Account:
    """`sessions` interviews, some at a time, at one provider."""
    config = StubConfig(latency={"*": Latency(median_ms=30.0)})
    rollouts = {"advanced_quality_evaluation": 0}
    async with staged(redis_url, PROVIDERS[provider], config, quick=False, rollouts=rollouts) as stage:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> str:
            async with slots:
                return await _interview(stage, number)

        ids = await asyncio.gather(*(one(number) for number in range(sessions)))
        calls = [record for session_id in ids for record in await stage.records(session_id)]
        told = stage.stub.report.as_json()["totals"]
        spent = spent_usd(stage.stub)
    compared = report(calls, Prices())
    return Account(
        provider=provider,
        sessions=sessions,
        calls=told["calls"],
        eligible=told["eligible_calls"],
        hits=told["hits"],
        input_tokens=told["input_tokens"],
        cached_tokens=told["cached_tokens"],
        output_tokens=told["output_tokens"],
        spent_usd=spent,
        uncached_usd=compared.uncached.theirs_usd,
        predecessor_usd=compared.predecessor.theirs_usd,
        output_usd=_output_usd(calls),
    )


async def _interview(stage: Stage, number: int) -> str:
    """One session from its opening to its last answer; its id."""
    example = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())[number % 3]
    body = {
        "cv": f"Candidate {uuid.uuid4().hex}\n" + next(example.glob("cv.*")).read_text(),
        "job": next(example.glob("job.*")).read_text(),
        "max_questions": QUESTIONS,
    }
    session = (await stage.client.post("/api/sessions", json=body)).raise_for_status().json()
    for question in session["questions"]:
        at = f"/api/sessions/{session['id']}/questions/{question['id']}"
        (await stage.client.post(f"{at}/experience", json={"response": "yes"})).raise_for_status()
        (await stage.client.post(f"{at}/inputs", json={"inputs": INPUTS})).raise_for_status()
    assert len(session["questions"]) == QUESTIONS, "the stub's model must find ten gaps"
    found: str = session["id"]
    return found


def _output_usd(calls: Sequence[CallRecord]) -> Decimal:
    """What the replies alone cost: no layout of the prompts changes that."""
    prices = Prices()
    replies = ((call, Usage(output_tokens=call.usage.output_tokens)) for call in calls if call.usage)
    return sum((prices.exact(call.provider, call.model, usage) or Decimal(0) for call, usage in replies), Decimal(0))


COLUMNS = (
    "provider",
    "sessions",
    "calls",
    "eligible",
    "hits of eligible",
    "cached of input",
    "$ a session",
    "uncached",
    "predecessor",
    "output alone",
    "saved on uncached",
    "saved on predecessor",
)


def row(account: Account) -> tuple[str, ...]:
    each = account.sessions
    return (
        account.provider,
        str(account.sessions),
        str(account.calls),
        str(account.eligible),
        f"{account.hit_share:.1%}",
        f"{account.cached_share:.1%}",
        f"{account.spent_usd / each:.5f}",
        f"{account.uncached_usd / each:.5f}",
        f"{account.predecessor_usd / each:.5f}",
        f"{account.output_usd / each:.5f}",
        f"{1 - account.spent_usd / account.uncached_usd:.1%}",
        f"{1 - account.spent_usd / account.predecessor_usd:.1%}",
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--sessions", type=int, nargs="*", default=[1, 100])
    options = arguments.parse_args()
    quiet()
    shown = Table(*COLUMNS)
    with valkey() as redis_url:
        for provider in ("openai", "gemini"):
            for sessions in options.sessions:
                shown.add_row(*row(asyncio.run(drill(redis_url, sessions=sessions, provider=provider))))
    Console(width=180).print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
