"""Recording rules: what the board asks for again and again, computed once per evaluation."""

from __future__ import annotations

from typing import Any

from state.metrics.labels import CacheLevel, Layer
from state.metrics.names import Metric, series

_DURATION = Metric.OPERATION_DURATION
_EMBEDDINGS = f'level=~"{CacheLevel.L1}|{CacheLevel.L2}",result="hit"'


def recorded() -> dict[str, str]:
    """Expressions by the names under which they are recorded: level, what, how."""
    by_operation = "by (layer, operation)"
    rules = {
        "askwell:operations:rate5m": f"sum {by_operation} (rate({_DURATION}_count[5m]))",
        "askwell:operation_errors:rate5m": f"sum {by_operation} (rate({series(Metric.OPERATION_ERRORS)}[5m]))",
        "askwell:llm_cost_dollars:rate1h": (
            f"sum by (gen_ai_request_model, operation) (rate({series(Metric.LLM_COST)}[1h]))"
        ),
        "askwell:embedding_cache_hits:ratio15m": (
            f"sum(increase({series(Metric.CACHE_LOOKUPS)}{{{_EMBEDDINGS}}}[15m])) / "
            f'sum(increase({series(Metric.CACHE_LOOKUPS)}{{level="{CacheLevel.L1}"}}[15m]))'
        ),
        "askwell:answer_score:mean30m": (
            f"sum(increase({Metric.ANSWER_SCORE}_sum[30m])) / sum(increase({Metric.ANSWER_SCORE}_count[30m]))"
        ),
    }
    for share in (50, 95, 99):
        rules[f"askwell:operation_duration_seconds:p{share}_5m"] = (
            f"histogram_quantile({share / 100:g}, sum by (le, layer, operation) (rate({_DURATION}_bucket[5m])))"
        )
    rules["askwell:requests:p95_5m"] = (
        f'histogram_quantile(0.95, sum by (le) (rate({_DURATION}_bucket{{layer="{Layer.REQUEST}"}}[5m])))'
    )
    return rules


def recording_rules() -> dict[str, Any]:
    """A group of Prometheus's."""
    rules = [{"record": name, "expr": expression} for name, expression in recorded().items()]
    return {"name": "askwell-recording", "rules": rules}
