"""The bench's users against a small server that answers as the service does."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serve_app.bench.candidates import Session, client_of, closed_loop, opened
from state.errors import AskwellError

PROMPTS = [{"id": "context"}, {"id": "achievement"}, {"id": "unheard-of"}]


@dataclass
class Interviews:
    """Sessions of two questions; `refusing` answers 503 with the headers `later` to all that is asked of questions."""

    refusing: bool = False
    later: dict[str, str] = field(default_factory=dict)
    full: bool = False
    documents: set[str] = field(default_factory=set)
    steps: Counter[str] = field(default_factory=Counter)
    given: list[dict[str, str]] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    most_at_once_in_a_session: int = 0

    async def open(self, request: web.Request) -> web.Response:
        if self.full:
            return web.json_response({"title": "The service is at its limit"}, status=503)
        self.documents.add((await request.json())["cv"])
        return web.json_response({"id": f"s{len(self.documents)}", "questions": [{"id": "q1"}, {"id": "q2"}]})

    async def step(self, request: web.Request) -> web.Response:
        if self.refusing:
            return web.json_response({"title": "The service is at its limit"}, status=503, headers=self.later)
        session, step = request.match_info["session"], request.match_info["step"]
        self.busy[session] += 1
        self.most_at_once_in_a_session = max(self.most_at_once_in_a_session, self.busy[session])
        await asyncio.sleep(0)
        self.busy[session] -= 1
        self.steps[step] += 1
        if step == "experience":
            return web.json_response({"step": "PROMPTED", "prompts": PROMPTS})
        self.given.append((await request.json())["inputs"])
        return web.json_response({"step": "ACCEPTED"})


@asynccontextmanager
async def served(interviews: Interviews) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/api/sessions", interviews.open)
    app.router.add_post("/api/sessions/{session}/questions/{question}/{step}", interviews.step)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_users_answer_every_question_once_each_on_a_session_of_its_own() -> None:
    interviews = Interviews()
    async with served(interviews) as url, client_of(url, connections=3) as client:
        sessions = deque(await opened(client, 5))
        seen = await closed_loop(client, sessions, users=3, seconds=60)
    assert seen.questions == len(seen.ended_s) == 10
    assert not seen.errors
    assert not sessions
    assert interviews.steps == {"experience": 10, "inputs": 10}
    assert interviews.most_at_once_in_a_session == 1


async def test_no_two_candidates_and_no_two_answers_are_the_same() -> None:
    interviews = Interviews()
    async with served(interviews) as url, client_of(url, connections=2) as client:
        sessions = deque(await opened(client, 3))
        await closed_loop(client, sessions, users=2, seconds=60)
    assert len(interviews.documents) == 3
    assert len({given["achievement"] for given in interviews.given}) == 6
    assert all(set(given) == {"context", "achievement"} for given in interviews.given)


async def test_a_refusal_counts_as_an_error_of_its_kind_and_not_as_a_question() -> None:
    async with served(Interviews(refusing=True)) as url, client_of(url, connections=2) as client:
        sessions: deque[Session] = deque(await opened(client, 1))
        seen = await closed_loop(client, sessions, users=1, seconds=60)
    assert seen.questions == 0
    assert seen.errors == {"503 The service is at its limit": 2}
    assert seen.refusals_ms == []


async def test_how_long_a_refusal_took_is_told_where_it_says_when_to_come_back() -> None:
    interviews = Interviews(refusing=True, later={"Retry-After": "0"})
    async with served(interviews) as url, client_of(url, connections=2) as client:
        seen = await closed_loop(client, deque(await opened(client, 1)), users=1, seconds=60)
    assert len(seen.refusals_ms) == 2
    assert all(took_ms > 0 for took_ms in seen.refusals_ms)


async def test_what_time_does_not_allow_is_left_for_the_next_window() -> None:
    interviews = Interviews()
    async with served(interviews) as url, client_of(url, connections=2) as client:
        sessions = deque(await opened(client, 2))
        seen = await closed_loop(client, sessions, users=2, seconds=0)
    assert seen.questions == 0
    assert sum(map(len, sessions)) == 4


async def test_where_no_session_can_be_opened_there_is_nothing_to_measure() -> None:
    async with served(Interviews(full=True)) as url, client_of(url, connections=2) as client:
        with pytest.raises(AskwellError, match="503 The service is at its limit"):
            await opened(client, 1)
