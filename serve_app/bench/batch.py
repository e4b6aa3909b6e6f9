"""Ten questions at once: how long the whole batch takes, against the slowest call of a model that it waited for.

The stub draws each call's time anew (median 400 ms, lognormal), from a seed, so that every run meets the same
times. Late calls are not made twice here: a hedge could end a batch before its slowest call. It is measured twice:
as shipped, where nine calls wait for the first one's first token so that a provider has the prefix cached for them,
and with the flag for that switched off.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from serve_app.bench.candidates import GAPS, JOB, TIMEOUT_S, cv
from serve_app.bench.plan import Plan
from serve_app.bench.report import Figure, figures, percentile
from serve_app.bench.stage import Stage, staged
from state.errors import AskwellError

LATENCY: Mapping[str, Any] = {"*": {"median_ms": 400, "sigma": 0.4}}
SETTINGS = {"ASKWELL_LLM_HEDGE_SHARE": "0", "ASKWELL_LLM_CONCURRENCY": "1000"}
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "as shipped": {},
    "no cache optimizer": {"ASKWELL_ROLLOUTS": '{"use_prompt_cache_optimizer": 0}'},
}
BATCHES = 20
WARM_UP = 2


def measure(plan: Plan) -> tuple[Figure, ...]:
    found: list[Figure] = []
    for name, changes in VARIANTS.items():
        plan.tell(f"batch: starting the service, {name}")
        with (
            staged({"latency": LATENCY}, **SETTINGS, **changes) as stage,
            httpx.Client(timeout=TIMEOUT_S) as client,
        ):
            for number in range(WARM_UP):
                _batch(stage, client, seed=BATCHES + number)
            rounds = []
            for repeat in range(plan.repeats):
                plan.tell(f"batch: {name}, {repeat + 1} of {plan.repeats}")
                rounds.append(_round(stage, client))
        found += figures("batch", f"{len(GAPS)} gaps, {name}", rounds)
    return tuple(found)


def _round(stage: Stage, client: httpx.Client) -> dict[str, float]:
    taken = [_batch(stage, client, seed=number) for number in range(BATCHES)]
    totals, slowest = [total for total, _ in taken], [call for _, call in taken]
    by_slowest = [total / call for total, call in taken]
    over = [total - call for total, call in taken]
    return {
        "batches": len(taken),
        "batch, median ms": percentile(totals, 50),
        "batch, p95 ms": percentile(totals, 95),
        "slowest call, median ms": percentile(slowest, 50),
        "over the slowest call, median ms": percentile(over, 50),
        "over the slowest call, p95 ms": percentile(over, 95),
        "batch / slowest call, median": percentile(by_slowest, 50),
        "batch / slowest call, p95": percentile(by_slowest, 95),
    }


def _batch(stage: Stage, client: httpx.Client, *, seed: int) -> tuple[float, float]:
    """Milliseconds of the whole and of its slowest call."""
    stage.configure_stub(json.dumps({"latency": LATENCY, "seed": seed}))
    stage.reset_stub()
    body = {"gaps": GAPS, "cv": cv(), "job": JOB}
    began = time.perf_counter()
    reply = client.post(f"{stage.url}/api/questions/batch", json=body)
    total_ms = (time.perf_counter() - began) * 1000
    asked = stage.report()["totals"]
    written = len(reply.json().get("questions", ())) if reply.is_success else 0
    if written != len(GAPS) or asked["calls"] != len(GAPS):
        raise AskwellError(
            f"A batch went wrong: status {reply.status_code}, {written} questions, {asked['calls']} calls of a model."
        )
    return total_ms, asked["slowest_ms"]
