"""`askwell costs`: what a session or a day cost, and what the session would have cost otherwise.

A command for operators: it reads the service's Redis, as the HTTP API has no route for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from actors.models import facts_of
from actors.retriever import INDEXING
from serve_app.inspection import asked, dollars, looked_at, print_json, print_table, tenant_of
from serve_app.settings import Settings
from state.costs import Comparison, CostReport, Tally, report
from state.errors import InvalidField
from state.ledger import DayTotals, RedisLedger
from state.prices import Prices, prices_from

SERVICE = INDEXING.tenant
"""On whose account the service's own calls are: what it embeds on behalf of no tenant."""
NOTHING = "Nothing was spent: no call to a provider is recorded. The offline provider makes none."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCosts:
    """`dropped` older calls are kept no more and are in none of the figures."""

    tenant: str
    session_id: str
    report: CostReport
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCosts:
    """`reserved_tokens` are counted against the tenant's budget: reserved, or used."""

    totals: DayTotals
    reserved_tokens: int


def run(
    console: Console,
    settings: Settings,
    *,
    session_id: str | None,
    day: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Print the costs of a session or of a day.

    Without `tenant` a session is looked for among all configured tenants, and a day shown for each, and for
    the service itself where it has spent something.
    Raises `InvalidField`, `NotFound`, `StoreUnavailable`.
    """
    tenants = looked_at(settings, tenant)
    match session_id, day:
        case str(), None:
            listed = prices_from(settings.prices)
            costs = asked(settings, lambda redis: session_costs(RedisLedger(redis), tenants, session_id, listed))
            if as_json:
                print_json(console, _session_json(costs))
            else:
                _print_session(console, costs)
        case None, str():
            on = _date(day)
            accounts = [*tenants, SERVICE] if tenant is None else tenants
            found = asked(settings, lambda redis: days(RedisLedger(redis), accounts, on))
            shown = {name: costs for name, costs in found.items() if name in tenants or costs.totals.rows}
            if as_json:
                print_json(console, {"day": day, "tenants": {name: _day_json(costs) for name, costs in shown.items()}})
            else:
                _print_days(console, day, shown, settings.tenant_daily_tokens)
        case _:
            raise InvalidField(field="askwell costs", fix="name a session, or a day with --day, not both")


async def session_costs(ledger: RedisLedger, tenants: Iterable[str], session_id: str, prices: Prices) -> SessionCosts:
    """The costs of the session, whichever of the tenants has it. Raises `NotFound` if none has."""
    tenant = await tenant_of(ledger, tenants, session_id)
    calls = await ledger.calls(tenant, session_id)
    dropped = await ledger.dropped(tenant, session_id)
    told = report(calls, prices, cache_minimum)
    return SessionCosts(tenant=tenant, session_id=session_id, report=told, dropped=dropped)


async def days(ledger: RedisLedger, tenants: Iterable[str], day: date) -> Mapping[str, DayCosts]:
    """One UTC day by tenant."""
    began_ms = int(datetime.combine(day, time(), UTC).timestamp()) * 1000
    return {
        tenant: DayCosts(totals=await ledger.day(tenant, day), reserved_tokens=await ledger.reserved(tenant, began_ms))
        for tenant in tenants
    }


def cache_minimum(provider: str, model: str) -> int | None:
    """The shortest input that is cached, as far as it is known of this provider's model."""
    facts = facts_of(model)
    return facts.cache_minimum_tokens if facts is not None and facts.provider == provider else None


def _date(day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise InvalidField(field="--day", fix="write a UTC day as 2026-11-22") from None


def _print_session(console: Console, costs: SessionCosts) -> None:
    shown = costs.report
    if not shown.total.calls:
        console.print(NOTHING)
        return
    for name, groups in (("operation", shown.by_operation), ("model", shown.by_model)):
        table = _tally_table(name)
        for group, tally in groups.items():
            table.add_row(escape(group), *_cells(tally))
        table.add_section()
        table.add_row("all", *_cells(shown.total))
        print_table(console, table)
    print_table(console, _comparison_table(shown))
    _print_notes(console, shown.total)
    if shown.uncached.ours_usd != shown.total.cost_usd:
        console.print(
            f"Recorded as {dollars(shown.total.cost_usd)}; today's prices for the same calls make it "
            f"{dollars(shown.uncached.ours_usd)}, which is what is compared."
        )
    if costs.dropped:
        console.print(f"{costs.dropped} older calls of this session are kept no more and are not in these figures.")


def _print_days(console: Console, day: str, found: Mapping[str, DayCosts], limit: int) -> None:
    for tenant, costs in found.items():
        _print_day(console, f"{escape(tenant)}, {day}", costs.totals)
        if costs.reserved_tokens:
            allowed = f" of {limit:,}" if limit else ""
            console.print(f"Tokens counted against the budget: {costs.reserved_tokens:,}{allowed}.")


def _print_day(console: Console, name: str, held: DayTotals) -> None:
    if not held.rows:
        console.print(f"{name}: {NOTHING}")
        return
    table = _tally_table("operation, prompt, model", title=f"{name} (UTC)")
    for row in held.rows:
        named = f"{row.operation}\n{row.prompt}\n{row.provider}:{row.model}"
        table.add_row(escape(named), *_cells(row.tally))
    table.add_section()
    table.add_row("all", *_cells(held.total))
    print_table(console, table)
    _print_notes(console, held.total)


def _print_notes(console: Console, total: Tally) -> None:
    if total.unpriced:
        console.print(
            f"To models without a known price: {total.unpriced} calls, in no sum of dollars. "
            "A file that ASKWELL_PRICES names can hold their prices."
        )
    if total.unmeasured:
        console.print(
            f"Without a usage block: {total.unmeasured} calls, which failed, were given up or came without one, in no "
            "sum of dollars. The provider may charge them all the same."
        )


def _tally_table(name: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column(name, overflow="fold")
    for heading in ("calls", "failed", "given up", "input", "cached", "of eligible", "output", "thinking", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _cells(tally: Tally) -> tuple[str, ...]:
    usage = tally.usage
    unknown = tally.calls and tally.unpriced + tally.unmeasured == tally.calls
    return (
        f"{tally.calls:,}",
        f"{tally.failed:,}",
        f"{tally.given_up:,}",
        f"{usage.input_tokens:,}",
        _percent(tally.cached_share),
        _percent(tally.eligible_share),
        f"{usage.output_tokens:,}",
        f"{usage.thinking_tokens:,}",
        "not known" if unknown else dollars(tally.cost_usd),
    )


def _comparison_table(shown: CostReport) -> Table:
    table = Table("compared with", box=SIMPLE_HEAD)
    for heading in ("calls there", "there", "here", "saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = (("the same calls uncached", shown.uncached), ("the predecessor's prompts", shown.predecessor))
    for name, comparison in rows:
        if comparison.calls:
            there, here = dollars(comparison.theirs_usd), dollars(comparison.ours_usd)
            table.add_row(name, f"{comparison.calls:,}", there, here, _saved(comparison))
        else:
            table.add_row(name, "0", "not known", dollars(comparison.ours_usd), "not known")
    return table


def _saved(comparison: Comparison) -> str:
    share = comparison.saved_share
    if share is None:
        return "nothing to save"
    return f"{dollars(comparison.saved_usd)} ({share:.1%})" + (", it costs more" if share < 0 else "")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _session_json(costs: SessionCosts) -> Mapping[str, Any]:
    shown = costs.report
    return {
        "session_id": costs.session_id,
        "tenant": costs.tenant,
        "dropped": costs.dropped,
        "total": _tally_json(shown.total),
        "by_operation": {name: _tally_json(tally) for name, tally in shown.by_operation.items()},
        "by_model": {name: _tally_json(tally) for name, tally in shown.by_model.items()},
        "uncached": _comparison_json(shown.uncached),
        "predecessor": _comparison_json(shown.predecessor),
    }


def _day_json(costs: DayCosts) -> Mapping[str, Any]:
    held = costs.totals
    rows = [
        {
            "provider": row.provider,
            "model": row.model,
            "operation": row.operation,
            "prompt": row.prompt,
            **_tally_json(row.tally),
        }
        for row in held.rows
    ]
    return {"total": _tally_json(held.total), "rows": rows, "reserved_tokens": costs.reserved_tokens}


def _tally_json(tally: Tally) -> Mapping[str, Any]:
    fields = asdict(tally)
    counts = {**fields.pop("usage"), **fields, "cost_usd": float(tally.cost_usd)}
    return {**counts, "cached_share": tally.cached_share, "eligible_share": tally.eligible_share}


def _comparison_json(comparison: Comparison) -> Mapping[str, Any]:
    return {
        "calls": comparison.calls,
        "ours_usd": float(comparison.ours_usd),
        "theirs_usd": float(comparison.theirs_usd),
        "saved_usd": float(comparison.saved_usd),
        "saved_share": comparison.saved_share,
    }
