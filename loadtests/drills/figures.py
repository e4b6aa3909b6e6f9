"""What the endpoints of a running service say of money, and how long they take with a full day behind them.

python -m loadtests.drills.figures costs    the stub's usage blocks times the price table, and the endpoint
python -m loadtests.drills.figures day      each endpoint over 1,440 minute buckets that are all dense
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import deque
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx

from loadtests.metrics import FLUSHES, a_day, a_flush, some_labels
from serve_app.bench.candidates import client_of, closed_loop, opened
from serve_app.bench.report import percentile
from serve_app.bench.stage import Stage, staged
from serve_app.valkey import Valkey
from serve_app.wiring import now_ms
from state.backend import RedisBackend, connect
from state.metrics.buckets import hour_of
from state.metrics.encoding import pack_minute
from state.metrics.store import NEW, BucketStore
from state.prices import Rates
from state.spending import Usage

RATES = Rates(input_per_million=Decimal("0.25"), cached_per_million=Decimal("0.025"), output_per_million=Decimal(2))
PRICES = {"openai:gpt-5-mini": {"input_per_million": "0.25", "cached_per_million": "0.025", "output_per_million": "2"}}
REPORTS = ("dashboard", "performance", "costs", "quality", "cache", "health")
SECONDS = 20.0
USERS = 2
ASKED = 60
CELLS = 60
SETTLE_S = 10.0
ROLLED_WITHIN_S = 60.0


def costs() -> int:
    """Prints both sums; 0 where they are the same to a billionth of a dollar.

    Without hedges, because nobody is told what the call that was given up has cost; it would be counted as unmeasured.
    """
    with tempfile.TemporaryDirectory(prefix="askwell-costs-") as folder:
        prices = Path(folder) / "prices.json"
        prices.write_text(json.dumps(PRICES))
        with staged({"reasoning_tokens": 37}, ASKWELL_PRICES=str(prices), ASKWELL_LLM_HEDGE_SHARE="0") as stage:
            questions = asyncio.run(_questions(stage))
            time.sleep(SETTLE_S)
            totals = stage.report()["totals"]
            seen = _asked(stage.url, "costs")["total"]
    usage = Usage(
        input_tokens=totals["input_tokens"],
        cached_tokens=totals["cached_tokens"],
        output_tokens=totals["output_tokens"],
        thinking_tokens=totals["reasoning_tokens"],
    )
    expected = RATES.price(usage)
    print("| | calls | input tokens | cached tokens | output tokens | US dollars |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| usage blocks of the stub, times the prices | {totals['calls']} | {usage.input_tokens} | "
        f"{usage.cached_tokens} | {usage.output_tokens} | {expected:.12f} |"
    )
    shown = Decimal(str(seen["cost_usd"]))
    print(
        f"| /api/metrics/costs | {seen['calls']} | {seen['input_tokens']} | {seen['cached_tokens']} | "
        f"{seen['output_tokens']} | {shown:.12f} |"
    )
    unmeasured = f"{totals['abandoned']} calls abandoned at the stub, {seen['unmeasured']} told as unmeasured"
    print(f"\n{questions} questions; {unmeasured}.")
    return int(abs(shown - expected) > Decimal("1e-9"))


async def _questions(stage: Stage) -> int:
    async with client_of(stage.url, connections=USERS) as client:
        sessions = deque(await opened(client, 10))
        return (await closed_loop(client, sessions, users=USERS, seconds=SECONDS)).questions


def day() -> int:
    """Prints each endpoint's latency as a client sees it, one request at a time."""
    with tempfile.TemporaryDirectory(prefix="askwell-day-") as folder:
        valkey = Valkey(Path(folder))
        valkey.start()
        try:
            asyncio.run(_fill(valkey.url))
            with staged({}, REDIS_URL=valkey.url) as stage:
                hours = asyncio.run(_rolled_up(valkey.url))
                print(f"1,441 minutes of {CELLS} cells each, {hours} hours rolled up.\n")
                print("| endpoint | first, ms | p50, ms | p95, ms | most, ms |")
                print("| --- | --- | --- | --- | --- |")
                worst = max(_timed(stage.url, name) for name in REPORTS)
        finally:
            valkey.stop()
    return int(worst > 50)


async def _fill(url: str) -> None:
    redis = connect(url)
    store = BucketStore(RedisBackend(redis))
    labels = some_labels(CELLS)
    flushes = [a_flush(labels, Random(number)) for number in range(FLUSHES)]  # noqa: S311 - samples
    for start_ms, bucket in a_day(flushes, now_ms()).minutes.items():
        await store.keep_minute(start_ms, NEW, pack_minute(bucket))
    await redis.aclose()


async def _rolled_up(url: str) -> int:
    """How many hours the service's monitor has made of the minutes, once it has made all of them."""
    redis = connect(url)
    store = BucketStore(RedisBackend(redis))
    until = time.monotonic() + ROLLED_WITHIN_S
    while set(await store.unrolled()) - {hour_of(now_ms())} and time.monotonic() < until:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.5)
    hours = len([key async for key in redis.scan_iter("askwell:{metrics}:hour:*")])
    await redis.aclose()
    return hours


def _timed(url: str, name: str) -> float:
    """The median in milliseconds, of all but the first."""
    with httpx.Client(base_url=url, timeout=30) as client:
        taken: list[float] = []
        for _ in range(ASKED):
            began = time.perf_counter()
            client.get(f"/api/metrics/{name}", params={"time_window_minutes": 1440}).raise_for_status()
            taken.append((time.perf_counter() - began) * 1000)
            time.sleep(0.1)
    first, rest = taken[0], taken[1:]
    p50, p95 = percentile(rest, 50), percentile(rest, 95)
    print(f"| {name} | {first:.0f} | {p50:.1f} | {p95:.1f} | {max(rest):.1f} |")
    return p50


def _asked(url: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/api/metrics/{name}", timeout=20).raise_for_status().json()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("costs", "day"))
    return costs() if parser.parse_args().what == "costs" else day()


if __name__ == "__main__":
    sys.exit(main())
