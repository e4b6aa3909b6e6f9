"""Whether the process is alive, and whether the service can do its work."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serve_app.http.service import Checked
from serve_app.http.tenants import Askwell
from state.errors import AskwellError, Degraded

router = APIRouter(prefix="/health", tags=["health"])
CHECK_TIMEOUT_S = 5.0
DEGRADABLE = frozenset({"retriever"})
"""Parts without which interviews still go on: prompts then come without hints."""


class Health(BaseModel):
    """`parts` has, by name, 'ok', 'degraded' or the kind of the failure."""

    status: Literal["ok", "degraded", "unavailable"]
    parts: dict[str, str]


@router.get("/live", operation_id="live")
async def live() -> dict[str, str]:
    """This replica answers."""
    return {"status": "ok"}


@router.get("/ready", operation_id="ready", responses={503: {"model": Health, "description": "A part is missing."}})
async def ready(askwell: Askwell, response: Response) -> Health:
    """Whether every session actor reaches Redis and every pool works; 503 unless interviews can go on.

    'degraded' means that they can, with less: without the retriever's hints, with an actor fewer, or, while Redis
    is away, for the sessions that are held, whose steps this machine's journal keeps until it is back.
    """
    parts: dict[str, Checked] = {
        "sessions": askwell.sessions,
        "generator": askwell.generator,
        "evaluator": askwell.evaluator,
        "retriever": askwell.retriever,
    }
    states = dict(zip(parts, await asyncio.gather(*map(_state, parts.values())), strict=True))
    if all(state == "ok" for state in states.values()):
        return Health(status="ok", parts=states)
    down = {name for name, state in states.items() if state not in ("ok", "degraded")}
    if down <= DEGRADABLE:
        return Health(status="degraded", parts=states)
    response.status_code = 503
    return Health(status="unavailable", parts=states)


async def _state(part: Checked) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await part.ready()
    except TimeoutError:
        return "timeout"
    except Degraded:
        return "degraded"
    except AskwellError as error:
        return type(error).__name__
    return "ok"
