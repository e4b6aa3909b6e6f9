"""What became of an idempotency key: begun, with which request, and the reply once there is one.

An outcome without a reply belongs to a step that is running, or that failed in a way that lets the
same request try again. An outcome with a reply is final: whoever repeats the request gets that reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from state.codec import pack, pack_session, unpack
from state.errors import KeyReused
from state.model import Question, Session
from state.session import SESSION_ITSELF
from state.workflow import pending, session_pending

OWN_KEY = "request:"
"""Begins the key of a request that came without one: nobody can repeat it, but it may be delivered twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and how to tell a repetition: `key` is the Idempotency-Key, `fingerprint` the hash of
    the request it came with, `request_id` this one HTTP request (which may be delivered twice)."""

    tenant: str
    key: str
    fingerprint: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One key's record. `target` is a question's id or `SESSION_ITSELF`; `started` the version of the
    commit that began it; `reply` a packed `Question` or `Session` as it was at the step's end."""

    fingerprint: str
    request_id: str
    target: str
    started: int
    reply: bytes = b""


def begun(caller: Caller, target: str, *, version: int) -> Outcome:
    """The outcome of a step that starts now; `version` is the one before its first commit."""
    return Outcome(
        fingerprint=caller.fingerprint,
        request_id=caller.request_id,
        target=target,
        started=version + 1,
    )


def known(outcomes: Mapping[str, Outcome], caller: Caller) -> Outcome | None:
    """What the caller's key stands for. Raises `KeyReused` if it came with another request before."""
    outcome = outcomes.get(caller.key)
    if outcome is not None and outcome.fingerprint != caller.fingerprint:
        raise KeyReused
    return outcome


def unanswered(outcomes: Mapping[str, Outcome], target: str) -> str | None:
    """The key that began the target's running step: the latest without a reply."""
    keys = [key for key, outcome in outcomes.items() if outcome.target == target and not outcome.reply]
    return max(keys, key=lambda key: outcomes[key].started, default=None)


def answered(outcome: Outcome, session: Session) -> Outcome:
    """With the reply, if the step has come to its end in `session`; else as it was."""
    if outcome.target == SESSION_ITSELF:
        if session_pending(session):
            return outcome
        return replace(outcome, reply=pack_session(session))
    question = session.require(outcome.target)
    return outcome if pending(question) else replace(outcome, reply=pack(question))


def superseded(outcomes: Mapping[str, Outcome], key: str, target: str) -> tuple[str, ...]:
    """The keys of former attempts at the target that came to nothing, now that `key` begins another."""
    return tuple(
        other for other, outcome in outcomes.items() if outcome.target == target and not outcome.reply and other != key
    )


def question_reply(outcome: Outcome) -> Question:
    return unpack(Question, outcome.reply)


def session_reply(outcome: Outcome, held: Session) -> Session:
    """The session as it was when it had been created, with its documents."""
    return replace(unpack(Session, outcome.reply), cv=held.cv, job=held.job)
