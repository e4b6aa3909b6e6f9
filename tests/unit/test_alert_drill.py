"""The drill of the alerts expects all of them, and reads messages as the wording writes them."""

from __future__ import annotations

from loadtests.drills.alerts import STAGES, Row, table, told
from loadtests.sinks import Sink
from state.alerts.book import Change, Message, News
from state.alerts.rules import Severity, rules_from
from state.alerts.wording import body, subject

RULES = rules_from(None)


def test_each_of_the_fifteen_is_brought_about_once() -> None:
    expected = [(each.rule, each.severity) for stage in STAGES for step in stage.steps for each in step.expected]
    every = {
        (name, severity.upper()) for name, rule in RULES.items() for severity in Severity if rule.limit_of(severity)
    }
    assert len(expected) == 15
    assert set(expected) == every


def test_what_a_message_tells_is_read_from_its_text() -> None:
    sink = Sink()
    for news, severity in (
        (News.FIRING, Severity.WARNING),
        (News.ESCALATED, Severity.CRITICAL),
        (News.DE_ESCALATED, Severity.WARNING),
        (News.RESOLVED, Severity.CRITICAL),
    ):
        change = Change(rule="latency", news=news, severity=severity, began_ms=0, value=4.0, limit=3.0)
        message = Message(number=1, incident=1, at_ms=60_000, changes=(change,))
        assert sink.take(subject(message, RULES), body(message, RULES, "http://127.0.0.1"))
    assert [len(told(sink, "latency", what, 0)) for what in ("WARNING", "CRITICAL", "RESOLVED")] == [1, 1, 1]
    assert told(sink, "errors", "WARNING", 0) == []
    assert told(sink, "latency", "WARNING", sink.arrived[-1].at_s + 1) == []


def test_an_alert_that_never_came_is_shown_as_such() -> None:
    row = Row(expected=STAGES[0].steps[0].expected[0], messages={"mail": 0, "hook": 0})
    assert table([row]).endswith("| latency warning | prompts take the model 3.8 s | never | 0, 0 | never |")
