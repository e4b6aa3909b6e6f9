"""The alerts' routes and `/metrics`, over real applications and a real Valkey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.monitoring.upkeep import Upkeep
from serve_app import measuring
from serve_app.ports import free_port
from state.alerts.book import AlertBook
from state.alerts.evaluation import evaluated
from state.alerts.readings import Reading
from state.alerts.rules import Rules, rules_from
from state.backend import connect
from state.metrics.buffer import Buffer
from state.metrics.erasures import Erasures
from state.metrics.store import TOTALS
from state.versioned import VersionedRecord
from tests.integration.test_http import KEYS, is_problem
from tests.integration.test_metrics_http import World, client, world
from tests.observations import LABELS, MS, REQUEST

__all__ = ["client", "world"]

RULES: Rules = rules_from(None)
WELL = Reading(value=None, samples=0)


async def firing(world: World, **values: float) -> None:
    """The book after an evaluation with these readings."""
    read = {name: Reading(value=values[name], samples=1000) if name in values else WELL for name in RULES}

    def change(book: AlertBook) -> AlertBook:
        return evaluated(book, RULES, read, world.clock.ms)[0]

    await measuring.book(world.backend).change(change)


async def listed(client: httpx.AsyncClient) -> dict[str, Any]:
    reply = await client.get("/api/alerts")
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def test_every_rule_is_listed_with_how_it_stands(world: World, client: Callable[..., Any]) -> None:
    asking = await client()
    assert {alert["severity"] for alert in (await listed(asking))["alerts"]} == {None}
    await firing(world, latency=4.2, redis=1.0)
    seen = await listed(asking)
    alerts = {alert["rule"]: alert for alert in seen["alerts"]}
    assert list(alerts) == list(RULES)
    assert (alerts["latency"]["severity"], alerts["latency"]["value"]) == ("warning", 4.2)
    assert alerts["latency"]["limits"] == {"warning": 3.0, "critical": 5.0}
    assert alerts["redis"]["severity"] == "critical"
    assert alerts["errors"]["unknown_since"] is not None
    assert (seen["incidents"], seen["messages"], seen["undelivered"]) == (1, 1, 1)


async def test_an_alert_is_acknowledged_until_it_gets_worse(world: World, client: Callable[..., Any]) -> None:
    asking = await client()
    is_problem(await asking.put("/api/alerts/latency/acknowledgement"), 404, "NotFound")
    await firing(world, latency=4.2)
    for _ in range(2):
        reply = await asking.put("/api/alerts/latency/acknowledgement")
        assert (reply.status_code, reply.json()["acknowledged_by"]) == (200, "local")
    await firing(world, latency=9.0)
    alerts = {alert["rule"]: alert for alert in (await listed(asking))["alerts"]}
    assert alerts["latency"]["acknowledged_by"] is None
    is_problem(await asking.put("/api/alerts/nothing/acknowledgement"), 404, "NotFound")


async def test_a_silence_is_made_once_by_its_key_listed_and_ended(world: World, client: Callable[..., Any]) -> None:
    asking = await client()
    body = {"rule": "latency", "minutes": 30, "reason": "known"}
    replies = [await asking.post("/api/alerts/silences", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert {reply.status_code for reply in replies} == {201}
    assert replies[0].json() == replies[1].json()
    (held,) = (await listed(asking))["silences"]
    assert (held["rule"], held["reason"], held["by"]) == ("latency", "known", "local")
    assert [alert["silenced"] for alert in (await listed(asking))["alerts"] if alert["rule"] == "latency"] == [True]
    assert (await asking.delete(f"/api/alerts/silences/{held['id']}")).status_code == 204
    is_problem(await asking.delete(f"/api/alerts/silences/{held['id']}"), 404, "NotFound")
    assert (await listed(asking))["silences"] == []


@pytest.mark.parametrize("body", [{"rule": "nothing"}, {"minutes": 0}, {"minutes": 10_081}, {"until": 5}])
async def test_a_silence_of_no_rule_or_of_a_wrong_length_is_refused(
    client: Callable[..., Any], body: dict[str, Any]
) -> None:
    is_problem(await (await client()).post("/api/alerts/silences", json=body), 422, "InvalidField")


async def test_only_operators_see_alerts_and_only_tenants_see_metrics(client: Callable[..., Any]) -> None:
    (operator, key), (_, other) = list(KEYS.items())[:2]
    settings = {"api_keys": KEYS, "operators": (operator,)}
    ops = await client(headers={"Authorization": f"Bearer {key.get_secret_value()}"}, **settings)
    tenant = await client(headers={"Authorization": f"Bearer {other.get_secret_value()}"}, **settings)
    nobody = await client(**settings)
    assert (await ops.get("/api/alerts")).status_code == 200
    is_problem(await tenant.get("/api/alerts"), 404, "NotFound")
    is_problem(await tenant.post("/api/alerts/silences", json={}), 404, "NotFound")
    assert (await tenant.get("/metrics")).status_code == 200
    is_problem(await nobody.get("/metrics"), 401, "Unauthorized")


def samples(reply: httpx.Response) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


async def test_metrics_are_the_same_from_every_replica_and_name_nobody(
    world: World, client: Callable[..., Any]
) -> None:
    upkeep = Upkeep(
        world.store,
        VersionedRecord(world.backend, TOTALS),
        Erasures(world.backend, now_ms=world.clock),
        now_ms=world.clock,
    )
    await upkeep.count()
    for source in ("generator", "evaluator"):
        buffer = Buffer(source)
        buffer.performed(LABELS, 700 * MS)
        buffer.performed(REQUEST, 30 * MS, "Overloaded")
        await world.record(buffer)
    await firing(world, latency=4.2)
    one, two = [await (await client()).get("/metrics") for _ in range(2)]
    assert one.content == two.content
    seen = samples(one)
    route = {"http_request_method": "POST", "http_route": "/api/sessions/{session_id}/questions/{question_id}/inputs"}
    assert seen["http_server_request_duration_seconds_count", frozenset(route.items())] == 2
    assert seen["askwell_alert_firing", frozenset({"rule": "latency", "severity": "warning"}.items())] == 1
    assert seen["askwell_alert_firing", frozenset({"rule": "latency", "severity": "critical"}.items())] == 0
    assert seen["askwell_store_up", frozenset()] == 1
    labels = {label for _, values in seen for label, _ in values}
    assert labels.isdisjoint({"tenant", "session", "session_id", "user", "prompt", "instance"})


async def test_metrics_say_that_redis_is_away_and_nothing_that_may_be_wrong(
    world: World, client: Callable[..., Any]
) -> None:
    asking = await client()
    nobody = connect(f"redis://127.0.0.1:{free_port()}", timeout_s=0.5)
    world.backend._redis, kept = nobody, world.backend._redis
    reply = await asking.get("/metrics")
    world.backend._redis = kept
    await nobody.aclose()
    assert samples(reply) == {("askwell_store_up", frozenset()): 0}
