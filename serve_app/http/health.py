"""Whether the process is alive, and whether the service can do its work."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serve_app.http.service import Checked
from serve_app.http.tenants import Askwell
from state.errors import AskwellError

router = APIRouter(prefix="/health", tags=["health"])
CHECK_TIMEOUT_S = 5.0
DEGRADABLE = frozenset({"retriever"})
"""Parts without which interviews still go on: prompts then come without hints."""


class Health(BaseModel):
    """`parts` has, by name, 'ok' or the kind of the failure."""

    status: Literal["ok", "degraded", "unavailable"]
    parts: dict[str, str]


@router.get("/live", operation_id="live")
async def live() -> dict[str, str]:
    """This replica answers."""
    return {"status": "ok"}


@router.get("/ready", operation_id="ready", responses={503: {"model": Health, "description": "A part is missing."}})
async def ready(askwell: Askwell, response: Response) -> Health:
    """Every session actor reaches Redis and every pool works; 503 unless interviews can go on."""
    parts: dict[str, Checked] = {
        "sessions": askwell.sessions,
        "generator": askwell.generator,
        "evaluator": askwell.evaluator,
        "retriever": askwell.retriever,
    }
    states = dict(zip(parts, await asyncio.gather(*map(_state, parts.values())), strict=True))
    down = {name for name, state in states.items() if state != "ok"}
    if not down:
        return Health(status="ok", parts=states)
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
    except AskwellError as error:
        return type(error).__name__
    return "ok"
