"""What operators are given works: rules in promtool, and the board's queries in a Prometheus that scrapes a service."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml

from actors.monitoring.upkeep import Upkeep
from serve_app import measuring
from serve_app.operations.board import RANGE, board, queries
from serve_app.operations.files import files, rules, scrape_config
from serve_app.operations.recording import recorded
from serve_app.operations.rule_tests import cases, rule_tests
from serve_app.ports import free_port
from state.alerts.book import settled
from state.alerts.prometheus import alerting_rules
from state.alerts.rules import rules_from
from state.metrics.buffer import Buffer
from state.metrics.cells import Verdict
from state.metrics.erasures import Erasures
from state.metrics.labels import CacheLevel, Component, Status
from state.metrics.store import TOTALS
from state.versioned import VersionedRecord
from tests.integration.test_metrics_http import World, world
from tests.observations import REQUEST, Observation, checked, judged, looked_up, performed, spent

__all__ = ["world"]

FOLDER = Path(__file__).parent.parent.parent / "docs" / "operations"
ALERTS = {alert["alert"] for alert in alerting_rules(rules_from(None))["groups"][0]["rules"]}
DAY: list[Observation] = [
    performed(80, labels=REQUEST),
    performed(900, "Overloaded", labels=REQUEST),
    performed(40, "NotFound", labels=REQUEST),
    performed(700),
    performed(800, "late"),
    spent(0.01),
    judged(7.4, Verdict.ACCEPTED),
    judged(4.1, Verdict.NEEDS_REFINEMENT),
    looked_up(CacheLevel.L1, 3, 1),
    looked_up(CacheLevel.L2, 1, 0),
    checked(Component.REDIS, Status.OK, 1),
    checked(Component.QDRANT, Status.DOWN, 1, "timeout"),
]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine; Debian's package prometheus has it")
    return found


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def test_the_shipped_files_are_those_that_are_made() -> None:
    for name, text in files().items():
        assert (FOLDER / name).read_text() == text, "run `python -m serve_app.operations`"


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    checks = promtool(FOLDER, "check", "rules", "--lint=all", "--lint-fatal", "askwell.rules.yml")
    assert checks.returncode == 0, checks.stdout + checks.stderr
    config = promtool(FOLDER, "check", "config", "--syntax-only", "prometheus.yml")
    assert config.returncode == 0, config.stdout + config.stderr


def test_each_of_the_fifteen_fires_where_it_should_and_nothing_else_does() -> None:
    assert {alert for case in cases() for alert in case.fires} == ALERTS
    assert len(ALERTS) == 15
    assert [case.fires for case in cases()].count(()) == 2
    ran = promtool(FOLDER, "test", "rules", "askwell.tests.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_rule_that_fired_wrongly_or_not_at_all_would_be_noticed(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "askwell.rules.yml", tmp_path)
    for number, samples in ((0, [{"labels": '{alertname="AskwellRedisCritical"}', "value": 1}]), (2, [])):
        wrong = rule_tests()
        wrong["tests"] = wrong["tests"][number : number + 1]
        wrong["tests"][0]["promql_expr_test"][0]["exp_samples"] = samples
        (tmp_path / "wrong.yml").write_text(yaml.safe_dump(wrong))
        assert promtool(tmp_path, "test", "rules", "wrong.yml").returncode == 1


def test_the_board_names_its_data_source_and_places_every_panel() -> None:
    panels = board()["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${datasource}"}


@asynccontextmanager
async def scraped(port: int, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a Prometheus with the shipped rules that scrapes what listens on `port`, twice a second."""
    config = scrape_config(port, every_s=0.5)
    config["scrape_configs"] = config["scrape_configs"][:1]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "askwell.rules.yml").write_text(yaml.safe_dump(rules()))
    address = f"127.0.0.1:{free_port()}"
    arguments = [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}", "--log.level=error"]
    process = await asyncio.create_subprocess_exec(
        program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", *arguments
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def data_of(client: httpx.AsyncClient, query: str) -> list[Any]:
    try:
        reply = await client.get("/api/v1/query", params={"query": query.replace(RANGE, "1m")})
    except httpx.TransportError:  # it is still starting
        return []
    assert reply.status_code in (200, 503), f"{query}: {reply.text}"
    rows: list[Any] = reply.json()["data"]["result"] if reply.status_code == 200 else []
    return [row for row in rows if row["value"][1] != "NaN"]


async def test_every_query_of_the_board_and_of_the_rules_has_data_in_a_prometheus_that_scrapes_a_service(
    world: World, tmp_path: Path
) -> None:
    program("prometheus")
    totals = VersionedRecord(world.backend, TOTALS)
    await Upkeep(world.store, totals, Erasures(world.backend, now_ms=world.clock), now_ms=world.clock).count()
    await measuring.book(world.backend).change(lambda book: replace(settled(book, ["mail"]), messages=1))
    server = uvicorn.Server(uvicorn.Config(world.app().app, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    buffer = Buffer("ingress")
    missing = set(queries()) | set(recorded())
    async with scraped(server.servers[0].sockets[0].getsockname()[1], tmp_path) as prometheus:
        deadline = time.monotonic() + 40
        while missing and time.monotonic() < deadline:
            for observe in DAY:
                observe(buffer)
            await world.record(buffer)
            await asyncio.sleep(0.3)
            missing -= {query for query in missing if await data_of(prometheus, query)}
        loaded = (await prometheus.get("/api/v1/rules")).json()["data"]["groups"]
    server.should_exit = True
    await serving
    assert missing == set()
    health = {rule["name"]: rule["health"] for group in loaded for rule in group["rules"]}
    assert set(health) == ALERTS | set(recorded())
    assert "err" not in health.values()
