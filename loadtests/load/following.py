"""A reader of a session's events: hangs up now and then, and goes on after the last event it has seen."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import Any, Protocol

import gevent  # type: ignore[import-untyped]
from geventhttpclient.client import HTTPClient

from loadtests.load.samples import kind_of, outcome

EVENTS_A_CONNECTION = (4, 15)
AWAY_S = (0.2, 3.0)
SILENCE_S = 40.0
"""Longer than the stream's keep-alives are apart."""
LATER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One block of a stream. `number` is the session's version; None for what cannot be resumed from."""

    number: int | None
    name: str
    at_ms: int


class Telling(Protocol):
    """As `Asking.tell`."""

    def __call__(
        self, step: str, *, kind: str, began_s: float, took_ms: float, refused: str = "", error: str = ""
    ) -> None: ...


def event_of(block: bytes) -> Event | None:
    """None for a comment, and for how long to wait before connecting again."""
    lines = dict(line.partition(": ")[::2] for line in block.decode().splitlines() if ": " in line)
    if "event" not in lines:
        return None
    number = lines.get("id", "")
    data = json.loads(lines.get("data", "{}"))
    return Event(number=int(number) if number else None, name=lines["event"], at_ms=int(data.get("at_ms", 0)))


class Follower:
    """Reads `path` until it is killed, or the session erased; every event once and in order is what it expects."""

    def __init__(self, host: str, path: str, tell: Telling) -> None:
        self._host = host
        self._path = path
        self._tell = tell
        self._seen = 0

    def run(self) -> None:
        while True:
            client = HTTPClient.from_url(self._host, connection_timeout=10.0, network_timeout=SILENCE_S)
            try:
                wait_s = self._connected(client)
            except OSError as error:
                self._tell("watch", kind="SSE", began_s=time.time(), took_ms=0.0, error=type(error).__name__)
                wait_s = LATER_S
            finally:
                client.close()
            if wait_s is None:
                return
            gevent.sleep(wait_s)

    def _connected(self, client: HTTPClient) -> float | None:
        """Seconds to wait before the next connection; None after the last one."""
        began_s, began = time.time(), time.perf_counter()
        reply = client.request("GET", self._path, headers={"Last-Event-ID": str(self._seen)})
        status = reply.status_code
        if status != 200:
            body = reply.read().decode(errors="replace")
            retry_after = str(reply.get("retry-after") or "")
            kind = kind_of(body, str(reply.get("content-type") or ""))
            refused, error = outcome(status, kind, retry_after)
            took_ms = (time.perf_counter() - began) * 1000
            self._tell("watch", kind="SSE", began_s=began_s, took_ms=took_ms, refused=refused, error=error)
            return None if status == 404 else float(retry_after or LATER_S)
        reply.readline(b"\n\n")
        self._tell("watch", kind="SSE", began_s=began_s, took_ms=(time.perf_counter() - began) * 1000)
        return self._read(reply, since_s=time.time())

    def _read(self, reply: Any, *, since_s: float) -> float | None:
        for _ in range(random.randint(*EVENTS_A_CONNECTION)):  # noqa: S311 - a mix of readers, not a secret
            event = None
            while event is None or event.number is None:
                block = reply.readline(b"\n\n")
                if not block:
                    return LATER_S  # the service closed the stream, as it may: go on from the last id
                event = event_of(block)
                if event is not None and event.name == "erased":
                    return None
            self._heard(event.number, event.at_ms / 1000, since_s)
        return random.uniform(*AWAY_S)  # noqa: S311

    def _heard(self, number: int, at_s: float, since_s: float) -> None:
        """How late it came, where it happened while the connection stood."""
        now_s = time.time()
        error = ""
        if number != self._seen + 1:
            error = "an event again" if number <= self._seen else "an event missed"
        self._seen = max(self._seen, number)
        if error or at_s > since_s:
            late_ms = max(0.0, (now_s - at_s) * 1000)
            self._tell("event", kind="SSE", began_s=now_s, took_ms=late_ms, error=error)
