"""One evaluation of all rules: from the book and the readings to the next book, and at most one message.

An alert has a severity, by its reading, and something that was told last. Whenever the two differ, and neither a
cooldown nor a silence forbids it, the difference is told:

    told \\ holds   nothing      warning        critical
    nothing        -            firing         firing
    warning        resolved     -              escalated
    critical       resolved     de-escalated   -

So nothing is told twice, and whatever fires and was told is told to be over once it is. The cooldown is that of the
limit that would be told, counted from when it was told last; resolving and de-escalating know none.

A reading with too few samples changes nothing: an alert that fires goes on, because an hour without traffic
says nothing about what was wrong before it. `Alert.unknown_since_ms` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from state.alerts.book import MAX_UNDELIVERED, Alert, AlertBook, Change, Message, News, Silence
from state.alerts.readings import Reading
from state.alerts.rules import Rule, Rules, Severity
from state.metrics.buckets import MINUTE_MS

QUIET = Alert()


def evaluated(
    book: AlertBook, rules: Rules, readings: Mapping[str, Reading], now_ms: int
) -> tuple[AlertBook, Message | None]:
    """The book after an evaluation at `now_ms`, and what to tell, which is among its undelivered messages as well.

    `readings` has one for each rule. An alert whose rule is gone is resolved. Silences that have ended are dropped.
    """
    silences = tuple(silence for silence in book.silences if now_ms < silence.ends_ms)
    alerts: dict[str, Alert] = {}
    changes: list[Change] = []
    for name, rule in rules.items():
        alert = _read(book.alerts.get(name, QUIET), rule, readings[name], now_ms)
        alerts[name], change = _told(name, alert, rule, silences, now_ms)
        changes += [change] if change else []
    for name, alert in book.alerts.items():
        if name not in rules and alert.told is not None:
            changes.append(_change(name, News.RESOLVED, alert.told, replace(alert, value=None)))
    was_open = any(alert.told for alert in book.alerts.values())
    after = replace(book, alerts=alerts, silences=silences)
    if not changes:
        return after, None
    message = Message(
        number=book.messages + 1,
        incident=book.incidents if was_open else book.incidents + 1,
        at_ms=now_ms,
        changes=tuple(sorted(changes, key=_worst_first)),
    )
    undelivered = (*book.undelivered, message)
    return (
        replace(
            after,
            undelivered=undelivered[-MAX_UNDELIVERED:],
            dropped=book.dropped + max(len(undelivered) - MAX_UNDELIVERED, 0),
            incidents=message.incident,
            messages=message.number,
        ),
        message,
    )


def _read(alert: Alert, rule: Rule, reading: Reading, now_ms: int) -> Alert:
    """The alert with what the reading says of it."""
    if reading.value is None or reading.samples < rule.min_samples:
        return replace(alert, unknown_since_ms=now_ms if alert.unknown_since_ms is None else alert.unknown_since_ms)
    severity = rule.severity_of(reading.value)
    alert = replace(alert, value=reading.value, unknown_since_ms=None)
    if severity is alert.severity:
        return alert
    if _rank(severity) > _rank(alert.severity) or severity is None:
        alert = replace(alert, acknowledged_by="", acknowledged_ms=None)
    began_ms = now_ms if alert.severity is None else alert.began_ms
    return replace(alert, severity=severity, began_ms=began_ms)


def _told(name: str, alert: Alert, rule: Rule, silences: Sequence[Silence], now_ms: int) -> tuple[Alert, Change | None]:
    """The alert after what may be told of it was told, and what that is."""
    news = _news(alert)
    if news is None or any(silence.covers(name, now_ms) for silence in silences):
        return alert, None
    if alert.severity is None:
        assert alert.told is not None  # or there were no news
        return replace(alert, told=None), _change(name, news, alert.told, alert)
    limit = rule.limit_of(alert.severity)
    if limit is None:  # the rules were changed since the last reading that could be judged
        return alert, None
    told_ms = alert.told_ms.get(alert.severity)
    cools = told_ms is not None and now_ms < told_ms + limit.cooldown_minutes * MINUTE_MS
    if cools and news is not News.DE_ESCALATED:
        return alert, None
    after = replace(alert, told=alert.severity, told_ms={**alert.told_ms, alert.severity: now_ms})
    return after, _change(name, news, alert.severity, alert, limit.limit)


def _news(alert: Alert) -> News | None:
    if alert.told is alert.severity:
        return None
    if alert.told is None:
        return News.FIRING
    if alert.severity is None:
        return News.RESOLVED
    return News.ESCALATED if alert.severity is Severity.CRITICAL else News.DE_ESCALATED


def _change(rule: str, news: News, severity: Severity, alert: Alert, limit: float | None = None) -> Change:
    return Change(
        rule=rule,
        news=news,
        severity=severity,
        began_ms=alert.began_ms,
        value=alert.value,
        limit=limit,
    )


def _rank(severity: Severity | None) -> int:
    return severity.rank if severity else 0


def _worst_first(change: Change) -> tuple[bool, int, str]:
    return change.news is News.RESOLVED, -change.severity.rank, change.rule
