"""A message in words: what, since when, the value and the limit, likely causes, what to do, and where to look."""

from __future__ import annotations

from datetime import UTC, datetime

from state.alerts.book import Change, Message, News
from state.alerts.rules import Rule, Rules, Severity

_WORDS = {
    News.FIRING: "firing",
    News.ESCALATED: "worse",
    News.DE_ESCALATED: "better, not over",
    News.RESOLVED: "resolved",
}


def subject(message: Message, rules: Rules) -> str:
    """One line: the first change is the worst one."""
    first, more = message.changes[0], len(message.changes) - 1
    also = f" (and {more} more)" if more else ""
    return f"[Askwell] {_sign(first)}: {_title(first, rules)}{also}"


def body(message: Message, rules: Rules, link: str) -> str:
    """Plain text; `link` is the address of the page with the figures."""
    parts = [_paragraph(change, rules, message.at_ms) for change in message.changes]
    return "\n\n".join([*parts, f"Incident {message.incident}. Figures: {link}"])


def _paragraph(change: Change, rules: Rules, now_ms: int) -> str:
    lines = [f"{_sign(change)}: {_title(change, rules)}"]
    rule = rules.get(change.rule)
    if rule is None:
        return "\n".join([*lines, "The rule was taken out."])
    if change.value is not None:
        now = f"Now {_amount(change.value, rule)}"
        lines.append(f"{now}, limit {_amount(change.limit, rule)}." if change.limit is not None else f"{now}.")
    minutes = max(now_ms - change.began_ms, 0) // 60_000
    lines.append(f"Began {_time(change.began_ms)}, {minutes} min ago.")
    if change.news is not News.RESOLVED:
        lines += ["Likely causes:", *(f"- {cause}" for cause in rule.causes)]
        lines += ["What to do:", *(f"- {action}" for action in rule.actions)]
    return "\n".join(lines)


def _sign(change: Change) -> str:
    if change.news is News.RESOLVED:
        return _WORDS[News.RESOLVED].upper()
    sign = "CRITICAL" if change.severity is Severity.CRITICAL else "WARNING"
    return f"{sign}, {_WORDS[change.news]}"


def _title(change: Change, rules: Rules) -> str:
    rule = rules.get(change.rule)
    return f"{rule.title} ({rule.name})" if rule else change.rule


def _amount(value: float, rule: Rule) -> str:
    if rule.unit == "share":
        return f"{value:.1%}"
    return f"{value:.2f} {rule.unit}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
