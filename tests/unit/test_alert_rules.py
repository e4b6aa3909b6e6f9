"""The rules are the fifteen of the contract, and a file that overrides them is checked field by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from state.alerts.rules import Limit, Rule, Severity, Signal, Worse, rules_from
from state.errors import InvalidField

W, C = Severity.WARNING, Severity.CRITICAL
FIFTEEN = {
    ("latency", W): (3.0, 15),
    ("latency", C): (5.0, 5),
    ("errors", W): (0.05, 10),
    ("errors", C): (0.10, 5),
    ("hourly_cost", W): (0.50, 60),
    ("hourly_cost", C): (1.00, 30),
    ("cache_hits", W): (0.60, 30),
    ("daily_cost", W): (20.0, 120),
    ("quality", W): (6.0, 60),
    ("quality", C): (5.0, 30),
    ("refinements", W): (0.50, 60),
    ("first_pass", W): (0.60, 60),
    ("redis", C): (0.5, 5),
    ("qdrant", C): (0.5, 5),
    ("llm_errors", C): (0.10, 5),
}
BELOW = {"cache_hits", "quality", "first_pass"}


def test_the_rules_are_the_fifteen_limits_and_cooldowns_of_the_contract() -> None:
    held = {
        (rule.name, severity): (limit.limit, limit.cooldown_minutes)
        for rule in rules_from(None).values()
        for severity in Severity
        if (limit := rule.limit_of(severity))
    }
    assert held == FIFTEEN
    assert {rule.name for rule in rules_from(None).values() if rule.worse is Worse.BELOW} == BELOW


def test_every_signal_has_one_rule_with_causes_and_actions() -> None:
    rules = rules_from(None).values()
    assert sorted(rule.signal for rule in rules) == sorted(Signal)
    assert all(rule.causes and rule.actions for rule in rules)


@pytest.mark.parametrize(
    ("value", "severity"), [(2.9, None), (3.0, None), (3.1, W), (5.0, W), (5.1, C), (float("inf"), C)]
)
def test_a_limit_is_passed_by_what_is_worse_than_it(value: float, severity: Severity | None) -> None:
    assert rules_from(None)["latency"].severity_of(value) is severity


@pytest.mark.parametrize(("value", "severity"), [(6.0, None), (5.9, W), (5.0, W), (4.9, C)])
def test_where_less_is_worse_the_limit_is_passed_from_above(value: float, severity: Severity | None) -> None:
    assert rules_from(None)["quality"].severity_of(value) is severity


def overridden(tmp_path: Path, text: str) -> dict[str, Rule]:
    path = tmp_path / "alerts.toml"
    path.write_text(text, encoding="utf-8")
    return dict(rules_from(path))


def test_a_file_overrides_single_fields(tmp_path: Path) -> None:
    rules = overridden(tmp_path, "[latency]\nwindow_minutes = 10\ncritical.limit = 8.0\n")
    assert rules["latency"].window_minutes == 10
    assert rules["latency"].critical == Limit(limit=8.0, cooldown_minutes=5)
    assert rules["latency"].warning == rules_from(None)["latency"].warning
    assert {name: rule for name, rule in rules.items() if name != "latency"} == {
        name: rule for name, rule in rules_from(None).items() if name != "latency"
    }


def test_a_rule_may_be_switched_off_and_a_limit_added(tmp_path: Path) -> None:
    text = "[daily_cost]\nenabled = false\n[cache_hits]\ncritical = { limit = 0.3, cooldown_minutes = 5 }\n"
    rules = overridden(tmp_path, text)
    assert "daily_cost" not in rules
    assert rules["cache_hits"].severity_of(0.2) is C


@pytest.mark.parametrize(
    ("text", "field", "fix"),
    [
        ("[latencies]\n", "latencies", "name one of the rules latency, errors"),
        ("latency = 3\n", "latency", "write a table: [latency]"),
        ("[latency]\nwindow = 3\n", "latency.window", "leave it out"),
        ("[latency]\ncritical.limt = 3\n", "latency.critical.limt", "leave it out"),
        ("[latency]\nwindow_minutes = 0\n", "latency.window_minutes", "greater than or equal to 1"),
        ("[latency]\nwarning.limit = 'x'\n", "latency.warning.limit", "valid number"),
        ("[latency]\nwarning.limit = nan\n", "latency.warning.limit", "finite number"),
        ("[latency]\ncritical.limit = 2.0\n", "latency", "the critical limit has to be above the warning's"),
        ("[quality]\ncritical.limit = 7.0\n", "quality", "the critical limit has to be below the warning's"),
        ("[latency]\nenabled = 'no'\n", "latency.enabled", "write true or false"),
        ("[redis]\nwarning = { limit = 0.2 }\n", "redis.warning.cooldown_minutes", "give it a value"),
        ("[latency\n", "", "write the file as TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_field_and_the_fix(tmp_path: Path, text: str, field: str, fix: str) -> None:
    with pytest.raises(InvalidField) as caught:
        overridden(tmp_path, text)
    where = f"ASKWELL_ALERTS ({tmp_path / 'alerts.toml'})"
    assert caught.value.field == (f"{where}: {field}" if field else where)
    assert fix in caught.value.fix


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="cannot be read"):
        rules_from(tmp_path / "none.toml")
