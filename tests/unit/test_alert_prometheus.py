"""Prometheus gets the same rules, over metrics that are exposed."""

from __future__ import annotations

import re
from dataclasses import replace

import yaml

from state.alerts.prometheus import alerting_rules
from state.alerts.rules import rules_from
from state.metrics.names import FAMILIES, Kind, series

RULES = rules_from(None)
ALERTS = {alert["alert"]: alert for alert in alerting_rules(RULES)["groups"][0]["rules"]}


def test_each_of_the_fifteen_limits_is_an_alert() -> None:
    assert len(ALERTS) == 15
    assert {"AskwellLatencyWarning", "AskwellLatencyCritical", "AskwellRedisCritical"} <= set(ALERTS)
    assert "AskwellRedisWarning" not in ALERTS


def test_the_rules_survive_yaml() -> None:
    rules = alerting_rules(RULES)
    assert yaml.safe_load(yaml.safe_dump(rules)) == rules


def test_the_critical_alert_replaces_the_warning() -> None:
    assert "> 3 <= 5 and" in ALERTS["AskwellLatencyWarning"]["expr"]
    assert "> 5 and" in ALERTS["AskwellLatencyCritical"]["expr"]
    assert "< 6 >= 5 and" in ALERTS["AskwellQualityWarning"]["expr"]
    assert "< 5 and" in ALERTS["AskwellQualityCritical"]["expr"]


def test_limits_windows_and_samples_are_the_rules_own() -> None:
    changed = {"redis": replace(RULES["redis"], window_minutes=7, min_samples=9)}
    (alert,) = alerting_rules(changed)["groups"][0]["rules"]
    assert "[7m]" in alert["expr"]
    assert alert["expr"].endswith(">= 9")
    assert "[2m]" in ALERTS["AskwellRedisCritical"]["expr"]


def test_every_series_and_label_of_an_expression_is_exposed() -> None:
    names: dict[str, tuple[str, ...]] = {}
    for metric, family in FAMILIES.items():
        if family.kind is Kind.COUNTER:
            names[series(metric)] = family.labels
        elif family.kind is Kind.GAUGE:
            names[metric] = family.labels
        else:
            names |= {f"{metric}_{part}": family.labels for part in ("bucket", "sum", "count")}
    for alert in ALERTS.values():
        selectors = re.findall(r"\b((?:askwell|gen_ai)\w+)(?:\{([^}]*)\})?", alert["expr"])
        assert selectors
        for name, matchers in selectors:
            assert set(re.findall(r"(\w+)=~?\"", matchers)) <= set(names[name])


def test_an_alert_says_what_it_is_why_it_may_be_and_what_to_do() -> None:
    for alert in ALERTS.values():
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert set(alert["annotations"]) == {"summary", "description", "causes", "actions"}
        assert all(alert["annotations"].values())
