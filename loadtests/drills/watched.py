"""What the drill of the alerts plays on: a service of its own whose Redis, vector store and models can be broken, users
who keep it busy, and sinks that its alerts go to."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from loadtests.qdrant_stub import VectorServer
from loadtests.sinks import Sink, mail_sink, web_sink
from serve_app.bench.candidates import JOB, TITLES, inputs
from serve_app.bench.stage import Stage, staged
from serve_app.valkey import Valkey
from state.alerts.rules import rules_from

GAPS = [{"title": title, "job_asks": f"{title} in production"} for title in TITLES[:3]]
CV = "Ada Nowak\nBackend developer at Northgate, 2021 - 2025\nBuilt REST APIs in Python and Django."
INPUT_USD_PER_MILLION = 0.03
PRICES = {
    "openai:gpt-5-mini": {
        "input_per_million": str(INPUT_USD_PER_MILLION),
        "cached_per_million": "0",
        "output_per_million": "0",
    }
}
"""A model that nobody minds the price of while it finds its prompts in its cache: 0.3 dollars an hour of four users."""
PAUSE_S = 0.3
MOST_REFINEMENTS = 2


@dataclass
class Habits:
    """What users do for each question beside answering it."""

    reads: int = 0
    searches: int = 10
    novel: bool = False
    rest_s: float = 0.0


@dataclass
class Watched:
    """`requests` counts answers by status; 0 is none."""

    stage: Stage
    valkey: Valkey
    vectors: VectorServer
    mail: Sink
    hook: Sink
    habits: Habits = field(default_factory=Habits)
    requests: dict[int, int] = field(default_factory=dict)

    def models(self, **config: Any) -> None:
        """From now on the stub of the providers does this."""
        self.stage.configure_stub(json.dumps(config))

    async def alerts(self) -> Mapping[str, Any]:
        async with httpx.AsyncClient(base_url=self.stage.url, timeout=10) as client:
            found: dict[str, Any] = (await client.get("/api/alerts")).raise_for_status().json()
            return found


@asynccontextmanager
async def watched(*, window_minutes: int | None, users: int) -> AsyncIterator[Watched]:
    """A service with `users` at it. Its rules are as shipped, or their windows of `window_minutes`, and the cooldown of
    cache_hits, of which cold caches tell at the start, of a minute."""
    with tempfile.TemporaryDirectory(prefix="askwell-alerts-") as directory:
        folder = Path(directory)
        valkey, vectors = Valkey(folder / "valkey"), VectorServer()
        valkey.start()
        await vectors.start()
        (folder / "prices.json").write_text(json.dumps(PRICES))
        (folder / "alerts.toml").write_text(_overrides(window_minutes))
        async with mail_sink() as mail, web_sink() as hook:
            service = staged(
                {},
                REDIS_URL=valkey.url,
                QDRANT_URL=vectors.url,
                ASKWELL_PRICES=str(folder / "prices.json"),
                ASKWELL_ALERTS=str(folder / "alerts.toml"),
                ASKWELL_ALERT_CHANNELS=json.dumps({"mail": mail.address, "hook": hook.address}),
            )
            stage = await asyncio.to_thread(service.__enter__)
            busy = Watched(stage=stage, valkey=valkey, vectors=vectors, mail=mail, hook=hook)
            working = [asyncio.create_task(_user(busy, number)) for number in range(users)]
            try:
                yield busy
            finally:
                for work in working:
                    work.cancel()
                await asyncio.wait(working)
                await asyncio.to_thread(service.__exit__, None, None, None)
                await vectors.stop()
                valkey.stop()


def _overrides(window_minutes: int | None) -> str:
    if window_minutes is None:
        return ""
    windows = [f"[{name}]\nwindow_minutes = {window_minutes}" for name in rules_from(None)]
    return "\n".join([*windows, "[cache_hits.warning]\ncooldown_minutes = 1"])


async def _user(busy: Watched, number: int) -> None:
    """Interviews, one after the other, whatever becomes of them."""
    async with httpx.AsyncClient(base_url=busy.stage.url, timeout=90) as client:
        while True:
            with suppress(_Refused):
                await _interviewed(busy, client, f"user-{number}")
            await asyncio.sleep(PAUSE_S)


async def _interviewed(busy: Watched, client: httpx.AsyncClient, user: str) -> None:
    body = {"cv": CV, "job": JOB, "gaps": GAPS, "user": user}
    session = await _asked(busy, client, "POST", "/api/sessions", body)
    for question in session["questions"]:
        path = f"/api/sessions/{session['id']}/questions/{question['id']}"
        with suppress(_Refused):
            await _answered(busy, client, path)
        await _besides(busy, client, session["id"])


async def _answered(busy: Watched, client: httpx.AsyncClient, path: str) -> None:
    question = await _asked(busy, client, "POST", f"{path}/experience", {"response": "yes"})
    known = {prompt["id"] for prompt in question["prompts"]}
    given = {name: value for name, value in inputs().items() if name in known}
    question = await _asked(busy, client, "POST", f"{path}/inputs", {"inputs": given})
    for _ in range(MOST_REFINEMENTS):
        if question["step"] != "NEEDS_REFINEMENT":
            return
        more = {prompt["id"]: "It took four months, with two colleagues." for prompt in question["follow_ups"]}
        question = await _asked(busy, client, "POST", f"{path}/refinement", {"inputs": more})


async def _besides(busy: Watched, client: httpx.AsyncClient, session_id: str) -> None:
    await asyncio.sleep(busy.habits.rest_s)
    for _ in range(busy.habits.reads):
        with suppress(_Refused):
            await _asked(busy, client, "GET", f"/api/sessions/{session_id}")
    for place in range(busy.habits.searches):
        need = f"{time.time_ns()} {place}" if busy.habits.novel else TITLES[place]
        with suppress(_Refused):
            await _asked(busy, client, "POST", "/api/learning-resources/search", {"need": need})


class _Refused(Exception):
    """Counted already; the user goes on with something else."""


async def _asked(busy: Watched, client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    try:
        reply = await client.request(method, path, json=body)
        status = reply.status_code
    except httpx.HTTPError:
        status = 0
    busy.requests[status] = busy.requests.get(status, 0) + 1
    await asyncio.sleep(PAUSE_S / 10)
    if not 200 <= status < 300:
        await asyncio.sleep(PAUSE_S)
        raise _Refused
    return reply.json()
