"""Errors as RFC 9457 `application/problem+json`: one table from Askwell's errors to HTTP."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from serve_app.http.views import Problem
from state.errors import (
    AskwellError,
    Broken,
    BrokenReply,
    BudgetSpent,
    Degraded,
    Erased,
    Fenced,
    InvalidField,
    KeyReused,
    NotFound,
    Overloaded,
    OwnedElsewhere,
    RecordUnreadable,
    SessionFull,
    StepNotOpen,
    StepTimedOut,
    StillRunning,
    StoreUnavailable,
    TenantOverloaded,
    Throttled,
    Unauthorized,
    Unconfirmed,
    WorkUnavailable,
)

MEDIA_TYPE = "application/problem+json"

PROBLEMS: Mapping[type[AskwellError], tuple[int, str]] = {
    InvalidField: (422, "A field of the request is not valid"),
    Unauthorized: (401, "No known API key"),
    NotFound: (404, "Nothing here under this id"),
    Erased: (410, "The session was erased"),
    StepNotOpen: (409, "This step is not open"),
    StillRunning: (409, "This step is still running"),
    SessionFull: (409, "The session has taken as many steps as one may"),
    KeyReused: (422, "The Idempotency-Key was used with another request"),
    StoreUnavailable: (503, "The session store does not answer"),
    Unconfirmed: (503, "The write is not confirmed"),
    Degraded: (503, "A part works with less than it should have"),
    Fenced: (503, "The session has just moved"),
    OwnedElsewhere: (503, "The session is moving"),
    WorkUnavailable: (503, "The work cannot be done now"),
    Throttled: (503, "The provider takes no more calls at the moment"),
    StepTimedOut: (503, "The work took too long"),
    BrokenReply: (502, "A provider gave an unusable reply"),
    BudgetSpent: (429, "The day's budget is used up"),
    Overloaded: (503, "The service is at its limit"),
    TenantOverloaded: (429, "The tenant has more than its share under way"),
    RecordUnreadable: (500, "A stored record cannot be read"),
    Broken: (500, "Something is broken"),
}
"""Status and title of every error, by its class; a problem's `type` is the class's name."""

TITLES = {
    400: "The request is malformed",
    404: "There is no such address",
    405: "This address does not take that method",
    408: "The request came in too slowly",
    413: "The request body is too large",
    415: "The request body is not JSON",
    421: "The request is for another host",
}

_UNION_MEMBER = re.compile(r"(?:constrained-)?(?:str|int|float)|(?:list|dict)\[.*")
"""What pydantic adds to the path of a field that may be of several types."""


def documented(*errors: type[AskwellError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of a route: its own errors and those that any route can give."""
    every = (*errors, InvalidField, Unauthorized, Overloaded, TenantOverloaded, StoreUnavailable)
    responses: dict[int | str, dict[str, Any]] = {}
    for error in dict.fromkeys(every):
        status, title = PROBLEMS[error]
        examples = responses.setdefault(
            status,
            {"description": "", "model": Problem, "content": {MEDIA_TYPE: {"examples": {}}}},
        )
        examples["description"] = "; ".join(filter(None, [examples["description"], title]))
        examples["content"][MEDIA_TYPE]["examples"][error.__name__] = {"value": _body(error.__name__, status, title)}
    return responses


def problem(error: AskwellError) -> Response:
    """The response an error amounts to."""
    status, title = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    extra = {name: error.data[name] for name in ("field", "fix", "step", "accepts") if name in error.data}
    retry_after_s = getattr(error, "retry_after_s", None)
    return respond(type(error).__name__, status, title, detail=str(error), retry_after_s=retry_after_s, **extra)


def respond(
    kind: str,
    status: int,
    title: str,
    *,
    detail: str = "",
    retry_after_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    """A problem response; `retry_after_s` is rounded up to whole seconds, as HTTP wants it."""
    sent = dict(headers or {})
    if retry_after_s is not None:
        sent["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    body = _body(kind, status, title, detail, **extra)
    return Response(json.dumps(body), status_code=status, media_type=MEDIA_TYPE, headers=sent)


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""

    @app.exception_handler(AskwellError)
    async def _askwell(request: Request, error: AskwellError) -> Response:
        request.state.throttled = isinstance(error, Throttled)  # the guard lets fewer in then
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = [part for part in map(str, first["loc"]) if part != "body" and not _UNION_MEMBER.fullmatch(part)]
        if first["type"] == "json_invalid":
            return malformed()
        return problem(InvalidField(field=".".join(where)[:200] or "body", fix=_fix(first)))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            return malformed()
        title = TITLES.get(error.status_code, "The request cannot be answered")
        return respond("Refused", error.status_code, title, headers=error.headers)

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, error: Exception) -> Response:
        return problem(Broken(f"Unexpected {type(error).__name__}; the log has its trace."))


def malformed() -> Response:
    return respond("Malformed", 400, TITLES[400], detail="The body is not JSON in UTF-8.")


def _body(kind: str, status: int, title: str, detail: str = "", **extra: Any) -> dict[str, Any]:
    return {"type": f"urn:askwell:problem:{kind}", "title": title, "status": status, "detail": detail or title, **extra}


def _fix(first: Mapping[str, Any]) -> str:
    """Pydantic's message; never the input, which it would quote elsewhere."""
    if first["type"] == "missing":
        return "is required"
    return str(first["msg"]).removeprefix("Value error, ")
