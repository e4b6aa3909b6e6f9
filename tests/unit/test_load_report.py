"""The load's figures: what the models took and what the service added, where it broke, what is told of a run."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.breaking import Window, breaking_points, broken, counts_of, counts_over_time, windows_of
from loadtests.load.rendering import markdown, write_csv
from loadtests.load.report import (
    ALL,
    Run,
    bill,
    checks,
    errors_by_kind,
    part_rows,
    refusals_by_kind,
    step_rows,
)
from loadtests.load.samples import Notes, Sample, read_samples, read_standings
from loadtests.load.scenarios import SCENARIOS, Limits
from loadtests.load.server import Moment
from loadtests.load.simulated import Simulated, longest_ms
from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.calls import End, Sending
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.latency import Latency
from loadtests.provider_stub.traces import Trace, Traces
from state.metrics.figures import CacheFigures
from state.prices import Prices

MARK = "trace-0123456789abcdef"
LIMITS = Limits(p95_ms=5_000, error_share=0.05)


def call(began_s: float, took_ms: float, *, first_ms: float | None = None, mark: str = MARK) -> Trace:
    first_ms = took_ms if first_ms is None else first_ms
    return Trace(mark=mark, operation="write_answer", began_s=began_s, first_ms=first_ms, took_ms=took_ms)


def sample(
    step: str = "inputs", took_ms: float = 100.0, *, at_s: float = 0.0, refused: str = "", error: str = ""
) -> Sample:
    return Sample(step=step, began_s=at_s, took_ms=took_ms, mark=MARK, refused=refused, error=error)


def window(users: int, *, p95_ms: float = 100.0, refused: int = 0, errors: int = 0, requests: int = 100) -> Window:
    return Window(at_s=users, users=users, requests=requests, refused=refused, errors=errors, p95_ms=p95_ms)


def a_run(*samples: Sample, scenario: str = "baseline", traces: tuple[Trace, ...] = (), lost: int = 0) -> Run:
    return Run(
        scenario=SCENARIOS[scenario],
        llm="median 1,000 ms",
        seconds=10.0,
        most_users=100,
        think=1.0,
        steps=step_rows(samples, Simulated(traces), seconds=10.0),
        errors=errors_by_kind(samples),
        refusals=refusals_by_kind(samples),
        sessions_read=10,
        sessions_lost=lost,
    )


def broken_limits(run: Run) -> list[str]:
    return [check.what for check in checks(run) if not check.holds]


def test_calls_one_after_another_add_up_and_calls_at_once_do_not() -> None:
    assert longest_ms([call(0.0, 1000), call(1.01, 500)]) == 1500
    assert longest_ms([call(0.0, 1000), call(0.01, 1200), call(0.02, 800)]) == 1200
    assert longest_ms([]) == 0


def test_a_call_that_waited_for_another_s_first_byte_counts_from_there() -> None:
    assert longest_ms([call(0.0, 1000, first_ms=300), call(0.31, 900)]) == 1200
    assert longest_ms([call(0.0, 1000, first_ms=300), call(0.29, 900)]) == 1000


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3000), st.floats(0, 1)), min_size=1, max_size=8))
def test_no_chain_is_longer_than_the_time_from_the_first_call_to_the_last_end(
    drawn: list[tuple[float, float, float]],
) -> None:
    calls = [call(began_s, took_ms, first_ms=took_ms * share) for began_s, took_ms, share in sorted(drawn)]
    passed_ms = (max(one.began_s + one.took_ms / 1000 for one in calls) - calls[0].began_s) * 1000
    assert max(one.took_ms for one in calls) <= longest_ms(calls) <= passed_ms + 1e-6


def test_the_calls_of_a_request_are_those_with_its_mark_that_began_within_it() -> None:
    traces = [call(9.0, 700), call(10.1, 1000), call(10.2, 3000, mark="trace-ffffffffffffffff"), call(12.5, 400)]
    simulated = Simulated(traces)
    whole = sample(took_ms=1150, at_s=10.0)
    assert simulated.llm_ms(whole) == 1000
    assert simulated.over_ms(whole) == pytest.approx(150)
    assert simulated.over_ms(replace(whole, mark="")) == 1150


def test_a_trace_tells_what_was_drawn_and_how_late_the_stub_was() -> None:
    traces = Traces()
    traces.add(
        MARK, "write_answer", Sending(pieces=((0.3, b"a"), (1.0, b"b"))), began_s=5.0, elapsed_s=1.25, stayed=True
    )
    assert [Trace.of_row(row) for row in traces.taken()] == [
        Trace(mark=MARK, operation="write_answer", began_s=5.0, first_ms=300, took_ms=1000, late_ms=250)
    ]
    assert traces.taken() == []


def test_a_call_that_its_client_left_took_until_then() -> None:
    traces = Traces()
    traces.add(MARK, "write_answer", Sending(pieces=((1.0, b"a"),)), began_s=5.0, elapsed_s=0.4, stayed=False)
    traces.add(MARK, "write_answer", Sending(end=End.STALL), began_s=6.0, elapsed_s=2.0, stayed=False)
    left, stalled = (Trace.of_row(row) for row in traces.taken())
    assert (left.first_ms, left.took_ms) == (400, 400)
    assert (stalled.first_ms, stalled.took_ms) == (0, 2000)


def test_what_users_noted_is_read_back_in_order_of_time(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    later, earlier = sample(at_s=2.0, refused="503 Overloaded"), sample("open session", at_s=1.0)
    notes.sample(later)
    notes.sample(earlier)
    notes.standing("s1", {"q1": ("PROMPTED", 0)})
    notes.close()
    (tmp_path / "samples-0.jsonl").write_text('["inputs", 3.0, 1')
    assert read_samples(tmp_path) == [earlier, later]
    assert read_standings(tmp_path) == {"s1": {"q1": ("PROMPTED", 0)}}


def test_latencies_are_those_of_answers_alone() -> None:
    rows = step_rows(
        [sample(took_ms=100), sample(took_ms=9_000, error="500 Broken"), sample(took_ms=1, refused="503 Overloaded")],
        None,
        seconds=2.0,
    )
    inputs = rows[0]
    assert (inputs.answered, inputs.refused, inputs.errors, inputs.per_s) == (1, 1, 1, 0.5)
    assert (inputs.p95_ms, inputs.llm_p95_ms, inputs.over_p95_ms) == (100, None, None)


def test_readers_of_events_are_told_of_but_are_not_among_all_steps() -> None:
    rows = {
        row.step: row for row in step_rows([sample(), sample("event", 5.0), sample("watch", 7.0)], None, seconds=1.0)
    }
    assert rows[ALL].answered == 1
    assert rows["event"].p95_ms == 5.0
    assert list(rows)[-1] == ALL


def test_refusals_are_counted_by_kind_with_how_quickly_they_came() -> None:
    refused = [sample(took_ms=ms, refused="503 Overloaded") for ms in (1.0, 2.0, 3.0)]
    assert refusals_by_kind([*refused, sample()]) == {"503 Overloaded": (3, pytest.approx(2.9))}


def test_a_run_within_its_limits_holds_them_all() -> None:
    samples = [sample(took_ms=1_050, at_s=n * 10.0) for n in range(30)]
    traces = tuple(call(n * 10.0 + 0.02, 1_000) for n in range(30))
    run = a_run(*samples, traces=traces)
    assert run.whole.over_p95_ms == pytest.approx(50)
    assert broken_limits(run) == []


def test_what_the_service_adds_is_held_against_its_own_limit() -> None:
    run = a_run(sample(took_ms=1_150, at_s=10.0), traces=(call(10.02, 1_000),))
    assert broken_limits(run) == ["p95 over the LLM time, this project's own"]


def test_the_whole_latency_counts_where_the_llm_time_is_not_known() -> None:
    known = a_run(sample(took_ms=2_500))
    unknown = replace(known, steps=step_rows([sample(took_ms=2_500)], None, seconds=10.0))
    assert broken_limits(unknown) == ["p95"]


def test_one_error_breaks_the_baseline_and_one_refusal_in_a_thousand_does_not() -> None:
    many = [sample(took_ms=10.0) for _ in range(999)]
    assert broken_limits(a_run(*many, sample(refused="503 Overloaded"))) == []
    assert broken_limits(a_run(*many, sample(error="500 Broken"))) == ["errors"]


def test_a_service_that_refuses_everything_holds_nothing() -> None:
    run = a_run(*(sample(refused="503 Overloaded") for _ in range(10)))
    assert broken_limits(run) == [
        "p95 over the LLM time" if run.whole.over_p95_ms else "p95",
        "errors and refusals, of all requests",
    ]


def test_under_stress_refusals_are_no_errors_but_have_to_say_when_to_come_back() -> None:
    good = [sample() for _ in range(80)]
    refused = [sample(refused="503 Overloaded") for _ in range(20)]
    assert broken_limits(a_run(*good, *refused, scenario="stress")) == []
    bare = sample(error="503 text/plain, without Retry-After")
    assert broken_limits(a_run(*good, bare, scenario="stress")) == ["refusals without Retry-After"]


def test_a_lost_step_breaks_every_scenario() -> None:
    for name in SCENARIOS:
        assert "acknowledged steps lost" in broken_limits(a_run(sample(took_ms=10), scenario=name, lost=1))
    read_again = a_run(sample(took_ms=10), sample("resume", error="lost"))
    assert "acknowledged steps lost" in broken_limits(read_again)


def test_batches_have_to_hit_the_prompt_cache() -> None:
    report = {"totals": TOTALS, "rows": [ROW]}
    run = replace(a_run(sample("batch"), scenario="batch"), bill=bill(report, Prices()))
    assert broken_limits(run) == ["prompt cache hits, of the calls that can be cached"]


def test_a_bill_prices_tokens_by_the_list_and_against_no_cache_at_all() -> None:
    account = bill({"totals": TOTALS, "rows": [ROW]}, Prices())
    assert (account.hit_share, account.cached_share) == (0.75, 0.5)
    assert account.usd is not None
    assert account.uncached_usd is not None
    assert 0 < account.usd < account.uncached_usd
    unknown = bill({"totals": TOTALS, "rows": [ROW, ROW | {"model": "nobody-s-model"}]}, Prices())
    assert unknown.usd is None


def test_the_breaking_point_is_the_first_of_two_bad_windows_in_a_row() -> None:
    windows = [window(100), window(200, p95_ms=9_000), window(300), window(400, errors=6), window(500, refused=10)]
    (found,) = breaking_points(windows, LIMITS)
    assert (found.users, found.at_s, found.held_again_s) == (400, 400, None)
    assert found.what == ("errors 6.0%, limit 5%",)
    assert breaking_points(windows[:4], LIMITS) == []


def test_a_break_that_passes_is_told_apart_from_the_one_that_lasts() -> None:
    bad, good = {"p95_ms": 9_000.0}, {"p95_ms": 90.0}
    each = [bad, bad, good, bad, good, good, good, bad, bad]
    windows = [window(100 * number, **one) for number, one in enumerate(each, 1)]
    passed, lasting = breaking_points(windows, LIMITS)
    assert (passed.users, passed.held_again_s) == (100, 500)
    assert (lasting.users, lasting.held_again_s) == (800, None)


def test_a_running_test_is_judged_by_what_has_happened_since_the_last_window() -> None:
    before = counts_of([stats("inputs", {100: 50}), stats("event", {1: 999})])
    now = counts_of(
        [
            stats("inputs", {100: 60, 900: 10}, failures=2),
            stats("inputs (refused)", {2: 7}),
            stats("event", {1: 1_999}, failures=9),
        ]
    )
    assert now.since(before, at_s=10.0, users=5) == Window(
        at_s=10.0, users=5, requests=27, refused=7, errors=2, p95_ms=900.0
    )


def stats(name: str, took: dict[int, int], *, failures: int = 0) -> SimpleNamespace:
    requests = sum(took.values())
    return SimpleNamespace(name=name, num_requests=requests, num_failures=failures, response_times=took)


def test_a_window_tells_everything_that_broke_in_it() -> None:
    what = broken(window(100, p95_ms=6_000, errors=10, refused=50), LIMITS)
    assert [one.split()[0] for one in what] == ["p95", "errors", "refused"]
    assert broken(window(50, p95_ms=6_000, requests=5), LIMITS) == ()
    assert broken(window(100, requests=5), LIMITS) == ("hardly an answer: 5",)


def test_windows_hold_what_ended_in_them_and_the_users_of_their_end() -> None:
    users_at = counts_over_time([(100.0, 10), (110.0, 20), (120.0, 30)])
    samples = [sample(took_ms=500, at_s=101.0), sample(took_ms=2_000, at_s=109.0), sample("event", at_s=102.0)]
    first, second = windows_of(samples, users_at, began_s=100.0)
    assert (first.requests, first.p95_ms, first.users) == (1, 500, 20)
    assert (second.requests, second.p95_ms, second.users) == (1, 2_000, 30)
    assert users_at(99.0) == 0


def test_cores_are_seconds_of_processor_time_a_second() -> None:
    moments = [
        Moment(at_s=0.0, cpu_s={"ingress": 1.0}, load_cpu_s=0.0, replicas={}, memory_mb={"ingress": 80.0}),
        Moment(at_s=1.0, cpu_s={"ingress": 1.2, "generator": 0.1}, load_cpu_s=0.0, replicas={}),
        Moment(
            at_s=2.0, cpu_s={"ingress": 2.0, "generator": 0.2}, load_cpu_s=0.0, replicas={}, memory_mb={"ingress": 90.0}
        ),
    ]
    ingress, generator, together = part_rows(moments)
    assert ingress.mean_cores == pytest.approx(0.5)
    assert ingress.most_cores == pytest.approx(0.8)
    assert ingress.most_memory_mb == 90
    assert generator.mean_cores == pytest.approx(0.1)
    assert together.mean_cores == pytest.approx(0.6)
    assert part_rows(moments[:1]) == ()


def test_the_report_names_what_broke_and_what_was_met(tmp_path: Path) -> None:
    samples = [
        sample(took_ms=1_100, at_s=10.0),
        sample(error="500 Broken"),
        sample(refused="503 Overloaded", took_ms=3),
    ]
    moments = [
        Moment(at_s=0.0, cpu_s={"ingress": 1.0}, load_cpu_s=0.0, replicas={"generator": 1}),
        Moment(at_s=1.0, cpu_s={"ingress": 1.5}, load_cpu_s=0.0, replicas={"generator": 1}),
        Moment(at_s=2.0, cpu_s={"ingress": 2.0}, load_cpu_s=0.0, replicas={"generator": 2}),
    ]
    run = replace(
        a_run(*samples, traces=(call(10.02, 1_000),)),
        moments=moments,
        parts=part_rows(moments),
        bill=bill({"totals": TOTALS, "rows": [ROW]}, Prices()),
        caches={
            "l1": CacheFigures(hits=30, misses=10, hit_rate=0.75),
            "prompt": CacheFigures(hits=1, misses=0, hit_rate=1.0),
        },
    )
    text = markdown(run)
    for told in (
        "# Load: baseline, 100 users, 10 s",
        "## Limits broken.",
        "| inputs: 500 Broken | 1 |",
        "| 503 Overloaded | 1 | 3 |",
        "| embeddings: found in the process, of all texts that were looked up | 75.0% of 40 |",
        "| ingress | 0.50 | 0.50 | 0 |",
        "| 2 | 0 | 0 | 2 | 0 | 0 |",
        "| inputs | 1 | 0.1 | 1,100 | 1,100 | 1,100 | 1,000 | 1,000 | 100 | 100 | 1 | 1 |",
    ):
        assert told in text
    write_csv(run, tmp_path)
    with (tmp_path / "steps.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["inputs", ALL]
    assert len((tmp_path / "timeline.csv").read_text().splitlines()) == 4


def test_a_stress_run_names_its_breaking_point() -> None:
    run = a_run(sample(), scenario="stress")
    assert "## Breaking point: None up to 100 users" in markdown(run)
    found = breaking_points([window(1_200, p95_ms=6_000), window(1_200, p95_ms=7_000)], LIMITS)
    text = markdown(replace(run, breaking=tuple(found)))
    assert "## Breaking point: 1,200 users" in text
    assert "- at 1,200 users, from 1,200 s on: p95 6,000 ms, limit 5,000 ms" in text


TOTALS = {"calls": 5, "eligible_calls": 4, "hits": 3, "input_tokens": 2000, "cached_tokens": 1000, "output_tokens": 100}
ROW = {
    "provider": "openai",
    "model": "gpt-5-mini",
    "operation": "write_answer",
    "input_tokens": 2000,
    "cached_tokens": 1000,
    "cache_write_tokens": 0,
    "output_tokens": 100,
    "reasoning_tokens": 0,
}


async def test_the_stub_hands_over_the_times_of_marked_calls_once() -> None:
    stub = Stub(StubConfig(traced=True, latency={"*": Latency(median_ms=5.0)}))
    for text in (f"<cv>1: Candidate {MARK}</cv>", "<cv>1: nobody's</cv>"):
        body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]}
        await asked(stub, "POST", "/v1/chat/completions", body)
    (row,) = await asked(stub, "POST", "/stub/traces", {})
    trace = Trace.of_row(row)
    assert (trace.mark, trace.operation, trace.took_ms) == (MARK, "other", 5.0)
    assert await asked(stub, "POST", "/stub/traces", {}) == []


async def test_a_stub_that_is_not_traced_keeps_no_times() -> None:
    stub = Stub()
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": MARK}]}
    await asked(stub, "POST", "/v1/chat/completions", body)
    assert await asked(stub, "POST", "/stub/traces", {}) == []


async def asked(stub: Stub, method: str, path: str, body: dict[str, Any]) -> Any:
    """The stub's reply, over ASGI."""
    pieces: list[bytes] = []
    waiting = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await asyncio.Future()

    async def send(message: MutableMapping[str, Any]) -> None:
        pieces.append(message.get("body", b""))

    headers = [(b"authorization", b"Bearer any")]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    await stub.app(scope, receive, send)
    return json.loads(b"".join(pieces))
