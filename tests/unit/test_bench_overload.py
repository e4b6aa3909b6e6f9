"""What is made of what users saw before, during and after a flood."""

from __future__ import annotations

from collections import Counter

import pytest

from serve_app.bench.candidates import Seen
from serve_app.bench.overload import LLM_MS, Flood, back_after_s


def seen(*questions: tuple[float, float], refusals_ms: list[float] | None = None, **errors: int) -> Seen:
    """`questions` are moments and milliseconds over the model's time."""
    return Seen(
        start_ms=[0.0 for _ in questions],
        inputs_ms=[LLM_MS + over_ms for _, over_ms in questions],
        ended_s=[at for at, _ in questions],
        refusals_ms=refusals_ms or [],
        errors=Counter(errors),
    )


@pytest.mark.parametrize(
    ("questions", "back_s"),
    [
        ([], 0.0),
        ([(9.9, 900.0), (10.5, 50.0)], 0.0),
        ([(10.5, 900.0), (11.5, 50.0)], 1.0),
        ([(10.5, 50.0), (13.2, 900.0), (13.3, 50.0), (13.4, 900.0), (14.5, 50.0)], 4.0),
        ([(13.2, 900.0), (13.3, 50.0), (13.4, 50.0)], 0.0),
    ],
)
def test_latency_is_back_after_the_last_second_whose_median_is_slow(
    questions: list[tuple[float, float]], back_s: float
) -> None:
    assert back_after_s(questions, ended_s=10.0, limit_ms=100.0) == back_s


def test_a_flood_s_figures_are_of_their_own_times_and_a_refusal_is_no_error() -> None:
    steady = seen((1.0, 40.0), (2.0, 60.0), (7.0, 500.0), (12.5, 300.0), (14.0, 50.0), refusals_ms=[10.0])
    flood = seen((6.0, 700.0), (8.0, 900.0), (11.0, 5000.0), refusals_ms=[20.0, 30.0])
    flood.errors.update({"503 The service is at its limit": 2, "ClientOSError": 1})
    figures = Flood(steady=steady, flood=flood, began_s=5.0, ended_s=10.0).figures()
    assert figures["calm: a question over LLM time, p50 ms"] == 50.0
    assert figures["flood: a question that is let in, over LLM time, p50 ms"] == 800.0
    assert figures["flood: questions/s"] == 0.4
    assert (figures["refusals"], figures["a refusal, p50 ms"]) == (3, 20.0)
    assert figures["latency is back after s"] == 3.0
    assert figures["errors"] == 1
