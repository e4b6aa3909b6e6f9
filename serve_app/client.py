"""A small client of the sessions' routes, for the terminal."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from serve_app.http.views import Problem, QuestionView, SessionView
from serve_app.settings import is_loopback
from state.errors import AskwellError, InvalidField, RetryLater, StillRunning
from state.model import Inputs

View = TypeVar("View", bound=BaseModel)
ExperienceReply = Literal["yes", "no", "willing_to_learn"]

WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between one attempt and the next, unless the service asks for longer."""
MAX_RETRY_AFTER_S = 60.0
CONNECT_TIMEOUT_S = 5.0


class ApiProblem(AskwellError):
    """The service refused. `kind` is the error's name there; `retry_after_s` only where repeating may help."""

    status: int
    title: str
    detail: str
    field: str | None
    fix: str | None
    kind: str
    retry_after_s: float | None

    def __init__(
        self,
        message: str = "",
        *,
        status: int,
        title: str,
        detail: str = "",
        field: str | None = None,
        fix: str | None = None,
        kind: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        told = f"{field}: {fix}" if field and fix else detail
        super().__init__(
            message or (f"{title}: {told}" if told not in ("", title) else title),
            status=status,
            title=title,
            detail=detail,
            field=field,
            fix=fix,
            kind=kind,
            retry_after_s=retry_after_s,
        )


class Unreachable(RetryLater):
    """Nothing answers at the address, or the connection broke each time."""


class AskwellClient:
    """Each POST has one Idempotency-Key, which its repetitions keep: nothing is done twice.

    A request is repeated at most five times: after a broken connection, after a 502, 503 or 504, while the
    step still runs, and after a 500 that is no problem of Askwell's (a replica that died). All methods raise
    `ApiProblem` and `Unreachable`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 120,
        sleep: Callable[[float], None] = time.sleep,
        new_key: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise InvalidField(field="url", fix="must look like http://127.0.0.1:8000")
        self._base_url = base_url
        self._sleep = sleep
        self._new_key = new_key
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            trust_env=not is_loopback(address.hostname),  # no proxy stands before this machine
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def create(self, *, cv: str, job: str, user: str = "", max_questions: int = 10) -> SessionView:
        body = {"cv": cv, "job": job, "user": user, "max_questions": max_questions}
        return _read(SessionView, self._send("POST", "/api/sessions", body))

    def get(self, session_id: str) -> SessionView:
        return _read(SessionView, self._send("GET", _path(session_id)))

    def delete(self, session_id: str) -> None:
        self._send("DELETE", _path(session_id))

    def experience(self, session_id: str, question_id: str, response: ExperienceReply) -> QuestionView:
        return self._reply(session_id, question_id, "experience", {"response": response})

    def inputs(self, session_id: str, question_id: str, inputs: Inputs) -> QuestionView:
        return self._reply(session_id, question_id, "inputs", {"inputs": dict(inputs)})

    def refinement(self, session_id: str, question_id: str, inputs: Inputs) -> QuestionView:
        return self._reply(session_id, question_id, "refinement", {"inputs": dict(inputs)})

    def _reply(self, session_id: str, question_id: str, action: str, body: Mapping[str, Any]) -> QuestionView:
        path = f"{_path(session_id)}/questions/{quote(question_id, safe='')}/{action}"
        return _read(QuestionView, self._send("POST", path, body))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": self._new_key()} if method == "POST" else {}
        request = self._http.build_request(method, path, json=body, headers=headers)
        for wait_s in WAITS_S:
            try:
                return self._once(request)
            except (ApiProblem, Unreachable) as problem:
                if problem.retry_after_s is None or problem.retry_after_s > MAX_RETRY_AFTER_S:
                    raise
                self._sleep(max(wait_s, problem.retry_after_s))
        return self._once(request)

    def _once(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise Unreachable(
                f"Askwell does not answer at {self._base_url}. Is it running? 'askwell up' starts it.", retry_after_s=0
            ) from error
        if not response.is_success:
            raise _problem(response)
        return response


def _path(session_id: str) -> str:
    return f"/api/sessions/{quote(session_id, safe='')}"


def _read(view: type[View], response: httpx.Response) -> View:
    try:
        return view.model_validate_json(response.content)
    except ValidationError:
        raise ApiProblem(
            status=response.status_code, title="What answers there is not this version of Askwell"
        ) from None


def _problem(response: httpx.Response) -> ApiProblem:
    try:
        told = Problem.model_validate_json(response.content)
    except ValidationError:
        told = Problem(
            type="", title=response.reason_phrase or "The request failed", status=response.status_code, detail=""
        )
    kind = told.type.rpartition(":")[2]
    passing = response.status_code in (502, 503, 504) or kind == StillRunning.__name__
    died = response.status_code == 500 and not kind
    return ApiProblem(
        status=response.status_code,
        title=told.title,
        detail=told.detail,
        field=told.field,
        fix=told.fix,
        kind=kind,
        retry_after_s=_retry_after_s(response) if passing or died else None,
    )


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds; 0 where the header is missing or holds a date."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0
