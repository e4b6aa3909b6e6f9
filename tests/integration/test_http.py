"""The HTTP API over the real application and a real Valkey; the pools are fakes."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from redis.asyncio import Redis

from serve_app import measuring
from serve_app.http.app import create_app
from serve_app.http.service import Service
from serve_app.ports import free_port
from serve_app.settings import Settings
from state.alerts.rules import rules_from
from state.backend import RedisBackend
from state.calls import Calls
from state.errors import WorkUnavailable
from state.plans import PlanBook
from state.store import RecordStore
from tests.conftest import Shard
from tests.fakes import INPUTS

KEYS = {"acme": SecretStr("acme-key-0123456789"), "rival": SecretStr("rival-key-0123456789")}
OPENING = {"cv": "Ada\nDjango at Northgate", "job": "Kubernetes in production"}


@dataclass
class Api:
    """A running server and a client for it; `shard` has the fakes behind it."""

    url: str
    shard: Shard
    client: httpx.AsyncClient

    async def open(self, **changes: Any) -> dict[str, Any]:
        reply = await self.client.post("/api/sessions", json={**OPENING, **changes})
        assert reply.status_code == 201, reply.text
        body: dict[str, Any] = reply.json()
        return body

    async def step(self, session: dict[str, Any], action: str, body: Any, **headers: str) -> httpx.Response:
        path = f"/api/sessions/{session['id']}/questions/q1/{action}"
        return await self.client.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.fixture
async def serving(redis: Redis, shard: Shard) -> AsyncIterator[Callable[..., Any]]:
    """Starts servers on free ports of loopback and stops them."""
    servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []
    clients: list[httpx.AsyncClient] = []

    async def serve(**settings: Any) -> Api:
        service = Service(
            settings=Settings(**settings),
            sessions=shard.actor(),
            generator=shard.generator,
            evaluator=shard.evaluator,
            retriever=shard.retriever,
            calls=Calls(
                store=RecordStore(RedisBackend(redis), kind="call"), now_ms=shard.clock, ttl_s=600, deadline_s=30
            ),
            plans=PlanBook(
                store=RecordStore(RedisBackend(redis), kind="plan"),
                backend=RedisBackend(redis),
                now_ms=shard.clock,
                ttl_s=600,
            ),
            windows=measuring.windows(RedisBackend(redis)),
            rules=rules_from(None),
            book=measuring.book(RedisBackend(redis)),
            now_ms=shard.clock,
            new_id=lambda: uuid.uuid4().hex,
        )
        port = free_port()
        config = uvicorn.Config(create_app(service), host="127.0.0.1", port=port, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        servers.append((server, asyncio.create_task(server.serve())))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{port}"
        client = httpx.AsyncClient(base_url=url, timeout=20)
        clients.append(client)
        return Api(url=url, shard=shard, client=client)

    yield serve
    for client in clients:
        await client.aclose()
    for server, task in servers:
        server.should_exit = True
        server.force_exit = True
        await task


@pytest.fixture
async def api(serving: Callable[..., Any]) -> Api:
    started: Api = await serving()
    return started


def is_problem(reply: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    body: dict[str, Any] = reply.json()
    assert body["type"] == f"urn:askwell:problem:{kind}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def test_the_three_replies_lead_where_the_table_says(api: Api) -> None:
    for response, step, actions in (
        ("yes", "PROMPTED", ["inputs"]),
        ("no", "SKIPPED", []),
        ("willing_to_learn", "LEARNING", []),
    ):
        question = (await api.step(await api.open(), "experience", {"response": response})).json()
        assert (question["step"], question["actions"]) == (step, actions)


async def test_a_session_can_be_read_back_with_everything_to_resume(api: Api) -> None:
    session = await api.open(user="ada", max_questions=3)
    prompted = (await api.step(session, "experience", {"response": "yes"})).json()
    read = (await api.client.get(f"/api/sessions/{session['id']}")).json()
    assert read["questions"] == [prompted]
    assert (read["user"], read["step"], read["finished"]) == ("ada", "OPEN", False)
    assert set(read["flags"]) >= {"dynamic_quality_thresholds"}


async def test_an_accepted_answer_names_the_source_of_every_claim(api: Api) -> None:
    session = await api.open()
    await api.step(session, "experience", {"response": "yes"})
    question = (await api.step(session, "inputs", {"inputs": INPUTS})).json()
    assert (question["step"], question["accepted"], question["finished"]) == ("ACCEPTED", True, True)
    for bullet in question["answer"]["bullets"]:
        assert all(claim["source"] == "input:achievement" for claim in bullet["claims"])


async def test_refinement_happens_twice_and_ends_as_best_effort(api: Api) -> None:
    api.shard.evaluator.scores = [2.0]
    session = await api.open()
    await api.step(session, "experience", {"response": "yes"})
    question = (await api.step(session, "inputs", {"inputs": INPUTS})).json()
    for _ in range(2):
        assert question["actions"] == ["refinement"]
        follow_up = question["follow_ups"][0]["id"]
        question = (await api.step(session, "refinement", {"inputs": {follow_up: "more"}})).json()
    assert (question["step"], question["accepted"], question["refinements"]) == ("BEST_EFFORT", False, 2)


async def test_a_step_that_is_not_open_is_409_and_names_the_step(api: Api) -> None:
    session = await api.open()
    body = is_problem(await api.step(session, "inputs", {"inputs": INPUTS}), 409, "StepNotOpen")
    assert (body["step"], body["accepts"]) == ("ASKED", ["SaidNo", "SaidYes", "WillLearn"])


async def test_unknown_ids_are_404_and_look_alike(api: Api) -> None:
    session = await api.open()
    replies = [
        await api.client.get("/api/sessions/unknown"),
        await api.client.delete("/api/sessions/unknown"),
        await api.client.get("/api/sessions/unknown/events"),
        await api.step({"id": "unknown"}, "experience", {"response": "no"}),
        await api.client.post(f"/api/sessions/{session['id']}/questions/q99/experience", json={"response": "no"}),
        await api.client.patch("/api/learning-plans/unknown", json={"resource_id": "r", "state": "completed"}),
    ]
    assert len({json.dumps(is_problem(reply, 404, "NotFound")) for reply in replies}) == 1


async def test_a_foreign_session_looks_exactly_like_an_unknown_one(serving: Callable[..., Any]) -> None:
    api = await serving(api_keys=KEYS)
    mine = {"Authorization": "Bearer acme-key-0123456789"}
    theirs = {"Authorization": "bearer rival-key-0123456789"}
    session = (await api.client.post("/api/sessions", json=OPENING, headers=mine)).json()
    foreign = await api.client.get(f"/api/sessions/{session['id']}", headers=theirs)
    unknown = await api.client.get("/api/sessions/0123456789abcdef0123456789abcdef", headers=theirs)
    assert is_problem(foreign, 404, "NotFound") == is_problem(unknown, 404, "NotFound")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        is_problem(await api.client.get(f"/api/sessions/{session['id']}", headers=headers), 401, "Unauthorized")


async def test_whoever_has_no_key_takes_no_place_from_those_who_have(serving: Callable[..., Any]) -> None:
    api = await serving(api_keys=KEYS, max_in_flight=1)
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    assert b" 401 " in await reader.readline()
    headers = {"Authorization": "Bearer acme-key-0123456789"}
    assert (await api.client.post("/api/sessions", json=OPENING, headers=headers)).status_code == 201
    writer.close()


async def test_an_id_of_another_kind_is_no_session_and_stays_whole(api: Api) -> None:
    made = await api.client.post("/api/learning-plans", json={"need": "Kubernetes"})
    plan = made.json()["id"]
    for name in (plan, f"plan:{plan}", f"call:{plan}"):
        is_problem(await api.client.get(f"/api/sessions/{name}"), 404, "NotFound")
    move = {"resource_id": "r1", "state": "in_progress"}
    assert (await api.client.patch(f"/api/learning-plans/{plan}", json=move)).status_code == 200


async def test_the_same_key_gives_two_tenants_two_sessions(serving: Callable[..., Any]) -> None:
    api = await serving(api_keys=KEYS)
    ids = set()
    for key in KEYS.values():
        headers = {"Authorization": f"Bearer {key.get_secret_value()}", "Idempotency-Key": "one"}
        ids.add((await api.client.post("/api/sessions", json=OPENING, headers=headers)).json()["id"])
    assert len(ids) == 2


async def test_without_keys_another_host_name_is_refused(api: Api) -> None:
    reply = await api.client.get("/api/sessions/x", headers={"Host": "evil.example:8000"})
    is_problem(reply, 421, "ForeignHost")


@pytest.mark.parametrize(
    ("body", "status", "kind", "field"),
    [
        (b"{", 400, "Malformed", None),
        (b"", 422, "InvalidField", "body"),
        (b'"text"', 422, "InvalidField", "body"),
        (b"[]", 422, "InvalidField", "body"),
        (b'{"cv": "x"}', 422, "InvalidField", "job"),
        (b'{"cv": "  ", "job": "y"}', 422, "InvalidField", "cv"),
        (b'{"cv": 3, "job": "y"}', 422, "InvalidField", "cv"),
        (b'{"cv": "x", "job": "y", "more": 1}', 422, "InvalidField", "more"),
        (b'{"cv": "x", "job": "y", "max_questions": 0}', 422, "InvalidField", "max_questions"),
        (b'{"cv": "x", "job": "y", "user": "a b"}', 422, "InvalidField", "user"),
        (b'{"cv": "x", "job": "y", "gaps": []}', 422, "InvalidField", "gaps"),
        (b'{"cv": "x", "job": "y", "gaps": [{"title": ""}]}', 422, "InvalidField", "gaps.0.title"),
        (
            b'{"cv": "x", "job": "y", "gaps": [{"title":"a","id":"i"},{"title":"b","id":"i"}]}',
            422,
            "InvalidField",
            "gaps",
        ),
        (b'{"cv": "\\ud800", "job": "y"}', 422, "InvalidField", "body"),
        (b'{"cv": "\xff", "job": "y"}', 400, "Malformed", None),
        (b'{"cv": ' + b"[" * 30 + b"]" * 30 + b', "job": "y"}', 422, "InvalidField", "body"),
        (b'{"cv": {"a": {}}, "job": "y"}', 422, "InvalidField", "cv"),
        (json.dumps({"cv": "x" * 100_001, "job": "y"}).encode(), 422, "InvalidField", "cv"),
        (json.dumps({"cv": "x\n" * 5_001, "job": "y"}).encode(), 422, "InvalidField", "cv"),
        (b'{"cv": "' + b"x" * 600_000 + b'", "job": "y"}', 413, "TooLarge", "body"),
        (b"[" * 500_000, 422, "InvalidField", "body"),
        (b'"' + rb"\"" * 200_000, 400, "Malformed", None),
        (b'{"cv": "\xed\xa0\x80", "job": "y"}', 400, "Malformed", None),
        (json.dumps(OPENING).encode("utf-16"), 400, "Malformed", None),
        (json.dumps(OPENING).encode("utf-16-le"), 400, "Malformed", None),
    ],
)
async def test_bad_bodies_are_refused_with_the_field_and_before_any_work(
    api: Api, body: bytes, status: int, kind: str, field: str | None
) -> None:
    reply = await api.client.post("/api/sessions", content=body, headers={"Content-Type": "application/json"})
    problem = is_problem(reply, status, kind)
    assert problem.get("field") == field
    assert not api.shard.generator.calls


@pytest.mark.parametrize(
    "inputs", [{}, {"achievement": "x" * 5_001}, {"a" * 101: "x"}, {"duration": 1e400}, {"x": None}]
)
async def test_bad_inputs_are_refused_and_the_step_stays_open(api: Api, inputs: Any) -> None:
    session = await api.open()
    await api.step(session, "experience", {"response": "yes"})
    content = json.dumps({"inputs": inputs}).replace("Infinity", "1e400")
    path = f"/api/sessions/{session['id']}/questions/q1/inputs"
    reply = await api.client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert is_problem(reply, 422, "InvalidField")["field"].startswith("inputs")
    assert (await api.client.get(f"/api/sessions/{session['id']}")).json()["questions"][0]["step"] == "PROMPTED"


async def test_a_body_that_is_not_json_is_415(api: Api) -> None:
    reply = await api.client.post("/api/sessions", content="cv=x", headers={"Content-Type": "text/plain"})
    is_problem(reply, 415, "NotJson")


async def test_a_chunked_body_cannot_get_around_the_limit(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b" " * 10_000

    is_problem(await api.client.post("/api/sessions", content=chunks()), 413, "TooLarge")


async def test_unknown_addresses_and_methods_are_problems_too(api: Api) -> None:
    is_problem(await api.client.get("/nowhere"), 404, "Refused")
    is_problem(await api.client.put("/api/sessions", json={}), 405, "Refused")


async def test_a_key_gives_its_outcome_again_and_refuses_another_body(api: Api) -> None:
    session = await api.open()
    first = await api.step(session, "experience", {"response": "yes"}, Idempotency_Key="k")
    await api.step(session, "inputs", {"inputs": INPUTS})
    again = await api.step(session, "experience", {"response": "yes"}, Idempotency_Key="k")
    assert (again.status_code, again.content) == (200, first.content)
    is_problem(await api.step(session, "experience", {"response": "no"}, Idempotency_Key="k"), 422, "KeyReused")
    is_problem(
        await api.step(session, "experience", {"response": "no"}, Idempotency_Key="x" * 201), 422, "InvalidField"
    )


async def test_a_step_that_is_still_running_is_409_with_retry_after(api: Api) -> None:
    session = await api.open()
    api.shard.generator.gate = asyncio.Event()
    api.shard.generator.entered.clear()
    first = asyncio.create_task(api.step(session, "experience", {"response": "yes"}, Idempotency_Key="k"))
    await api.shard.generator.entered.wait()
    reply = await api.step(session, "experience", {"response": "yes"}, Idempotency_Key="k")
    is_problem(reply, 409, "StillRunning")
    assert reply.headers["retry-after"] == "1"
    api.shard.generator.gate.set()
    assert (await first).json()["step"] == "PROMPTED"


async def test_work_nobody_can_do_is_503_with_retry_after_and_the_key_goes_on(api: Api) -> None:
    def fail(name: str) -> None:
        raise WorkUnavailable(retry_after_s=2.5)

    session = await api.open()
    api.shard.generator.fail = fail
    reply = await api.step(session, "experience", {"response": "yes"}, Idempotency_Key="k")
    is_problem(reply, 503, "WorkUnavailable")
    assert reply.headers["retry-after"] == "3"
    api.shard.generator.fail = lambda _: None
    assert (await api.step(session, "experience", {"response": "yes"}, Idempotency_Key="k")).json()[
        "step"
    ] == "PROMPTED"


async def test_a_full_replica_answers_503_with_retry_after_at_once(serving: Callable[..., Any]) -> None:
    api = await serving(max_in_flight=1)
    session = await api.open()
    api.shard.generator.gate = asyncio.Event()
    api.shard.generator.entered.clear()
    first = asyncio.create_task(api.step(session, "experience", {"response": "yes"}))
    await api.shard.generator.entered.wait()
    reply = await api.client.get(f"/api/sessions/{session['id']}")
    is_problem(reply, 503, "Overloaded")
    assert reply.headers["retry-after"] == "1"
    assert (await api.client.get("/health/live")).status_code == 200
    api.shard.generator.gate.set()
    assert (await first).status_code == 200


async def test_a_tenant_s_flood_is_told_429_while_another_still_gets_in(serving: Callable[..., Any]) -> None:
    api = await serving(api_keys=KEYS, max_in_flight=8)
    loud, quiet = ({"Authorization": f"Bearer {tenant}-key-0123456789"} for tenant in ("acme", "rival"))
    api.shard.generator.gate = asyncio.Event()

    def opening(headers: dict[str, str]) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(api.client.post("/api/sessions", json=OPENING, headers=headers))

    first = opening(quiet)
    await api.shard.generator.entered.wait()
    flood = [opening(loud) for _ in range(20)]
    _, held = await asyncio.wait(flood, timeout=2)
    assert len(held) == 5
    for refused in set(flood) - held:
        is_problem(refused.result(), 429, "TenantOverloaded")
        assert int(refused.result().headers["retry-after"]) >= 1
    second = opening(quiet)
    await asyncio.sleep(0.2)
    assert not second.done()
    api.shard.generator.gate.set()
    for reply in await asyncio.gather(first, second, *held):
        assert reply.status_code == 201


async def events(reply: httpx.Response) -> AsyncIterator[tuple[int, str, dict[str, Any]]]:
    """Each event's id (0 without one), name and data."""
    current: dict[str, str] = {}
    async for line in reply.aiter_lines():
        if line == "" and "event" in current:
            yield int(current.get("id", 0)), current["event"], json.loads(current["data"])
            current = {}
        elif ": " in line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            current[name] = value


async def first(count: int, stream: AsyncIterator[tuple[int, str, dict[str, Any]]]) -> list[Any]:
    return [await anext(stream) for _ in range(count)]


async def test_events_come_as_they_happen_and_resume_after_the_last_one_seen(api: Api) -> None:
    session = await api.open()
    path = f"/api/sessions/{session['id']}/events"
    async with api.client.stream("GET", path) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        watching = asyncio.create_task(first(5, events(reply)))
        await api.step(session, "experience", {"response": "yes"})
        seen = await watching
    assert [name for _, name, _ in seen] == [
        "SessionOpened",
        "GapsFound",
        "QuestionsAsked",
        "SaidYes",
        "PromptsWritten",
    ]
    assert seen[-1][2] | {"at_ms": 0} == {"version": 5, "at_ms": 0, "question_id": "q1", "step": "PROMPTED"}
    async with api.client.stream("GET", path, headers={"Last-Event-ID": "3"}) as reply:
        assert await first(2, events(reply)) == seen[3:]


async def test_a_text_that_is_being_written_comes_without_an_id(api: Api) -> None:
    session = await api.open()
    await api.step(session, "experience", {"response": "yes"})
    headers = {"Last-Event-ID": "4"}
    async with api.client.stream("GET", f"/api/sessions/{session['id']}/events", headers=headers) as reply:
        stream = events(reply)
        assert (await anext(stream))[1] == "PromptsWritten"  # from here on somebody watches
        api.shard.generator.gate = asyncio.Event()
        step = asyncio.create_task(api.step(session, "inputs", {"inputs": INPUTS}))
        seen = [await anext(stream)]
        while not seen[-1][2].get("text"):
            seen.append(await anext(stream))
        api.shard.generator.gate.set()
        while seen[-1][1] != "AnswerAccepted":
            seen.append(await anext(stream))
        assert (await step).status_code == 200
    ids = {name: last_id for last_id, name, _ in seen}
    assert ids["Delta"] == 0
    assert [ids[name] for name in ("InputsGiven", "AnswerWritten", "AnswerAccepted")] == [6, 7, 8]
    title = {"question_id": "q1", "operation": "write_answer", "field": "title", "text": "Moved"}
    assert title in [data for _, name, data in seen if name == "Delta"]


async def test_a_malformed_last_event_id_is_refused(api: Api) -> None:
    path = f"/api/sessions/{(await api.open())['id']}/events"
    is_problem(await api.client.get(path, headers={"Last-Event-ID": "x"}), 422, "InvalidField")


async def test_a_deleted_session_is_gone_and_its_stream_says_so(api: Api) -> None:
    session = await api.open()
    path = f"/api/sessions/{session['id']}"
    async with api.client.stream("GET", f"{path}/events") as reply:
        lines = reply.aiter_lines()
        assert (await api.client.delete(path)).status_code == 200
        assert "event: erased" in [line async for line in lines]
    is_problem(await api.client.get(path), 404, "NotFound")


async def test_a_batch_comes_highest_priority_first_and_once_for_a_key(api: Api) -> None:
    gaps = [{"title": "Low", "priority": "LOW"}, {"title": "Top", "priority": "CRITICAL"}]
    for _ in range(2):
        reply = await api.client.post("/api/questions/batch", json={"gaps": gaps}, headers={"Idempotency-Key": "b"})
        assert [question["gap_id"] for question in reply.json()["questions"]] == ["g2", "g1"]
    assert api.shard.generator.calls["write_questions"] == 1
    other = await api.client.post("/api/questions/batch", json={"gaps": gaps[:1]}, headers={"Idempotency-Key": "b"})
    is_problem(other, 422, "KeyReused")


async def test_a_plan_is_laid_out_followed_and_says_learning_only_once_it_started(api: Api) -> None:
    made = await api.client.post("/api/learning-plans", json={"need": "Kubernetes", "user": "ada"})
    plan = made.json()
    assert (made.status_code, plan["items"][0]["state"], plan["items"][0]["resume_line"]) == (201, "suggested", None)
    path, move = f"/api/learning-plans/{plan['id']}", {"resource_id": "r1"}
    is_problem(await api.client.patch(path, json={**move, "state": "completed"}), 409, "StepNotOpen")
    started = (await api.client.patch(path, json={**move, "state": "in_progress"})).json()
    assert started["items"][0]["resume_line"] == "Currently learning: Resource 1 (Provider)"
    listed = (await api.client.get("/api/learning-plans", params={"user": "ada"})).json()["plans"]
    assert listed == [started]
    assert (await api.client.get("/api/learning-plans", params={"user": "bob"})).json() == {"plans": []}


async def test_a_plan_can_follow_from_a_question_somebody_is_willing_to_learn_for(api: Api) -> None:
    session = await api.open(user="ada")
    await api.step(session, "experience", {"response": "willing_to_learn"})
    body = {"session_id": session["id"], "question_id": "q1"}
    plan = (await api.client.post("/api/learning-plans", json=body)).json()
    assert (plan["need"], plan["user"], len(plan["items"])) == ("Kubernetes", "ada", 1)
    is_problem(await api.client.post("/api/learning-plans", json={**body, "need": "x"}), 422, "InvalidField")


async def test_resources_are_searched_within_the_limits(api: Api) -> None:
    reply = await api.client.post("/api/learning-resources/search", json={"need": "ECG", "budget_days": 3})
    assert reply.json()["resources"][0]["resource"]["id"] == "r1"
    assert api.shard.retriever.searches[0].budget_days == 3
    refused = await api.client.post("/api/learning-resources/search", json={"need": "ECG", "limit": 6})
    assert is_problem(refused, 422, "InvalidField")["field"] == "limit"


async def test_ready_names_the_part_that_fails_and_live_goes_on(api: Api) -> None:
    assert (await api.client.get("/health/ready")).json()["status"] == "ok"

    def fail(name: str) -> None:
        raise WorkUnavailable

    api.shard.retriever.fail = fail
    degraded = await api.client.get("/health/ready")
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    api.shard.generator.fail = fail
    reply = await api.client.get("/health/ready")
    assert (reply.status_code, reply.json()["parts"]["generator"]) == (503, "WorkUnavailable")
    assert (await api.client.get("/health/live")).status_code == 200


async def test_the_docs_page_needs_nothing_from_elsewhere(api: Api) -> None:
    page = (await api.client.get("/docs")).text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)|url: '([^']+)""", page)
    assert addresses
    for address in (one or other for one, other in addresses):
        assert (await api.client.get(address)).status_code == 200, address


async def test_openapi_has_operation_ids_examples_and_every_error(api: Api) -> None:
    schema = (await api.client.get("/openapi.json")).json()
    operations = {
        f"{method} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in operations.items():
        if "/health/" in name:
            continue
        assert {"401", "422", "503"} <= set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert response["content"]["application/problem+json"]["examples"], (name, status)
    for method in ("inputs", "refinement", "experience"):
        operation = operations[f"post /api/sessions/{{session_id}}/questions/{{question_id}}/{method}"]
        assert {"404", "409", "502"} <= set(operation["responses"])
