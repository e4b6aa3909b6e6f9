"""Processes of a real cluster killed and stopped under real requests: one outcome, and soon."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from tests.cluster.running import Running, wait_for
from tests.cluster.test_service import GOOD, fitting, log, opened

WITHIN_S = 5.0
"""From the moment an owner stops until another one answers for its sessions."""


def insisted(service: Running, path: str, body: Any, key: str, *, within_s: float = 60.0) -> httpx.Response:
    """As a client does that was promised an outcome: the same request under the same key until it has one."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            reply = service.client.post(path, json=body, headers={"Idempotency-Key": key})
            if reply.status_code < 400:
                return reply
            problem = reply.headers["content-type"] == "application/problem+json"
            assert not problem or "retry-after" in reply.headers, reply.text
        except httpx.TransportError:
            reply = httpx.Response(599)
        assert time.monotonic() < deadline, reply
        time.sleep(0.1)


def path_of(session: dict[str, Any], question: str, action: str) -> str:
    return f"/api/sessions/{session['id']}/questions/{question}/{action}"


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def processes(service: Running, name: str) -> list[psutil.Process]:
    found = []
    for child in service.children():
        try:
            if name in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def test_a_stopped_session_actor_s_sessions_answer_elsewhere_and_it_comes_back_to_nothing(service: Running) -> None:
    wait_for(lambda: service.client.get("/health/ready").json()["status"] == "ok", 60)
    sessions = [opened(service) for _ in range(8)]
    actors = processes(service, "SessionStateActor")
    assert len(actors) == 2

    def read(session: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        began = time.monotonic()
        reply = service.client.get(f"/api/sessions/{session['id']}")
        while reply.status_code != 200:
            assert "retry-after" in reply.headers, reply.text
            reply = service.client.get(f"/api/sessions/{session['id']}")
        return time.monotonic() - began, reply.json()

    with stopped(actors[0]), ThreadPoolExecutor(len(sessions)) as pool:
        taken = list(pool.map(read, sessions))
        slowest = max(seconds for seconds, _ in taken)
        assert [found["version"] for _, found in taken] == [session["version"] for session in sessions]
        assert 0.5 < slowest < WITHIN_S, f"taken over after {slowest:.2f} s"
        for session in sessions:
            reply = insisted(service, path_of(session, "q1", "experience"), {"response": "no"}, f"no-{session['id']}")
            assert reply.json()["step"] == "SKIPPED"
    for session in sessions:
        again = insisted(service, path_of(session, "q1", "experience"), {"response": "no"}, f"no-{session['id']}")
        assert again.json()["step"] == "SKIPPED"
        assert log(service, session["id"]).count("SaidNo") == 1
    wait_for(lambda: service.client.get("/health/ready").json()["status"] == "ok", 60)


@pytest.mark.parametrize("victim", ["ServeReplica:askwell:Generator", "ServeReplica:askwell:Ingress", "valkey-server"])
def test_a_step_comes_to_one_outcome_whatever_is_killed_under_it(service: Running, victim: str) -> None:
    session, key = opened(service), uuid.uuid4().hex
    question = insisted(service, path_of(session, "q1", "experience"), {"response": "yes"}, "yes").json()
    body = {"inputs": fitting(question, GOOD)}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(insisted, service, path_of(session, "q1", "inputs"), body, key)
        service.kill(victim)
        reply = running.result(90)
    assert reply.json()["step"] == "ACCEPTED"
    wait_for(lambda: service.client.get("/health/live").status_code == 200, 60)
    again = insisted(service, path_of(session, "q1", "inputs"), body, key)
    assert again.content == reply.content
    kinds = log(service, session["id"])
    assert [kinds.count(kind) for kind in ("InputsGiven", "AnswerAccepted")] == [1 + kinds.count("DraftWithdrawn"), 1]
    wait_for(lambda: service.client.get("/health/ready").status_code == 200, 60)


def test_steps_go_on_from_the_journal_while_redis_hangs_and_are_in_redis_afterwards(service: Running) -> None:
    wait_for(lambda: service.client.get("/health/ready").json()["status"] == "ok", 60)
    sessions = [opened(service) for _ in range(3)]
    (valkey,) = processes(service, "valkey-server")
    with stopped(valkey):
        wait_for(lambda: service.client.get("/health/ready").json()["status"] == "degraded", 15)
        for session in sessions:
            reply = insisted(service, path_of(session, "q2", "experience"), {"response": "no"}, f"q2-{session['id']}")
            assert reply.json()["step"] == "SKIPPED"
        refused = service.client.post("/api/sessions", json={"cv": "Ada", "job": "Go"})
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    began = time.monotonic()
    wait_for(lambda: service.client.get("/health/ready").json()["status"] == "ok", 30)
    recovered_s = time.monotonic() - began
    assert recovered_s < WITHIN_S, f"recovered after {recovered_s:.2f} s"
    assert list((service.data_dir / "journal").glob("*.wal")) == []
    service.kill("SessionStateActor")  # what is read now comes from Redis
    for session in sessions:
        again = insisted(service, path_of(session, "q2", "experience"), {"response": "no"}, f"q2-{session['id']}")
        assert again.json()["step"] == "SKIPPED"
        assert log(service, session["id"]).count("SaidNo") == 1
    wait_for(lambda: service.client.get("/health/ready").json()["status"] == "ok", 60)
