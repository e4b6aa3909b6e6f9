"""promtool's tests of the alerting rules: for each of the fifteen a service that is so, and what fires of it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from state.metrics.labels import CacheLevel, Component, Layer
from state.metrics.names import Metric, series

RULES_FILE = "askwell.rules.yml"
STEP_S = 60
STEPS = 70
"""Longer than the longest window; with shorter steps promtool takes half a minute."""
AT = "65m"
_DURATION = Metric.OPERATION_DURATION
_SCORE = Metric.ANSWER_SCORE


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`per_step` says by how much each series grows in a step, `level` what those are that do not grow."""

    name: str
    fires: tuple[str, ...]
    per_step: Mapping[str, float]
    level: Mapping[str, float]


def cases() -> list[Case]:
    """A healthy service, one with too little to do, and one for each alert."""
    well, few = _service(), _service(often=0.001)
    return [
        Case(name="all is well", fires=(), per_step=well, level=_UP),
        Case(name="slow, but hardly ever asked", fires=(), per_step={**few, **_latency(0.001, 7.5)}, level=_UP),
        _case("LatencyWarning", _latency(10, 4)),
        _case("LatencyCritical", _latency(10, 7.5)),
        _case("ErrorsWarning", {_errors(Layer.REQUEST): 0.7}),
        _case("ErrorsCritical", {_errors(Layer.REQUEST): 2}),
        _case("HourlyCostWarning", {_COST: 0.6 / 60}),
        _case("HourlyCostCritical", {_COST: 1.2 / 60}, "DailyCostWarning"),
        _case("DailyCostWarning", {_COST: 0.9 / 60}, "HourlyCostWarning"),
        _case("CacheHitsWarning", {_lookups("hit"): 4, _lookups("miss"): 6}),
        _case("QualityWarning", {f"{_SCORE}_sum": 5.5}),
        _case("QualityCritical", {f"{_SCORE}_sum": 4.5}),
        _case("RefinementsWarning", {_verdicts("accepted"): 0.4, _verdicts("needs_refinement"): 0.6}),
        _case("FirstPassWarning", {_first("yes"): 0.5, _first("no"): 0.5}),
        Case(name="RedisCritical", fires=("AskwellRedisCritical",), per_step={}, level={f"{Metric.STORE_UP}": 0}),
        _case("QdrantCritical", {_checks("ok"): 4, _checks("down"): 8}),
        _case("LlmErrorsCritical", {_errors(Layer.COMPLETION): 2}),
    ]


def rule_tests() -> dict[str, Any]:
    """As `promtool test rules` reads it."""
    return {
        "rule_files": [RULES_FILE],
        "evaluation_interval": f"{STEP_S}s",
        "tests": [
            {
                "name": case.name,
                "interval": f"{STEP_S}s",
                "input_series": [
                    *({"series": name, "values": f"0+{by:g}x{STEPS}"} for name, by in case.per_step.items()),
                    *({"series": name, "values": f"{value:g}+0x{STEPS}"} for name, value in case.level.items()),
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": AT,
                        "exp_samples": [
                            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(case.fires)
                        ],
                    }
                ],
            }
            for case in cases()
        ],
    }


def _case(alert: str, changed: Mapping[str, float], *also: str) -> Case:
    fires = tuple(f"Askwell{name}" for name in (alert, *also))
    return Case(name=alert, fires=fires, per_step={**_service(), **changed}, level=_UP)


def _lookups(result: str) -> str:
    return f'{series(Metric.CACHE_LOOKUPS)}{{level="{CacheLevel.L1}",result="{result}"}}'


def _verdicts(verdict: str) -> str:
    return f'{series(Metric.EVALUATIONS)}{{verdict="{verdict}"}}'


def _first(accepted: str) -> str:
    return f'{series(Metric.FIRST_EVALUATIONS)}{{accepted="{accepted}"}}'


def _checks(status: str) -> str:
    return f'{series(Metric.COMPONENT_CHECKS)}{{component="{Component.QDRANT}",status="{status}"}}'


def _errors(layer: Layer) -> str:
    return f'{series(Metric.OPERATION_ERRORS)}{{layer="{layer}"}}'


def _latency(often: float, at_most_s: float) -> dict[str, float]:
    """So many requests a step, all of them in the bucket of this bound."""
    bounds = (2, 3, 4, 5, 7.5)
    buckets = {bound: often if bound >= at_most_s else 0 for bound in bounds}
    named = {f'{_DURATION}_bucket{{layer="{Layer.REQUEST}",le="{bound:g}"}}': by for bound, by in buckets.items()}
    return {**named, f'{_DURATION}_bucket{{layer="{Layer.REQUEST}",le="+Inf"}}': often}


_COST = series(Metric.LLM_COST)
_UP = {f"{Metric.STORE_UP}": 1}


def _service(often: float = 1.0) -> dict[str, float]:
    """What a healthy service does in a step; `often` scales it."""
    return {
        **_latency(10 * often, 2),
        f'{_DURATION}_count{{layer="{Layer.REQUEST}"}}': 10 * often,
        f'{_DURATION}_count{{layer="{Layer.COMPLETION}"}}': 10 * often,
        _errors(Layer.REQUEST): 0.1 * often,
        _errors(Layer.COMPLETION): 0.1 * often,
        _COST: 0.2 / 60 * often,
        f'{series(Metric.LLM_CALLS)}{{priced="yes"}}': 10 * often,
        _lookups("hit"): 9 * often,
        _lookups("miss"): 1 * often,
        f"{_SCORE}_sum": 8 * often,
        f"{_SCORE}_count": 1 * often,
        _verdicts("accepted"): 0.8 * often,
        _verdicts("needs_refinement"): 0.2 * often,
        _first("yes"): 0.8 * often,
        _first("no"): 0.2 * often,
        _checks("ok"): 12,
        _checks("down"): 0,
    }
