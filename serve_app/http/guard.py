"""What stands before every route: host, tenant, admission, the body's size, time and nesting, a request id.

Plain ASGI, so that a refused request costs microseconds and no route, model or thread sees it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.http.admission import Admission
from serve_app.http.problems import TITLES, malformed, problem, respond
from serve_app.http.tenants import Tenants
from serve_app.settings import Settings, is_loopback
from state.errors import AskwellError, InvalidField, Overloaded, Unauthorized

MAX_NESTING = 20
BODY_TIMEOUT_S = 15.0
PROBE_EVERY_S = 0.25
STREAMS = "/events"
METERED = "/api/"
SCRAPED = "/metrics"
"""Wants a key where there are any, and is answered however busy the service is."""
_STRINGS_AND_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
"""An unclosed string is taken as one too, so that every byte is looked at once."""


class Guard:
    """Admits requests of known tenants as `Admission` says, and `max_in_flight` event streams beside them.

    While requests are in flight `probe` is asked every `PROBE_EVERY_S` how long it takes to be answered.
    """

    def __init__(self, app: ASGIApp, settings: Settings, probe: Callable[[], Awaitable[object]]) -> None:
        self._app = app
        self._probe = probe
        self._probing: asyncio.Task[None] | None = None
        self._tenants = Tenants(settings.api_keys)
        self._max_body_bytes = settings.max_body_bytes
        self._loopback_only = not settings.api_keys
        clock = time.monotonic
        self._requests = Admission(most=settings.max_in_flight, clock=clock)
        self._streams = Admission(most=settings.max_in_flight, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._foreign_host(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        scraped = scope["path"] == SCRAPED
        if not (scraped or scope["path"].startswith(METERED)):
            await self._app(scope, receive, send)
            return
        tenant = self._tenants.of(Request(scope).headers.get("authorization", ""))
        if tenant is None:
            await problem(Unauthorized())(scope, receive, send)
            return
        scope.setdefault("state", {}).update(tenant=tenant, request_id=uuid.uuid4().hex)
        if scraped:
            await self._app(scope, receive, send)
            return
        lane = self._streams if scope["path"].endswith(STREAMS) else self._requests
        try:
            lane.enter(tenant)
        except Overloaded as refusal:
            await problem(refusal)(scope, receive, send)
            return
        if self._probing is None and lane is self._requests:
            self._probing = asyncio.create_task(self._probes())
        try:
            await self._admitted(scope, receive, send)
        finally:
            lane.leave(tenant)
            if scope["state"].get("throttled"):
                self._requests.throttled()

    async def _probes(self) -> None:
        """Measure until nothing is in flight; a probe that fails has taken as long as it took."""
        try:
            while self._requests.in_flight:
                began = time.monotonic()
                with suppress(AskwellError):
                    await self._probe()
                self._requests.measured(time.monotonic() - began)
                await asyncio.sleep(PROBE_EVERY_S)
        finally:
            self._probing = None

    def _foreign_host(self, scope: Scope) -> Response | None:
        """Without keys only this machine may ask, and no web page by way of a name that points here."""
        if not self._loopback_only:
            return None
        host = Request(scope).headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        if host and not is_loopback(host):
            return respond("ForeignHost", 421, TITLES[421], detail="Without API keys only loopback names are served.")
        return None

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD", "DELETE", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(scope, receive)
        except ClientDisconnect:
            return
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Response:
        """The whole body, or why it is not taken."""
        headers = Request(scope).headers
        if "json" not in headers.get("content-type", "application/json"):
            return respond("NotJson", 415, TITLES[415], detail="Send the body as application/json.")
        declared = headers.get("content-length", "0")
        too_large = declared.isdigit() and int(declared) > self._max_body_bytes
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = None if too_large else await _received(receive, self._max_body_bytes)
        except TimeoutError:
            return respond("TooSlow", 408, TITLES[408], detail=f"Send the body within {BODY_TIMEOUT_S:.0f} s.")
        if body is None:
            limit = f"At most {self._max_body_bytes} bytes."
            return respond("TooLarge", 413, TITLES[413], detail=limit, field="body")
        return _refused(body) or body


def _refused(body: bytes) -> Response | None:
    """Why a whole body is not taken, from its bytes alone."""
    if not _is_utf8(body):
        return malformed()
    if _nesting(body) > MAX_NESTING:
        return problem(InvalidField(field="body", fix=f"may be nested at most {MAX_NESTING} levels deep"))
    if _broken_characters(body):
        return problem(InvalidField(field="body", fix="holds half of a surrogate pair, which is no character"))
    return None


async def _received(receive: Receive, limit: int) -> bytes | None:
    """The body's bytes; None if there are more than `limit`. Raises `ClientDisconnect`."""
    chunks = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks += message.get("body", b"")
        if len(chunks) > limit:
            return None
        more = message.get("more_body", False)
    return bytes(chunks)


def _nesting(body: bytes) -> int:
    """How deep brackets are nested outside of strings; linear in the body's length."""
    depth = deepest = 0
    for match in _STRINGS_AND_BRACKETS.finditer(body):
        mark = match.group()[:1]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest


def _broken_characters(body: bytes) -> bool:
    r"""Whether an escape like `\ud800` stands alone: JSON allows it, no text can hold it."""
    if rb"\ud" not in body.lower():
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except ValueError:
        return False  # not JSON at all; the route says so
    return False


def _is_utf8(body: bytes) -> bool:
    """JSON is UTF-8; a NUL, which no JSON has, gives UTF-16 and UTF-32 away."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\x00" not in body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once, then whatever the connection says next (a disconnect)."""
    pending: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
