"""The whole service over real HTTP on a real cluster: interviews, faults, limits, scaling."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from actors.grounding import ungrounded
from state.model import Answer, Document
from tests.cluster.running import Running, clean_environment, wait_for
from tests.conftest import EXAMPLES

ANSWERS = TypeAdapter(Answer)
GAPS = [{"title": title, "job_asks": f"{title} in production"} for title in ("Kubernetes", "Kafka", "Terraform")]
GOOD = {
    "context": "Work",
    "duration": "8 months",
    "achievement": "I moved five Django services to Kubernetes, wrote the Helm charts and trained two colleagues.",
    "metrics": "Deployments went from 40 minutes to 6 minutes.",
}
THIN = {"achievement": "Used it a bit."}


def example(name: str) -> tuple[Path, Path, Path]:
    folder = EXAMPLES / name
    (cv,), (job,) = list(folder.glob("cv.*")), list(folder.glob("job.*"))
    return cv, job, folder / "answers.json"


def opened(service: Running, **changes: Any) -> dict[str, Any]:
    body = {"cv": "Ada Nowak\nDjango developer at Northgate, 2021 - 2025", "job": "Platform engineer", "gaps": GAPS}
    reply = service.client.post("/api/sessions", json={**body, **changes})
    assert reply.status_code == 201, reply.text
    session: dict[str, Any] = reply.json()
    return session


def step(  # noqa: PLR0917 - reads as a sentence at the call
    service: Running, session: dict[str, Any], question: str, action: str, body: Any, key: str = ""
) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    path = f"/api/sessions/{session['id']}/questions/{question}/{action}"
    return service.client.post(path, json=body, headers=headers)


def fitting(question: dict[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """The inputs that the question's prompts ask for."""
    prompts = {prompt["id"]: prompt for prompt in question["prompts"]}
    return {
        name: value
        for name, value in inputs.items()
        if name in prompts and (not prompts[name]["options"] or value in prompts[name]["options"])
    }


def test_it_was_ready_within_a_minute_and_a_half_beside_other_tests(service: Running) -> None:
    assert service.startup_s < 90, service.startup_s


@pytest.mark.parametrize("name", ["backend-engineer", "ward-nurse", "logistics-coordinator"])
def test_an_example_is_interviewed_to_the_end_with_every_claim_sourced(service: Running, name: str) -> None:
    cv, job, answers = example(name)
    run = service.command("interview", str(cv), str(job), "--answers", str(answers), "--user", name)
    assert run.returncode == 0, run.stdout + run.stderr
    session_id = next(word for word in run.stdout.split() if len(word) == 32)
    session = service.client.get(f"/api/sessions/{session_id}").json()
    assert session["finished"]
    assert session["by"].startswith("offline")
    written = [question for question in session["questions"] if question["answer"]]
    assert len(written) >= 3
    document = Document(text=cv.read_text())
    for question in written:
        answer = ANSWERS.validate_python(question["answer"])
        assert ungrounded(answer, question["inputs"], document) == ()
        assert all(bullet.claims for bullet in answer.bullets)
        assert question["evaluation"]["by"].startswith("offline")
    steps = {question["step"] for question in session["questions"]}
    assert {"ACCEPTED", "SKIPPED", "LEARNING"} <= steps


def test_the_three_paths_refinement_and_best_effort(service: Running) -> None:
    session = opened(service)
    assert step(service, session, "q2", "experience", {"response": "no"}).json()["step"] == "SKIPPED"
    learning = step(service, session, "q3", "experience", {"response": "willing_to_learn"}).json()
    assert learning["step"] == "LEARNING"
    assert 1 <= len(learning["resources"]) <= 5
    assert all(found["resource"]["duration_days"] <= 10 for found in learning["resources"])
    question = step(service, session, "q1", "experience", {"response": "yes"}).json()
    assert question["step"] == "PROMPTED"
    assert 4 <= len(question["prompts"]) <= 6
    question = step(service, session, "q1", "inputs", {"inputs": fitting(question, THIN)}).json()
    rounds = []
    while question["step"] == "NEEDS_REFINEMENT":
        rounds.append(question["follow_ups"])
        more = {question["follow_ups"][0]["id"]: "It was fine."}
        question = step(service, session, "q1", "refinement", {"inputs": more}).json()
    assert (len(rounds), question["step"], question["accepted"]) == (2, "BEST_EFFORT", False)


def test_a_good_answer_is_accepted_at_once(service: Running) -> None:
    session = opened(service)
    question = step(service, session, "q1", "experience", {"response": "yes"}).json()
    question = step(service, session, "q1", "inputs", {"inputs": fitting(question, GOOD)}).json()
    assert question["step"] == "ACCEPTED", question["evaluation"]


def test_illegal_steps_unknown_ids_and_bad_bodies_are_problems(service: Running) -> None:
    session = opened(service)
    replies = {
        409: step(service, session, "q1", "inputs", {"inputs": GOOD}),
        404: step(service, {"id": "unknown"}, "q1", "experience", {"response": "no"}),
        422: step(service, session, "q1", "experience", {"response": "maybe"}),
        413: service.client.post("/api/sessions", json={"cv": "x" * 600_000, "job": "y"}),
        400: service.client.post("/api/sessions", content="{", headers={"Content-Type": "application/json"}),
    }
    for status, reply in replies.items():
        assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")


def test_ten_requests_with_one_key_at_once_have_one_outcome(service: Running) -> None:
    session, key = opened(service), uuid.uuid4().hex
    with ThreadPoolExecutor(10) as pool:
        replies = list(
            pool.map(lambda _: step(service, session, "q1", "experience", {"response": "yes"}, key), range(10))
        )
    done = [reply for reply in replies if reply.status_code == 200]
    assert done
    assert len({reply.content for reply in done}) == 1
    assert {reply.status_code for reply in replies} <= {200, 409}
    events = log(service, session["id"])
    assert [name for name in events if name == "SaidYes"] == ["SaidYes"]
    refused = step(service, session, "q1", "experience", {"response": "no"}, key)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:askwell:problem:KeyReused")


def log(service: Running, session_id: str) -> list[str]:
    """The names of a session's events so far."""
    version = service.client.get(f"/api/sessions/{session_id}").json()["version"]
    names, last = [], False
    with service.client.stream("GET", f"/api/sessions/{session_id}/events") as reply:
        for line in reply.iter_lines():
            last = last or line == f"id: {version}"
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                if last:
                    break
    return names


def test_steps_are_streamed_while_they_happen(service: Running) -> None:
    session = opened(service)
    seen: list[str] = []
    streaming = threading.Event()

    def watch() -> None:
        path = f"{service.url}/api/sessions/{session['id']}/events"
        with httpx.stream("GET", path, headers={"Last-Event-ID": str(session["version"])}, timeout=30) as reply:
            streaming.set()
            for line in reply.iter_lines():
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))
                if len(seen) == 2:
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert streaming.wait(20)
    step(service, session, "q1", "experience", {"response": "yes"})
    watcher.join(30)
    assert seen == ["SaidYes", "PromptsWritten"]


def test_the_pools_and_session_actors_are_named_in_the_dashboard(service: Running) -> None:
    assert set(service.replicas()) == {"Ingress", "Generator", "Evaluator", "Retriever"}
    actors = service.dashboard("/api/v0/actors?limit=100")["data"]["result"]["result"]
    names = " ".join(actor["name"] or "" for actor in actors)
    for name in ("Generator", "Evaluator", "Retriever", "session-state-0", "session-state-1", "monitor"):
        assert name in names


def test_every_process_s_recordings_reach_the_monitor(service: Running) -> None:
    session = opened(service)
    assert step(service, session, "q1", "experience", {"response": "yes"}).status_code == 200

    def seen(name: str, part: str) -> set[str]:
        return set(service.client.get(f"/api/metrics/{name}").raise_for_status().json()[part])

    ingress_session_actor_and_retriever = {"create_session", "commit", "find_similar"}
    wait_for(lambda: seen("performance", "by_operation") >= ingress_session_actor_and_retriever, 30)
    components = {"redis", "qdrant", "sessions", "generator", "evaluator", "retriever"}
    wait_for(lambda: seen("health", "components") >= components, 60)


def test_prometheus_is_given_what_every_process_has_measured(service: Running) -> None:
    opened(service)

    def seen() -> dict[str, float]:
        text = service.client.get("/metrics").raise_for_status().text
        families = text_string_to_metric_families(text)
        return {
            sample.labels["operation"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == "askwell_operation_duration_seconds_count"
        }

    wait_for(lambda: set(seen()) >= {"create_session", "commit"}, 30, seen)


def test_the_alerts_are_watched_by_the_monitor(service: Running) -> None:
    def delivered() -> bool:
        return "console" in service.client.get("/api/alerts").raise_for_status().json()["channels"]

    wait_for(delivered, 30)
    alerts = {alert["rule"]: alert for alert in service.client.get("/api/alerts").json()["alerts"]}
    assert (alerts["redis"]["severity"], alerts["qdrant"]["severity"]) == (None, None)


def test_the_dashboard_wants_its_token(service: Running) -> None:
    reply = httpx.get(f"http://127.0.0.1:{service.dashboard_port}/api/serve/applications/", timeout=20)
    assert reply.status_code in (401, 403)


def test_a_killed_session_actor_is_replaced_and_the_step_has_one_outcome(service: Running) -> None:
    for _ in range(3):
        session, key = opened(service), uuid.uuid4().hex
        body = {"response": "yes"}
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(step, service, session, "q1", "experience", body, key)
            service.kill("SessionStateActor")
            reply = running.result(60)
        assert reply.status_code in (200, 503), reply.text
        again = step(service, session, "q1", "experience", body, key)
        assert again.status_code == 200, again.text
        if reply.status_code == 200:
            assert again.content == reply.content
        assert [name for name in log(service, session["id"]) if name in ("SaidYes", "PromptsWritten")] == [
            "SaidYes",
            "PromptsWritten",
        ]
        wait_for(lambda: service.client.get("/health/ready").status_code == 200, 60)


def test_a_killed_retriever_keeps_what_its_vector_store_acknowledged(service: Running) -> None:
    search = {"need": "Kubernetes basics"}
    before = service.client.post("/api/learning-resources/search", json=search).json()
    assert before["resources"]
    service.kill("Retriever")
    assert service.client.post("/api/learning-resources/search", json=search).json() == before


def test_a_second_start_says_that_it_runs_and_leaves_the_first_alone(service: Running) -> None:
    second = service.command("up")
    assert second.returncode == 3
    assert "already running" in second.stdout
    assert service.url in second.stdout.replace("\n", "")
    other_folder = Running(service.data_dir / "other", port=service.port).command("up")
    assert other_folder.returncode == 2
    assert "ASKWELL_PORT" in other_folder.stdout
    assert service.client.get("/health/ready").status_code == 200


def test_doctor_sees_a_healthy_service(service: Running) -> None:
    report = service.command("doctor")
    assert report.returncode == 0, report.stdout
    assert "sessions ok" in report.stdout.replace("\n", " ") or "ok" in report.stdout


def test_load_on_the_generator_scales_the_generator_alone(service: Running) -> None:
    wait_for(lambda: service.replicas()["Generator"] >= 1, 30)
    batch = {"gaps": [{"title": f"Skill {n}"} for n in range(50)]}
    ended = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not ended.is_set():
                reply = client.post("/api/questions/batch", json=batch)
                if reply.status_code == 503:  # a pool that is full is no place to queue in
                    ended.wait(float(reply.headers["Retry-After"]))
                else:
                    reply.raise_for_status()

    users = [threading.Thread(target=load) for _ in range(16)]
    for user in users:
        user.start()
    try:
        wait_for(lambda: service.replicas()["Generator"] == 2, 60, service.replicas)
        replicas = service.replicas()
    finally:
        ended.set()
        for user in users:
            user.join()
    assert (replicas["Evaluator"], replicas["Retriever"]) == (1, 1)


def test_locust_s_candidates_interview_without_a_failure(service: Running) -> None:
    locustfile = EXAMPLES.parent / "loadtests" / "locustfile.py"
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--host", service.url]
    limits = ["--users", "4", "--spawn-rate", "4", "--run-time", "10s", "--think", "0.1", "--only-summary"]
    run = subprocess.run(
        command + limits, env=clean_environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "open session" in run.stdout + run.stderr


def test_nothing_of_a_cv_or_an_answer_is_in_any_log(service: Running) -> None:
    marks = ("Zyxquetzal", "Wombatine")
    session = opened(service, cv=f"{marks[0]} Nowak\nDjango")
    question = step(service, session, "q1", "experience", {"response": "yes"}).json()
    inputs = fitting(question, GOOD) | {"achievement": f"I built {marks[1]} with five colleagues."}
    assert step(service, session, "q1", "inputs", {"inputs": inputs}).status_code == 200
    step(service, session, "q1", "inputs", {"inputs": inputs})
    from serve_app.cluster import ray_directory

    logs = [path for path in (ray_directory() / "session_latest" / "logs").rglob("*") if path.is_file()]
    assert logs
    for path in [*logs, service.log]:
        text = path.read_text(errors="replace")
        assert not any(mark in text for mark in marks), path
    assert json.dumps(session)
