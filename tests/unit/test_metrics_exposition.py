"""What Prometheus is given: every family of the table, with the labels that it names, and sums that agree."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from prometheus_client.parser import text_string_to_metric_families

from serve_app.http.exposing import exposed, exposed_without_store
from state.alerts.book import AlertBook, settled
from state.alerts.rules import rules_from
from state.metrics.cells import Cells, Verdict
from state.metrics.exposition import exposition
from state.metrics.labels import CacheLevel, Component, Status
from state.metrics.names import FAMILIES, Metric, series
from state.metrics.totals import Totals
from tests.observations import (
    LABELS,
    REQUEST,
    USAGE,
    cells,
    cells_of,
    checked,
    judged,
    looked_up,
    performed,
    spent,
)

EVERYTHING = cells_of(
    [
        performed(2_500, "Overloaded", REQUEST),
        performed(400, "NotFound", REQUEST),
        performed(900, "late"),
        spent(0.25),
        judged(7.4, Verdict.ACCEPTED),
        looked_up(CacheLevel.L1, 3, 1),
        checked(Component.REDIS, Status.DOWN, 1, "timeout"),
    ]
)
ANSWER = ("chat", "openai", "gpt-5-mini", "write_answer")


def test_every_metric_of_the_table_is_exposed_as_its_kind() -> None:
    totals = Totals(through_ms=0, cells=EVERYTHING, flushes=7, flushes_lost=1)
    told = exposed(totals, settled(AlertBook(), ["mail"]), rules_from(None)).decode()
    found = {family.name: family for family in text_string_to_metric_families(told)}
    assert {name: family.type for name, family in found.items()} == {
        str(metric): str(family.kind) for metric, family in FAMILIES.items()
    }
    for metric, family in FAMILIES.items():
        for sample in found[metric].samples:
            assert set(sample.labels) - {"le"} == set(family.labels)
    assert set(FAMILIES) == set(Metric)


def test_while_redis_does_not_answer_that_is_all_that_is_told() -> None:
    assert [row for row in exposed_without_store().decode().splitlines() if row[0] != "#"] == ["askwell_store_up 0.0"]


@settings(max_examples=30)
@given(cells)
def test_every_sample_has_a_value_for_each_label_and_histograms_are_cumulative(held: Cells) -> None:
    told = exposition(held, flushes=0, flushes_lost=0, flushes_refused=0)
    for metric, samples in (told.counters | told.histograms).items():
        assert all(len(values) == len(FAMILIES[metric].labels) for values in samples)
    for metric, histograms in told.histograms.items():
        for sample in histograms.values():
            assert len(sample.at_most) == len(FAMILIES[metric].bounds)
            assert [*sample.at_most, sample.count] == sorted([*sample.at_most, sample.count])


def test_sums_and_counts_are_the_cells_own() -> None:
    told = exposition(EVERYTHING, flushes=7, flushes_lost=1, flushes_refused=0)
    request = ("request", "give_inputs", "none", "usual")
    duration = told.histograms[Metric.OPERATION_DURATION][request]
    assert (duration.count, duration.sum) == (2, 2.9)
    bounds = FAMILIES[Metric.OPERATION_DURATION].bounds
    assert dict(zip(bounds, duration.at_most, strict=True))[2] == 1
    assert told.counters[Metric.OPERATION_ERRORS][(*request, "Overloaded")] == 1
    assert told.counters[Metric.OPERATION_REFUSALS] == {(*request, "NotFound"): 1}
    tokens = told.histograms[Metric.TOKEN_USAGE]
    assert (tokens[(*ANSWER, "input")].sum, tokens[(*ANSWER, "output")].sum) == (4_000, USAGE.output_tokens)
    assert tokens[(*ANSWER, "input")].at_most[5:7] == (0, 1)
    assert told.counters[Metric.LLM_COST] == {ANSWER: 0.25}
    assert told.histograms[Metric.ANSWER_SCORE][("HIGH", "usual")].at_most == (0, 0, 0, 0, 0, 0, 0, 1, 1, 1)
    assert told.counters[Metric.FLUSHES] == {("merged",): 7, ("lost",): 1, ("refused",): 0}


def test_a_completion_stands_among_the_calls_to_models_and_a_request_does_not() -> None:
    told = exposition(EVERYTHING, flushes=0, flushes_lost=0, flushes_refused=0)
    assert set(told.histograms[Metric.COMPLETION_DURATION]) == {ANSWER}
    assert LABELS.prompt not in str(told)


@pytest.mark.parametrize("metric", Metric)
def test_names_follow_prometheuss_rules(metric: Metric) -> None:
    assert re.fullmatch(r"(askwell|gen_ai|http_server)_[a-z_]+", metric)
    assert not metric.endswith(("_total", "_bucket", "_sum", "_count"))
    assert series(metric) == f"{metric}_total"
    family = FAMILIES[metric]
    assert not [name for name in family.labels if name.endswith("_id") or name in ("tenant", "session")]
    assert list(family.bounds) == sorted(set(family.bounds))
