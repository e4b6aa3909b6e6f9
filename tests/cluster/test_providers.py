"""The whole interview through each provider's own SDK, on a real cluster, against the stub of both."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from actors.grounding import ungrounded
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.faults import Fault, FaultPlan
from loadtests.provider_stub.latency import Latency
from loadtests.provider_stub.server import Served, in_process_of_its_own
from serve_app.cluster import ray_directory
from state.model import Document
from tests.cluster.running import Running, wait_for
from tests.cluster.test_service import ANSWERS, GOOD, example, fitting, opened, step
from tests.collector import Collected, Collector, collecting

KEY = "a-key-of-the-stub-and-of-nobody-else"
SPOKEN = StubConfig(latency={"*": Latency(median_ms=300.0, first_token_share=0.2)})


@pytest.fixture(scope="module")
def stub() -> Iterator[Served]:
    with in_process_of_its_own(SPOKEN) as served:
        yield served


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module", params=["openai", "gemini"])
def service(
    request: pytest.FixtureRequest, stub: Served, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    keys = {
        "openai": {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": stub.openai_url, "ASKWELL_OPENAI_DIALECT": "openai"},
        "gemini": {"GEMINI_API_KEY": KEY, "GEMINI_BASE_URL": stub.url},
    }
    variables = {**keys[request.param], "ASKWELL_OTLP_ENDPOINT": collector.url}
    running = Running(tmp_path_factory.mktemp(request.param), variables=variables)
    running.start()
    yield running
    assert running.stop() == 0, running.printed()
    running.client.close()


@dataclass
class Watcher:
    """Reads a session's events until the stream is closed from here."""

    url: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    seen: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, name: str, timeout_s: float = 30.0) -> None:
        with self.seen:
            assert self.seen.wait_for(lambda: any(event == name for event, _ in self.events), timeout_s), self.events

    def _read(self) -> None:
        name = ""
        with httpx.stream("GET", self.url, timeout=60) as reply:
            for line in reply.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    with self.seen:
                        self.events.append((name, json.loads(line.removeprefix("data: "))))
                        self.seen.notify_all()
                    if name == "erased":
                        return


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["backend-engineer", "ward-nurse", "logistics-coordinator"])
def test_an_example_is_interviewed_to_the_end_and_every_claim_is_sourced(service: Running, name: str) -> None:
    cv, job, answers = example(name)
    run = service.command("interview", str(cv), str(job), "--answers", str(answers), "--user", name)
    assert run.returncode == 0, run.stdout + run.stderr
    session_id = next(word for word in run.stdout.split() if len(word) == 32)
    session = service.client.get(f"/api/sessions/{session_id}").json()
    assert session["finished"]
    assert session["by"].startswith(("openai:gpt-5-mini", "google:gemini-2.5-flash-lite"))
    written = [question for question in session["questions"] if question["answer"]]
    assert written
    for question in written:
        answer = ANSWERS.validate_python(question["answer"])
        assert ungrounded(answer, question["inputs"], Document(text=cv.read_text())) == ()
        assert question["evaluation"]["by"] == session["by"]
    costs = json.loads(service.command("costs", session_id, "--json").stdout)
    assert float(costs["total"]["cost_usd"]) > 0
    assert costs["total"]["unpriced"] == 0


def test_prompts_come_token_by_token_and_an_answer_a_checked_text_at_a_time(service: Running) -> None:
    body = {"cv": "Ada\nDjango at Northgate", "job": "Platform engineer", "gaps": [{"title": "Kubernetes"}]}
    session = service.client.post("/api/sessions", json=body).raise_for_status().json()
    path = f"/api/sessions/{session['id']}"
    watcher = Watcher(f"{service.url}{path}/events")
    watcher.until("QuestionsAsked")
    question = (
        service.client.post(f"{path}/questions/q1/experience", json={"response": "yes"}).raise_for_status().json()
    )
    inputs = {"context": "Work", "achievement": "I moved five services into a cluster and wrote the Helm charts."}
    done = service.client.post(f"{path}/questions/q1/inputs", json={"inputs": inputs}).raise_for_status().json()
    watcher.until("AnswerAccepted")
    deltas = [data for event, data in watcher.events if event == "Delta" and data["field"]]
    told: dict[tuple[str, str], list[str]] = {}
    for delta in deltas:
        told.setdefault((delta["operation"], delta["field"]), []).append(delta["text"])
    prompts = {field: pieces for (operation, field), pieces in told.items() if operation == "write_prompts"}
    assert "".join(prompts["prompts.0.question"]) == question["prompts"][0]["question"]
    assert max(map(len, prompts.values())) > 1
    assert told["write_answer", "title"] == [done["answer"]["title"]]
    assert told["write_answer", "bullets.2.text"] == [done["answer"]["bullets"][2]["text"]]
    assert ("evaluate_answer", "criteria.0.reason") in told
    service.client.delete(path).raise_for_status()
    watcher.until("erased")


def test_while_nobody_can_answer_the_step_stays_open_and_goes_on_afterwards(service: Running, stub: Served) -> None:
    body = {"cv": "Ada\nDjango", "job": "Platform engineer", "gaps": [{"title": "Kubernetes"}]}
    session = service.client.post("/api/sessions", json=body).raise_for_status().json()
    path = f"/api/sessions/{session['id']}/questions/q1/experience"
    failing = StubConfig(faults={"*": FaultPlan(shares={Fault.UNAVAILABLE: 1.0})})
    httpx.put(f"{stub.url}/stub/config", content=failing.to_json()).raise_for_status()
    try:
        refused = service.client.post(path, json={"response": "yes"}, headers={"Idempotency-Key": "once"})
    finally:
        httpx.put(f"{stub.url}/stub/config", content=SPOKEN.to_json()).raise_for_status()
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert int(refused.headers["retry-after"]) >= 1
    assert KEY not in refused.text
    again = service.client.post(path, json={"response": "yes"}, headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["step"]) == (200, "PROMPTED")


def test_no_log_holds_a_key_or_a_candidates_words(service: Running) -> None:
    word = "Zwiebelkuchen"
    body = {"cv": f"Ada\n{word} at Northgate", "job": "Platform engineer", "gaps": [{"title": "Kubernetes"}]}
    session = service.client.post("/api/sessions", json=body).raise_for_status().json()
    path = f"/api/sessions/{session['id']}/questions/q1"
    service.client.post(f"{path}/experience", json={"response": "yes"}).raise_for_status()
    inputs = {"context": "Work", "achievement": f"I baked {word}."}
    service.client.post(f"{path}/inputs", json={"inputs": inputs}).raise_for_status()
    logs = [file for file in ray_directory().glob("session_*/logs/**/*") if file.is_file()]
    assert [file for file in logs if "Generator" in file.name]
    for file in (service.log, *logs):
        text = file.read_text(errors="replace")
        assert word not in text, file
        assert KEY not in text, file


def test_a_step_is_one_trace_through_all_processes_without_a_word_of_the_candidate_s(
    service: Running, collector: Collector
) -> None:
    marks = ("Zyxquetzal", "Wombatine")
    session = opened(service, cv=f"{marks[0]} Nowak\nDjango")
    question = step(service, session, "q1", "experience", {"response": "yes"}).json()
    given = fitting(question, GOOD) | {"achievement": f"I built {marks[1]} with five colleagues."}
    caller = uuid.uuid4().hex
    path = f"/api/sessions/{session['id']}/questions/q1/inputs"
    traceparent = f"00-{caller}-{'1' * 16}-01"
    assert service.client.post(path, json={"inputs": given}, headers={"traceparent": traceparent}).status_code == 200

    def traced() -> list[Collected]:
        return [span for span in collector.spans if span.trace.hex() == caller]

    def begun() -> list[str]:
        """The spans whose parents are not there, or not yet: each process sends its own."""
        known = {span.id for span in traced()}
        return [span.name for span in traced() if span.parent not in known]

    parts = {"ingress", "session-state", "generator", "evaluator", "retriever"}
    route = "POST /api/sessions/{session_id}/questions/{question_id}/inputs"
    wait_for(lambda: parts <= {span.part for span in traced()} and begun() == [route], 30, begun)
    names = {"GeneratorPool.write_answer", "EvaluatorPool.evaluate", "RetrieverPool.remember", "commit.lua"}
    assert names <= {span.name for span in traced()}
    assert sum("gen_ai.request.model" in span.attributes for span in traced()) >= 2
    for body in collector.bodies:
        assert not any(mark.encode() in body for mark in marks)
