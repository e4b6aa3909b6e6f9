"""The same rules as Prometheus's alerting rules, for whoever has Prometheus and Alertmanager already.

A window is rounded up to two minutes, because `rate` needs two scrapes in it. The critical alert of a rule replaces its
warning: the warning's expression stops where the critical one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from state.alerts.rules import Rule, Rules, Severity, Signal, Worse
from state.metrics.labels import CacheLevel, Component, Layer, Status
from state.metrics.names import Metric, series

SHORTEST_RANGE_MINUTES = 2


def alerting_rules(rules: Rules) -> dict[str, Any]:
    """Ready for `yaml.safe_dump`: one group, and in it an alert for each limit of each rule."""
    alerts = [
        _alert(rule, severity)
        for rule in rules.values()
        for severity in Severity
        if rule.limit_of(severity) is not None
    ]
    return {"groups": [{"name": "askwell", "rules": alerts}]}


def _alert(rule: Rule, severity: Severity) -> dict[str, Any]:
    value, samples = _EXPRESSIONS[rule.signal](f"{max(rule.window_minutes, SHORTEST_RANGE_MINUTES)}m")
    return {
        "alert": f"Askwell{_camel(rule.name)}{severity.title()}",
        "expr": f"({value}) {_beyond(rule, severity)} and ({samples}) >= {rule.min_samples}",
        "labels": {"severity": str(severity), "rule": rule.name},
        "annotations": {
            "summary": rule.title,
            "description": f"{_amount(rule)} over {rule.window_minutes} min.",
            "causes": "; ".join(rule.causes),
            "actions": "; ".join(rule.actions),
        },
    }


def _amount(rule: Rule) -> str:
    """The value in Prometheus's template language."""
    if rule.unit == "share":
        return "{{ $value | humanizePercentage }}"
    return f'{{{{ $value | printf "%.2f" }}}} {rule.unit}'


def _beyond(rule: Rule, severity: Severity) -> str:
    """The comparisons of one severity; in PromQL each of a chain filters what the one before has left."""
    worse, not_worse = (">", "<=") if rule.worse is Worse.ABOVE else ("<", ">=")
    limit = rule.limit_of(severity)
    assert limit is not None  # asked for limits that the rule has
    passed = f"{worse} {limit.limit:g}"
    if severity is Severity.WARNING and rule.critical is not None:
        return f"{passed} {not_worse} {rule.critical.limit:g}"
    return passed


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _request_p95(window: str) -> tuple[str, str]:
    of = f'{Metric.OPERATION_DURATION}_bucket{{layer="{Layer.REQUEST}"}}[{window}]'
    return f"histogram_quantile(0.95, sum by (le) (rate({of})))", _operations(Layer.REQUEST, window)


def _error_rate(layer: Layer) -> Callable[[str], tuple[str, str]]:
    def expressions(window: str) -> tuple[str, str]:
        errors = _sum(series(Metric.OPERATION_ERRORS), f'layer="{layer}"', window)
        refused = _sum(series(Metric.OPERATION_REFUSALS), f'layer="{layer}"', window)
        judged = f"{_operations(layer, window)} - ({refused} or vector(0))"
        return f"({errors} or vector(0)) / ({judged})", judged

    return expressions


def _operations(layer: Layer, window: str) -> str:
    return _sum(f"{Metric.OPERATION_DURATION}_count", f'layer="{layer}"', window)


def _sum(name: str, matchers: str, window: str) -> str:
    return f"sum(increase({name}{{{matchers}}}[{window}]))"


def _cost(unit_s: int) -> Callable[[str], tuple[str, str]]:
    def expressions(window: str) -> tuple[str, str]:
        calls = _sum(series(Metric.LLM_CALLS), 'priced="yes"', window)
        return f"sum(rate({series(Metric.LLM_COST)}[{window}])) * {unit_s}", calls

    return expressions


def _cache_hit_rate(window: str) -> tuple[str, str]:
    lookups = series(Metric.CACHE_LOOKUPS)
    hits = _sum(lookups, f'level=~"{CacheLevel.L1}|{CacheLevel.L2}",result="hit"', window)
    asked = _sum(lookups, f'level="{CacheLevel.L1}"', window)
    return f"({hits} or vector(0)) / {asked}", asked


def _quality_mean(window: str) -> tuple[str, str]:
    evaluations = _sum(f"{Metric.ANSWER_SCORE}_count", "", window)
    return f"{_sum(f'{Metric.ANSWER_SCORE}_sum', '', window)} / {evaluations}", evaluations


def _part(metric: Metric, matchers: str, part: str) -> Callable[[str], tuple[str, str]]:
    """A counter's increase with one label more, of its increase. No such series yet is none of them."""

    def expressions(window: str) -> tuple[str, str]:
        whole = _sum(series(metric), matchers, window)
        some = _sum(series(metric), ",".join(filter(None, [matchers, part])), window)
        return f"({some} or vector(0)) / {whole}", whole

    return expressions


def _down(component: Component) -> Callable[[str], tuple[str, str]]:
    return _part(Metric.COMPONENT_CHECKS, f'component="{component}"', f'status="{Status.DOWN}"')


def _store_down(window: str) -> tuple[str, str]:
    """What was measured cannot be read then, so that the replica that is scraped has to say it."""
    up = f"{Metric.STORE_UP}[{window}]"
    return f"1 - min(avg_over_time({up}))", f"min(count_over_time({up}))"


_EXPRESSIONS: Mapping[Signal, Callable[[str], tuple[str, str]]] = {
    Signal.REQUEST_P95_S: _request_p95,
    Signal.REQUEST_ERROR_RATE: _error_rate(Layer.REQUEST),
    Signal.HOURLY_COST_USD: _cost(3_600),
    Signal.CACHE_HIT_RATE: _cache_hit_rate,
    Signal.PROJECTED_DAY_USD: _cost(86_400),
    Signal.QUALITY_MEAN: _quality_mean,
    Signal.REFINEMENT_RATE: _part(Metric.EVALUATIONS, "", 'verdict="needs_refinement"'),
    Signal.FIRST_PASS_RATE: _part(Metric.FIRST_EVALUATIONS, "", 'accepted="yes"'),
    Signal.REDIS_DOWN_SHARE: _store_down,
    Signal.QDRANT_DOWN_SHARE: _down(Component.QDRANT),
    Signal.COMPLETION_ERROR_RATE: _error_rate(Layer.COMPLETION),
}
