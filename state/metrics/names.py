"""What the metrics are called in Prometheus: the one table that `/metrics`, the alerting rules and the board go by.

Calls to models follow OpenTelemetry's semantic conventions for generative AI, version 1.37, and HTTP requests those
for HTTP of the same version, as Prometheus writes them: dots and units become underscores and suffixes. All others
follow Prometheus's rules for names: a prefix, base units, `_total` for counters. What is measured is a counter or a
histogram, so that all rates come from `rate`; gauges say how things stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from state.metrics.spend import TOKEN_BOUNDS


class Metric(StrEnum):
    """Names without the suffixes `_total`, `_bucket`, `_sum` and `_count` that Prometheus adds to a family."""

    OPERATION_DURATION = "askwell_operation_duration_seconds"
    OPERATION_ERRORS = "askwell_operation_errors"
    OPERATION_REFUSALS = "askwell_operation_refusals"
    REQUEST_DURATION = "http_server_request_duration_seconds"
    COMPLETION_DURATION = "gen_ai_client_operation_duration_seconds"
    TOKEN_USAGE = "gen_ai_client_token_usage"  # noqa: S105 - tokens of text
    LLM_CALLS = "askwell_llm_calls"
    LLM_COST = "askwell_llm_cost_dollars"
    LLM_CACHED_TOKENS = "askwell_llm_cached_tokens"
    ANSWER_SCORE = "askwell_answer_score"
    EVALUATIONS = "askwell_evaluations"
    FIRST_EVALUATIONS = "askwell_first_evaluations"
    CACHE_LOOKUPS = "askwell_cache_lookups"
    COMPONENT_CHECKS = "askwell_component_checks"
    FLUSHES = "askwell_metrics_flushes"
    ALERT_MESSAGES = "askwell_alert_messages"
    ALERT_DELIVERIES = "askwell_alert_deliveries"
    ALERT_FIRING = "askwell_alert_firing"
    STORE_UP = "askwell_store_up"


class Kind(StrEnum):
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`bounds` are a histogram's, in the metric's unit, without infinity."""

    kind: Kind
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


OPERATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 30, 60)
"""Has the limits of the alerts on latency, 3 and 5 seconds, so that a quantile near them is not interpolated across."""
REQUEST_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Of `http.server.request.duration` in the conventions."""
COMPLETION_BOUNDS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Of `gen_ai.client.operation.duration` in the conventions."""
SCORE_BOUNDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)

_OPERATION = ("layer", "operation", "priority", "variant")
_MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "operation")
"""The conventions' `gen_ai_operation_name` is 'chat' for every completion; ours stands in `operation`."""

FAMILIES: Mapping[Metric, Family] = {
    Metric.OPERATION_DURATION: Family(
        kind=Kind.HISTOGRAM, help="How long operations took.", labels=_OPERATION, bounds=OPERATION_BOUNDS_S
    ),
    Metric.OPERATION_ERRORS: Family(
        kind=Kind.COUNTER, help="Operations that failed.", labels=(*_OPERATION, "error_type")
    ),
    Metric.OPERATION_REFUSALS: Family(
        kind=Kind.COUNTER,
        help="Operations whose request was wrong, or that nobody waited for.",
        labels=(*_OPERATION, "error_type"),
    ),
    Metric.REQUEST_DURATION: Family(
        kind=Kind.HISTOGRAM,
        help="How long HTTP requests took, those that were refused too.",
        labels=("http_request_method", "http_route"),
        bounds=REQUEST_BOUNDS_S,
    ),
    Metric.COMPLETION_DURATION: Family(
        kind=Kind.HISTOGRAM, help="How long calls to models took.", labels=_MODEL, bounds=COMPLETION_BOUNDS_S
    ),
    Metric.TOKEN_USAGE: Family(
        kind=Kind.HISTOGRAM,
        help="Tokens of calls to models, as the providers count them.",
        labels=(*_MODEL, "gen_ai_token_type"),
        bounds=TOKEN_BOUNDS,
    ),
    Metric.LLM_CALLS: Family(
        kind=Kind.COUNTER, help="Calls to models; priced is yes, no or unmeasured.", labels=(*_MODEL, "priced")
    ),
    Metric.LLM_COST: Family(kind=Kind.COUNTER, help="US dollars that priced calls cost.", labels=_MODEL),
    Metric.LLM_CACHED_TOKENS: Family(
        kind=Kind.COUNTER, help="Input tokens read from providers' prefix caches.", labels=_MODEL
    ),
    Metric.ANSWER_SCORE: Family(
        kind=Kind.HISTOGRAM, help="Scores of answers, 1 to 10.", labels=("priority", "variant"), bounds=SCORE_BOUNDS
    ),
    Metric.EVALUATIONS: Family(
        kind=Kind.COUNTER, help="Evaluations of answers.", labels=("priority", "variant", "verdict")
    ),
    Metric.FIRST_EVALUATIONS: Family(
        kind=Kind.COUNTER,
        help="Evaluations of answers that were not refined yet; accepted is yes or no.",
        labels=("priority", "variant", "accepted"),
    ),
    Metric.CACHE_LOOKUPS: Family(
        kind=Kind.COUNTER, help="Lookups in caches; result is hit or miss.", labels=("level", "operation", "result")
    ),
    Metric.COMPONENT_CHECKS: Family(
        kind=Kind.COUNTER, help="Health checks of components.", labels=("component", "status")
    ),
    Metric.FLUSHES: Family(
        kind=Kind.COUNTER, help="Flushes of processes; state is merged, lost or refused.", labels=("state",)
    ),
    Metric.ALERT_MESSAGES: Family(
        kind=Kind.COUNTER,
        help="Messages about alerts; state is made, or dropped before all channels had it.",
        labels=("state",),
    ),
    Metric.ALERT_DELIVERIES: Family(
        kind=Kind.COUNTER,
        help="Deliveries of messages to channels; result is delivered or failed.",
        labels=("channel", "result"),
    ),
    Metric.ALERT_FIRING: Family(
        kind=Kind.GAUGE, help="1 for an alert that fires, 0 for one that does not.", labels=("rule", "severity")
    ),
    Metric.STORE_UP: Family(
        kind=Kind.GAUGE, help="1 where the replica that was asked has read this from Redis, else 0.", labels=()
    ),
}


def series(metric: Metric) -> str:
    """A counter's name as it stands in a query."""
    return f"{metric}_total"
