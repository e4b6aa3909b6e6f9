"""Totals of what the stub was asked and what it answered. No text, no key, and no money."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loadtests.provider_stub.calls import CallRecord

_SUMS = (
    "calls",
    "abandoned",
    "inventing",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "eligible_calls",
    "hits",
)


@dataclass(slots=True, kw_only=True)
class Totals:
    """Running sums; not frozen, as every call is added to one.

    Tokens are those billed, whether the reply arrived or not. `abandoned` calls lost their client before the end
    of the reply. `eligible_calls` had a prompt of at least the minimum, `hits` found some of it cached. `slowest_ms`
    is what the reply that took longest was given, from its request to its end.
    """

    calls: int = 0
    abandoned: int = 0
    inventing: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    eligible_calls: int = 0
    hits: int = 0
    slowest_ms: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


class Report:
    """Totals by provider, model and operation."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Totals] = {}
        self.turned_down: Counter[str] = Counter()

    def add(self, call: CallRecord) -> None:
        row, usage = self._row(call), call.usage
        row.calls += 1
        row.inventing += call.invented
        row.input_tokens += usage.input_tokens
        row.cached_tokens += usage.cached_tokens
        row.cache_write_tokens += usage.cache_write_tokens
        row.output_tokens += usage.output_tokens
        row.reasoning_tokens += usage.reasoning_tokens
        row.eligible_calls += call.eligible
        row.hits += usage.cached_tokens > 0
        if call.fault is not None:
            row.faults[call.fault] += 1

    def time(self, call: CallRecord, reply_s: float) -> None:
        """The reply to a call that was added was given so long."""
        row = self._row(call)
        row.slowest_ms = max(row.slowest_ms, reply_s * 1000)

    def abandon(self, call: CallRecord) -> None:
        """The client of a call that was added has gone."""
        self._row(call).abandoned += 1

    def turn_down(self, provider: str, status: int) -> None:
        """A request that was wrong: no key, no such path, a field missing."""
        self.turned_down[f"{provider} {status}"] += 1

    def clear(self) -> None:
        self._rows.clear()
        self.turned_down.clear()

    def as_json(self) -> dict[str, Any]:
        """`totals` over all `rows`, and requests `turned_down` by provider and status."""
        rows = [
            {"provider": provider, "model": model, "operation": operation, **_sums([row])}
            for (provider, model, operation), row in sorted(self._rows.items())
        ]
        return {"totals": _sums(list(self._rows.values())), "rows": rows, "turned_down": dict(self.turned_down)}

    def _row(self, call: CallRecord) -> Totals:
        key = (call.provider, call.model, call.operation)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Totals()
        return row


def _sums(rows: list[Totals]) -> dict[str, Any]:
    faults: Counter[str] = sum((row.faults for row in rows), Counter())
    slowest_ms = round(max((row.slowest_ms for row in rows), default=0.0), 3)
    sums = {name: sum(getattr(row, name) for row in rows) for name in _SUMS}
    return sums | {"slowest_ms": slowest_ms, "faults": dict(faults)}
