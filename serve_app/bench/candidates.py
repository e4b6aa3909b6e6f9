"""Candidates as HTTP clients: they open sessions, and answer one question after another.

No two CVs and no two answers are the same, as calls of a model with the same words at the same time are made once.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from state.errors import AskwellError

JOB = "Platform engineer\nYou need:\n- Kubernetes in production\n- Terraform\n- Kafka\n- Prometheus\n- Python"
TITLES = ("Kubernetes", "Terraform", "Kafka", "Go", "Prometheus", "AWS", "gRPC", "Redis", "Ansible", "GraphQL")
GAPS = [{"title": title, "job_asks": f"{title} in production"} for title in TITLES]
EVALUATED = ("ACCEPTED", "NEEDS_REFINEMENT")
OPENED_AT_ONCE = 8
TIMEOUT_S = 60.0
KEPT_ALIVE_S = 2.0
"""Less than a server keeps an idle connection: a request on one that is being closed would count as an error."""
REST_S, LONGEST_REST_S = 0.1, 1.0
"""How long a user waits after a refusal that names no time, and at most where it does."""

Session = deque[str]
"""The paths of a session's questions that have not been asked yet."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What users have met. Latencies are milliseconds, one for each question that was answered whole.

    `ended_s` is when that was, by `time.perf_counter`; `refusals_ms` how long each answer took that asks to come back.
    """

    start_ms: list[float] = field(default_factory=list)
    inputs_ms: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    refusals_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    elapsed_s: float = 0.0

    @property
    def questions(self) -> int:
        return len(self.inputs_ms)


class _Refused(Exception):
    """`kind` is a status with its problem's title, a step that was not expected, or an exception's name."""

    def __init__(self, kind: str, rest_s: float = REST_S) -> None:
        super().__init__(kind)
        self.kind = kind
        self.rest_s = min(rest_s, LONGEST_REST_S)


class _Later(_Refused):
    """The service has no room, and took `took_ms` to say so."""

    def __init__(self, kind: str, rest_s: float, took_ms: float) -> None:
        super().__init__(kind, rest_s)
        self.took_ms = took_ms


def cv() -> str:
    """A new candidate's."""
    team = uuid.uuid4().hex[:8]
    return f"Ada Nowak\nBackend developer, team {team}, 2021 - 2025\nBuilt REST APIs in Python and Django for {team}."


def inputs() -> dict[str, str]:
    """A new answer, by the ids of the prompts that usually ask for it."""
    cluster = uuid.uuid4().hex[:8]
    return {
        "context": "Work",
        "duration": "8 months",
        "tools": "kind, Helm",
        "achievement": f"I moved five services into cluster {cluster}, wrote the charts and trained two colleagues.",
        "metrics": "Deployments went from 40 minutes to 6 minutes.",
    }


@asynccontextmanager
async def client_of(url: str, *, connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=max(connections, OPENED_AT_ONCE), keepalive_timeout=KEPT_ALIVE_S)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as client:
        yield client


async def opened(client: aiohttp.ClientSession, sessions: int) -> list[Session]:
    """That many new sessions of ten questions. Raises `AskwellError` where one cannot be opened."""
    left = iter(range(sessions))
    found: list[Session] = []

    async def open_some() -> None:
        for _ in left:
            try:
                session = await _post(client, "/api/sessions", {"cv": cv(), "job": JOB, "gaps": GAPS})
            except _Refused as refused:
                raise AskwellError(f"A session to measure with was refused: {refused.kind}") from None
            found.append(deque(f"/api/sessions/{session['id']}/questions/{one['id']}" for one in session["questions"]))

    await asyncio.gather(*(open_some() for _ in range(min(OPENED_AT_ONCE, sessions))))
    return found


async def closed_loop(client: aiohttp.ClientSession, sessions: deque[Session], *, users: int, seconds: float) -> Seen:
    """So many users at once, each on a session of its own, until time or `sessions` are out.

    A question that was begun is finished, so that all work is counted and `elapsed_s` ends with the last of it. One
    that was refused is given up, and its user rests for as long as it was told. What is left stays in `sessions`.
    """
    seen = Seen()
    began = time.perf_counter()
    until = began + seconds

    async def user() -> None:
        while sessions and time.perf_counter() < until:
            session = sessions.popleft()
            while session and time.perf_counter() < until:
                await _answered(client, session.popleft(), seen)
            if session:
                sessions.append(session)

    await asyncio.gather(*(user() for _ in range(users)))
    seen.elapsed_s = time.perf_counter() - began
    return seen


async def _answered(client: aiohttp.ClientSession, path: str, seen: Seen) -> None:
    try:
        began = time.perf_counter()
        question = await _post(client, f"{path}/experience", {"response": "yes"})
        prompted = time.perf_counter()
        _expect(question, "PROMPTED")
        asked = {prompt["id"] for prompt in question["prompts"]}
        given = {name: value for name, value in inputs().items() if name in asked}
        sent = time.perf_counter()
        question = await _post(client, f"{path}/inputs", {"inputs": given})
        ended = time.perf_counter()
        _expect(question, *EVALUATED)
    except _Refused as refused:
        seen.errors[refused.kind] += 1
        if isinstance(refused, _Later):
            seen.refusals_ms.append(refused.took_ms)
        await asyncio.sleep(refused.rest_s)
    else:
        seen.start_ms.append((prompted - began) * 1000)
        seen.inputs_ms.append((ended - sent) * 1000)
        seen.ended_s.append(ended)


def _expect(question: dict[str, Any], *steps: str) -> None:
    if question["step"] not in steps:
        raise _Refused(f"step {question['step']}")


async def _post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        async with client.post(path, json=body) as reply:
            if reply.status >= 400:
                kind = f"{reply.status} {_title(await reply.read())}".strip()
                if "Retry-After" not in reply.headers:
                    raise _Refused(kind)
                raise _Later(kind, float(reply.headers["Retry-After"]), (time.perf_counter() - began) * 1000)
            found: dict[str, Any] = await reply.json()
            return found
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _Refused(type(error).__name__) from error


def _title(problem: bytes) -> str:
    """What the service calls the problem; a proxy's own refusal has no name."""
    try:
        return str(json.loads(problem)["title"])
    except (ValueError, LookupError, TypeError):
        return ""
