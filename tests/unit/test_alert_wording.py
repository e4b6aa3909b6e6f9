"""A message says what, since when, the value and the limit, likely causes, what to do, and where to look."""

from __future__ import annotations

from state.alerts.book import Change, Message, News
from state.alerts.rules import Severity, rules_from
from state.alerts.wording import body, subject

RULES = rules_from(None)
NOON = 1_795_003_200_000
LINK = "http://127.0.0.1:8000/"


def a_change(rule: str, news: News, value: float | None, limit: float | None) -> Change:
    return Change(rule=rule, news=news, severity=Severity.CRITICAL, began_ms=NOON - 120_000, value=value, limit=limit)


def a_message(*changes: Change) -> Message:
    return Message(number=4, incident=2, at_ms=NOON, changes=changes)


def test_a_firing_alert_has_everything_that_is_needed_to_act() -> None:
    message = a_message(a_change("errors", News.FIRING, 0.25, 0.10), a_change("latency", News.ESCALATED, 7.5, 5.0))
    assert subject(message, RULES) == "[Askwell] CRITICAL, firing: Requests fail (errors) (and 1 more)"
    text = body(message, RULES, LINK)
    assert "Now 25.0%, limit 10.0%." in text
    assert "Now 7.50 s, limit 5.00 s." in text
    assert "Began 2026-11-18 11:58:00 UTC, 2 min ago." in text
    for told in (*RULES["errors"].causes, *RULES["errors"].actions, *RULES["latency"].actions):
        assert f"- {told}" in text
    assert text.endswith(f"Incident 2. Figures: {LINK}")


def test_a_resolved_alert_asks_for_nothing() -> None:
    message = a_message(a_change("latency", News.RESOLVED, 1.2, None))
    assert subject(message, RULES) == "[Askwell] RESOLVED: Requests are slow (latency)"
    text = body(message, RULES, LINK)
    assert "Now 1.20 s." in text
    assert "What to do" not in text


def test_an_alert_whose_rule_is_gone_says_so() -> None:
    message = a_message(a_change("gone", News.RESOLVED, None, None))
    assert subject(message, RULES) == "[Askwell] RESOLVED: gone"
    assert "The rule was taken out." in body(message, RULES, LINK)
