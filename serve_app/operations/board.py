"""The Grafana board, as code: rows of panels, each of queries over what `/metrics` and the recording rules have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from state.metrics.labels import Layer
from state.metrics.names import Metric, series

RANGE = "$__rate_interval"
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 8
_HEIGHT = 8
_COLUMNS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`queries` are expressions by their legends; `unit` is one of Grafana's."""

    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"


def _rate(metric: Metric, by: str, matchers: str = "") -> str:
    return f"sum by ({by}) (rate({series(metric)}{{{matchers}}}[{RANGE}]))"


def _quantile(share: float, metric: Metric, by: str) -> str:
    return f"histogram_quantile({share:g}, sum by (le, {by}) (rate({metric}_bucket[{RANGE}])))"


_REQUESTS = f'layer="{Layer.REQUEST}"'
_TOKENS = f"sum by (gen_ai_token_type) (rate({Metric.TOKEN_USAGE}_sum[{RANGE}]))"
_INPUT = f'sum(rate({Metric.TOKEN_USAGE}_sum{{gen_ai_token_type="input"}}[{RANGE}]))'

PANELS = (
    Panel(title="Requests", unit="reqps", queries={"{{operation}}": f"askwell:operations:rate5m{{{_REQUESTS}}}"}),
    Panel(
        title="Request latency, p50, p95, p99",
        unit="s",
        queries={
            f"p{share} {{{{operation}}}}": f"askwell:operation_duration_seconds:p{share}_5m{{{_REQUESTS}}}"
            for share in (50, 95, 99)
        },
    ),
    Panel(
        title="Errors and refusals",
        unit="ops",
        queries={
            "{{operation}} {{error_type}}": _rate(Metric.OPERATION_ERRORS, "operation, error_type"),
            "refused {{operation}} {{error_type}}": _rate(Metric.OPERATION_REFUSALS, "operation, error_type"),
        },
    ),
    Panel(
        title="HTTP routes, p95",
        unit="s",
        queries={
            "{{http_request_method}} {{http_route}}": _quantile(
                0.95, Metric.REQUEST_DURATION, "http_request_method, http_route"
            )
        },
    ),
    Panel(
        title="Calls to models, p95",
        unit="s",
        queries={
            "{{gen_ai_request_model}} {{operation}}": _quantile(
                0.95, Metric.COMPLETION_DURATION, "gen_ai_request_model, operation"
            )
        },
    ),
    Panel(title="Calls to models", unit="ops", queries={"{{priced}}": _rate(Metric.LLM_CALLS, "priced")}),
    Panel(
        title="Dollars an hour",
        unit="currencyUSD",
        queries={"{{gen_ai_request_model}} {{operation}}": "askwell:llm_cost_dollars:rate1h * 3600"},
    ),
    Panel(title="Tokens a second", unit="short", queries={"{{gen_ai_token_type}}": _TOKENS}),
    Panel(
        title="Share of input read from prefix caches",
        unit="percentunit",
        queries={"cached": f"sum(rate({series(Metric.LLM_CACHED_TOKENS)}[{RANGE}])) / {_INPUT}"},
    ),
    Panel(
        title="Embeddings found in caches",
        unit="percentunit",
        queries={"hits": "askwell:embedding_cache_hits:ratio15m"},
    ),
    Panel(
        title="Lookups in caches",
        unit="ops",
        queries={"{{level}} {{result}}": _rate(Metric.CACHE_LOOKUPS, "level, result")},
    ),
    Panel(title="Score of answers, mean of 30 minutes", unit="short", queries={"mean": "askwell:answer_score:mean30m"}),
    Panel(title="Verdicts", unit="ops", queries={"{{verdict}}": _rate(Metric.EVALUATIONS, "verdict")}),
    Panel(
        title="First evaluations",
        unit="ops",
        queries={"accepted: {{accepted}}": _rate(Metric.FIRST_EVALUATIONS, "accepted")},
    ),
    Panel(
        title="Components",
        unit="ops",
        queries={"{{component}} {{status}}": _rate(Metric.COMPONENT_CHECKS, "component, status")},
    ),
    Panel(
        title="Alerts that fire",
        unit="short",
        queries={"{{rule}} {{severity}}": f"{Metric.ALERT_FIRING}"},
        kind="table",
    ),
    Panel(
        title="Messages about alerts",
        unit="short",
        queries={
            "{{channel}} {{result}}": f"sum by (channel, result) ({series(Metric.ALERT_DELIVERIES)})",
            "{{state}}": f"sum by (state) ({series(Metric.ALERT_MESSAGES)})",
        },
    ),
    Panel(
        title="What is measured",
        unit="ops",
        queries={"flushes {{state}}": _rate(Metric.FLUSHES, "state"), "Redis answers": f"min({Metric.STORE_UP})"},
    ),
)


def queries() -> list[str]:
    """Every expression of the board."""
    return [expression for panel in PANELS for expression in panel.queries.values()]


def board() -> dict[str, Any]:
    """As Grafana imports it; the data source is asked for."""
    across = _COLUMNS // _WIDTH
    return {
        "uid": "askwell",
        "title": "Askwell",
        "schemaVersion": 38,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [
            {
                "id": number + 1,
                "type": panel.kind,
                "title": panel.title,
                "datasource": _DATASOURCE,
                "gridPos": {
                    "x": number % across * _WIDTH,
                    "y": number // across * _HEIGHT,
                    "w": _WIDTH,
                    "h": _HEIGHT,
                },
                "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
                "targets": [
                    {"refId": chr(65 + place), "datasource": _DATASOURCE, "expr": expression, "legendFormat": legend}
                    for place, (legend, expression) in enumerate(panel.queries.items())
                ],
            }
            for number, panel in enumerate(PANELS)
        ],
    }
