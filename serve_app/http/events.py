"""A session's events as they happen: its own log, and the text that is being written, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from serve_app.http.problems import documented
from serve_app.http.service import Service
from serve_app.http.sessions import SessionId
from serve_app.http.tenants import Askwell, Tenant
from state.errors import InvalidField, NotFound, RetryLater
from state.events import Event
from state.model import Step
from state.session import LogEntry
from state.telling import Piece, Seen
from state.workflow import TRANSITIONS

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
KEEP_ALIVE_S = 15.0

STEPS: Mapping[type[Event], Step] = {kind: target for moves in TRANSITIONS.values() for kind, target in moves.items()}
"""The step each event leads to; it is the same wherever in the table the event stands."""


@router.get(
    "/{session_id}/events",
    operation_id="watchSession",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/event-stream": {
                    "example": "id: 7\nevent: PromptsWritten\n"
                    'data: {"version": 7, "at_ms": 1767225600000, "question_id": "q1", "step": "PROMPTED"}\n\n'
                }
            },
            "description": (
                "One event a committed step; `id` is the session's version after it. In between, `Delta` events "
                "without an id hold the text that is being written: append `text` to the question's `field`; an "
                "empty `field` takes back all that came for that operation."
            ),
        },
        **documented(NotFound),
    },
)
async def watch_session(
    session_id: SessionId,
    askwell: Askwell,
    tenant: Tenant,
    last_event_id: Annotated[str, Header(alias="Last-Event-ID")] = "0",
) -> StreamingResponse:
    """Every event after `Last-Event-ID` (all of them without it), then each new one, until you hang up.

    Texts come as they are written. An answer's come a checked sentence at a time: none that says more
    than the candidate's inputs and CV is ever sent.
    """
    if not (last_event_id.isdecimal() and len(last_event_id) <= 18):
        raise InvalidField(field="Last-Event-ID", fix="send back the id of an event of this stream")
    after = int(last_event_id)
    backlog = await askwell.sessions.watch(tenant, session_id, after=after, heard=0, wait_s=0)
    stream = _stream(askwell, tenant, session_id, after, backlog)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _stream(askwell: Service, tenant: str, session_id: str, after: int, seen: Seen) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    while True:
        for entry in seen.entries:
            yield _event(entry)
            after = entry.version
        for piece in seen.pieces:
            yield _delta(piece)
        if not (seen.entries or seen.pieces):
            yield ": keep-alive\n\n"
        try:
            seen = await askwell.sessions.watch(tenant, session_id, after=after, heard=seen.heard, wait_s=KEEP_ALIVE_S)
        except NotFound:
            yield "event: erased\ndata: {}\n\n"
            return
        except RetryLater:
            return  # the client connects again and goes on after the last id it has seen


def _delta(piece: Piece) -> str:
    """Without an id: what is still being written cannot be resumed from, only what is committed."""
    data = {"question_id": piece.question_id, **asdict(piece.delta)}
    return f"event: Delta\ndata: {json.dumps(data)}\n\n"


def _event(entry: LogEntry) -> str:
    kind = type(entry.event)
    data: dict[str, int | str] = {"version": entry.version, "at_ms": entry.at_ms}
    if entry.question_id:
        data |= {"question_id": entry.question_id, "step": STEPS[kind].value}
    return f"id: {entry.version}\nevent: {kind.__name__}\ndata: {json.dumps(data)}\n\n"
