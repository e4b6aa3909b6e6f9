"""How a user of the load asks: with a key, as often as told to come back, and noted."""

from __future__ import annotations

import random
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events

from loadtests.load.samples import REFUSED, Notes, Sample, kind_of, outcome
from loadtests.load.scenarios import READING_S, WRITING_S

MOST_TRIES = 30
LATER_S = 0.5
"""Up to so much later than told a user comes back, lest all that were refused come at once."""

Body = Mapping[str, Any]
Finding = Callable[[dict[str, Any]], str]
"""What is wrong with a reply that came: a kind of error, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Body | None
    step: str
    mark: str
    check: Finding | None


class Asking(FastHttpUser):
    """`notes` of all users of a process go into the folder of `--notes`, if one is named. `think` is the share of the
    times above that they take."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 75.0
    notes: Notes | None = None
    think: float = 1.0
    _pause_s: float | None = None

    def wait_time(self) -> float:
        pause_s, self._pause_s = self._pause_s, None
        return self.thinking_s() if pause_s is None else pause_s

    def thinking_s(self) -> float:
        return self.think * random.uniform(*READING_S)  # noqa: S311 - a mix of users, not a secret

    def writing_s(self) -> float:
        return self.think * random.uniform(*WRITING_S)  # noqa: S311

    def pause(self, seconds: float) -> None:
        """A test that ends meanwhile ends the pause and the user."""
        self._pause_s = seconds
        self.wait()  # type: ignore[no-untyped-call]

    def ask(
        self, method: str, path: str, *, step: str, mark: str, body: Body | None = None, check: Finding | None = None
    ) -> dict[str, Any] | None:
        """The reply, asked for again with the same key for as long as the service says when; None where it failed."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}
        asked = _Asked(method=method, path=path, headers=headers, body=body, step=step, mark=mark, check=check)
        for _ in range(MOST_TRIES):
            reply, wait_s = self._once(asked)
            if wait_s is None:
                return reply
            self.pause(wait_s + random.uniform(0, LATER_S))  # noqa: S311
        self.tell(step, kind=method, began_s=time.time(), took_ms=0.0, error="never let in")
        return None

    def tell(self, step: str, *, kind: str, began_s: float, took_ms: float, refused: str = "", error: str = "") -> None:
        """Note what was no request of `ask`."""
        self.environment.events.request.fire(
            request_type=kind,
            name=f"{step}{REFUSED}" if refused else step,
            response_time=took_ms,
            response_length=0,
            exception=RuntimeError(error) if error else None,
            context={"step": step, "refused": refused, "error": error, "notes": self.notes},
            start_time=began_s,
        )

    def _once(self, asked: _Asked) -> tuple[dict[str, Any] | None, float | None]:
        """A reply, or the seconds to wait for the next try, or neither."""
        asking = self.client.request(
            asked.method,
            asked.path,
            json=asked.body,
            headers=asked.headers,
            name=asked.step,
            catch_response=True,
            context={"step": asked.step, "mark": asked.mark, "notes": self.notes},
        )
        with asking as reply:
            got = reply.headers or {}
            failed = type(reply.error).__name__ if not reply.status_code and reply.error else ""
            kind = failed or kind_of(reply.text, got.get("Content-Type", ""))
            retry_after = got.get("Retry-After")
            refused, error = outcome(reply.status_code, kind, retry_after)
            found: dict[str, Any] | None = None
            if not (refused or error):
                found = reply.json()
                error = asked.check(found) if asked.check else ""
            reply.request_meta["context"] |= {"refused": refused, "error": error}
            if error:
                reply.failure(error)
            else:
                reply.success()
            if refused:
                reply.request_meta["name"] = f"{asked.step}{REFUSED}"
        return found, float(retry_after) if refused and retry_after else None


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: ArgumentParser, **_: Any) -> None:
    parser.add_argument("--notes", metavar="FOLDER", help="Where to note every request, and where sessions stand")
    parser.add_argument("--think", type=float, default=1.0, help="Share of the time that a candidate thinks")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _opened(environment: Any, **_: Any) -> None:
    folder = environment.parsed_options.notes if environment.parsed_options else None
    Asking.notes = Notes(Path(folder)) if folder else None
    Asking.think = environment.parsed_options.think if environment.parsed_options else 1.0


@events.request.add_listener  # type: ignore[untyped-decorator]
def _noted(name: str, response_time: float, start_time: float, context: Mapping[str, Any], **_: Any) -> None:
    notes = context.get("notes")
    if notes is not None:
        notes.sample(
            Sample(
                step=context.get("step", name),
                began_s=start_time,
                took_ms=response_time,
                mark=context.get("mark", ""),
                refused=context.get("refused", ""),
                error=context.get("error", ""),
            )
        )


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _ended(**_: Any) -> None:
    if Asking.notes is not None:
        Asking.notes.close()
