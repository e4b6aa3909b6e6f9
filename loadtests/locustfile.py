"""Candidates as Locust users: each opens an interview and answers its questions one after another.

    locust -f loadtests/locustfile.py --headless --users 10 --spawn-rate 5 --run-time 1m --host http://127.0.0.1:8000

Requests are real ones and carry an Idempotency-Key. A refusal with `Retry-After` is kept to, not counted as a
failure; anything else that is not a success is one.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from locust import FastHttpUser, between, task

CV = "Ada Nowak\nBackend developer, Northgate Ltd, 2021 - 2025\nBuilt REST APIs in Python and Django."
JOB = "Platform engineer\nYou need:\n- Kubernetes in production\n- Terraform\n- Kafka\n- Prometheus\n- Python"
RESPONSES = ("yes", "yes", "no", "willing_to_learn")
INPUTS = {
    "context": "Work",
    "duration": "8 months",
    "tools": "kind, Helm",
    "achievement": "I moved five services into a cluster, wrote the charts and trained two colleagues.",
    "metrics": "Deployments went from 40 minutes to 6 minutes.",
}
MAX_ROUNDS = 2


class Candidate(FastHttpUser):
    """Thinks for a second or two between steps, and refines what falls short as often as it may."""

    wait_time = between(1, 2)

    @task
    def interview(self) -> None:
        session = self._post("/api/sessions", {"cv": CV, "job": JOB}, "open session")
        if session is None:
            return
        for question in session["questions"]:
            self._think()
            self._answer(f"/api/sessions/{session['id']}/questions/{question['id']}")

    def _answer(self, path: str) -> None:
        response = random.choice(RESPONSES)  # noqa: S311 - a mix of users, not a secret
        question = self._post(f"{path}/experience", {"response": response}, f"reply {response}")
        if question is None or question["step"] != "PROMPTED":
            return
        asked = {prompt["id"] for prompt in question["prompts"]}
        given = {name: value for name, value in INPUTS.items() if name in asked}
        self._think()
        question = self._post(f"{path}/inputs", {"inputs": given}, "inputs")
        for _ in range(MAX_ROUNDS):
            if question is None or question["step"] != "NEEDS_REFINEMENT":
                return
            self._think()
            more = {question["follow_ups"][0]["id"]: INPUTS["metrics"]}
            question = self._post(f"{path}/refinement", {"inputs": more}, "refinement")

    def _think(self) -> None:
        self.wait()  # type: ignore[no-untyped-call]

    def _post(self, path: str, body: dict[str, Any], name: str) -> dict[str, Any] | None:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with self.client.post(path, json=body, headers=headers, name=name, catch_response=True) as reply:
            if reply.ok:
                found: dict[str, Any] = reply.json()
                return found
            if reply.headers is not None and "Retry-After" in reply.headers:
                reply.success()
            return None
