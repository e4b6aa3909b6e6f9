"""Times every request of the service's own work, outside of admission, and records how it ended.

Health, metrics, documents and event streams, which last as long as somebody listens, are no such work.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.http.problems import MEDIA_TYPE
from state.metrics.labels import ERROR_KINDS, GIVEN_UP, NONE, OTHER, Labels, Operation
from state.metrics.recorder import Recorder, Timed
from state.metrics.routes import ROUTES

WRONG = "InvalidField"
"""What a request is counted as that was wrong in a way that no error of Askwell's stands for: too large, no JSON."""
_OPERATIONS = {
    (route.method, re.sub(r"\{\w+\}", "*", route.path.removeprefix("/api/"))): operation
    for operation, route in ROUTES.items()
}
_WITH_IDS = frozenset({"sessions", "learning-plans"})


def operation_of(method: str, path: str) -> Operation | None:
    """What a request does, from its first line alone: one that is refused is never routed."""
    if not path.startswith("/api/"):
        return None
    parts = path.removeprefix("/api/").split("/")
    if parts[0] in _WITH_IDS:
        parts[1::2] = ["*"] * len(parts[1::2])
    return _OPERATIONS.get((method, "/".join(parts)))


class Metered:
    """Plain ASGI, as the guard is. What ends before a response begins was given up, or broke."""

    def __init__(self, app: ASGIApp, recorder: Recorder, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._app = app
        self._recorder = recorder
        self._clock_ns = clock_ns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = operation_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if operation is None:
            await self._app(scope, receive, send)
            return
        ending = _Ending(send)
        with Timed(self._recorder, Labels(operation), self._clock_ns) as timed:
            await self._app(scope, receive, ending)
            timed.error = ending.error


class _Ending:
    """Passes a response on, and reads how it ends."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._is_problem = False
        self.error = GIVEN_UP

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._is_problem = (b"content-type", MEDIA_TYPE.encode()) in message["headers"]
            self.error = NONE if self._status < 400 else _kind("", self._status)
        elif self._is_problem and message["type"] == "http.response.body":
            self.error = _kind(json.loads(message["body"])["type"].rpartition(":")[2], self._status)
        await self._send(message)


def _kind(told: str, status: int) -> str:
    if told in ERROR_KINDS:
        return told
    return WRONG if status < 500 else OTHER
