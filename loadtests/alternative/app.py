"""The alternative's service: FastAPI before a LangGraph graph whose threads are checkpointed in Redis.

What a good engineer would have after a first version: asynchronous throughout, one OpenAI client and one pool of
connections a worker, replies checked by pydantic, state in Redis so that any worker can go on with a question.
It answers at Askwell's paths with Askwell's shapes, and asks the model in Askwell's words, so that one load fits both.

Where a choice was open it was made in the alternative's favour: the bare SDK rather than LangChain's wrapper, a leaner
checkpointer than the one that is published (`saver`), two workers for two cores, LangGraph's default durability,
which saves a checkpoint while the next step already runs, and no log of requests.

Askwell does beside, at each question, and this does not: a search for similar experiences before the prompts; the
check that every claim of an answer stands in an input or the CV; idempotency keys, and a refusal of steps that are not
open; a fence against two writers of a session; a record of what each call cost, within a budget; retries across
providers, circuit breakers, limits and hedges; events and tokens for whoever follows a session; metrics and alerts;
flags, tenants, admission. A crash here repeats the node that ran, and pays for its call again.

Configured by `REDIS_URL`, `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `DURABILITY` (LangGraph's: async, sync or exit).
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from langgraph.types import Command
from openai import AsyncOpenAI
from redis.asyncio import BlockingConnectionPool, Redis

from loadtests.alternative.graph import Model, NotBegun, compiled
from loadtests.alternative.saver import EXPIRES_S, RedisSaver
from loadtests.alternative.shapes import (
    AskedQuestion,
    ExperienceReply,
    Gap,
    GivenInputs,
    NewSession,
    OpenSession,
    QuestionShown,
)

CONNECTIONS = 50
DURABILITY = os.environ.get("DURABILITY", "async")


class Interviews:
    def __init__(self, redis: Redis, model: Model) -> None:
        self._redis = redis
        self._model = model
        self._graph = compiled(model, RedisSaver(redis))

    async def opened(self, body: NewSession) -> OpenSession:
        """All questions of a session are written at once."""
        numbered = list(enumerate(body.gaps, 1))
        questions = await asyncio.gather(*(self._question(body, number, gap) for number, gap in numbered))
        session = OpenSession(id=uuid.uuid4().hex, cv=body.cv, job=body.job, questions=questions)
        await self._redis.set(f"session:{session.id}", session.model_dump_json(), ex=EXPIRES_S)
        return session

    async def session(self, session_id: str) -> OpenSession:
        found = await self._redis.get(f"session:{session_id}")
        if found is None:
            raise HTTPException(404, "No such session.")
        return OpenSession.model_validate_json(found)

    async def began(self, session_id: str, question_id: str, response: str) -> QuestionShown:
        session = await self.session(session_id)
        question = next((one for one in session.questions if one.id == question_id), None)
        if question is None:
            raise HTTPException(404, "No such question.")
        state = {
            "response": response,
            "cv": session.cv,
            "job": session.job,
            "gap": question.gap.model_dump(),
            "question": question.text,
        }
        return await self._run(session_id, question_id, state)

    async def went_on(self, session_id: str, question_id: str, body: GivenInputs) -> QuestionShown:
        try:
            return await self._run(session_id, question_id, Command(resume=body.inputs))
        except NotBegun:
            raise HTTPException(404, "No such question.") from None

    async def _run(self, session_id: str, question_id: str, told: Any) -> QuestionShown:
        config = {"configurable": {"thread_id": f"{session_id}:{question_id}"}}
        state = await self._graph.ainvoke(told, config, durability=DURABILITY)
        shown = {name: state[name] for name in ("step", "prompts", "answer", "evaluation") if name in state}
        return QuestionShown(id=question_id, **shown)

    async def _question(self, body: NewSession, number: int, gap: Gap) -> AskedQuestion:
        written = await self._model.question(body.cv, body.job, gap.model_dump())
        return AskedQuestion(id=f"q{number}", gap=gap, text=written.text)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    pool = BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=CONNECTIONS)
    async with Redis(connection_pool=pool) as redis, AsyncOpenAI() as client:
        app.state.interviews = Interviews(redis, Model(client))
        yield
    await pool.disconnect()


app = FastAPI(title="The alternative", lifespan=lifespan)


def _interviews(request: Request) -> Interviews:
    found: Interviews = request.app.state.interviews
    return found


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/api/sessions", status_code=201)
async def open_session(body: NewSession, request: Request) -> OpenSession:
    return await _interviews(request).opened(body)


@app.get("/api/sessions/{session_id}")
async def read_session(session_id: str, request: Request) -> OpenSession:
    return await _interviews(request).session(session_id)


@app.post("/api/sessions/{session_id}/questions/{question_id}/experience")
async def say(session_id: str, question_id: str, body: ExperienceReply, request: Request) -> QuestionShown:
    return await _interviews(request).began(session_id, question_id, body.response)


@app.post("/api/sessions/{session_id}/questions/{question_id}/inputs")
@app.post("/api/sessions/{session_id}/questions/{question_id}/refinement")
async def give(session_id: str, question_id: str, body: GivenInputs, request: Request) -> QuestionShown:
    return await _interviews(request).went_on(session_id, question_id, body)
