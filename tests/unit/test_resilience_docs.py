"""docs/resilience.md says what the code does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from actors.providers.port import HANDLING, Fault
from actors.resilience.stack import Resilience, most_calls

PAGE = (Path(__file__).parents[2] / "docs" / "resilience.md").read_text(encoding="utf-8")
MEANING: Mapping[Fault, str] = {
    Fault.UNREACHABLE: "no connection, or one that broke before the answer",
    Fault.LATE: "no reply in time",
    Fault.THROTTLED: "too many requests or tokens for now (429), or no room left to wait",
    Fault.QUOTA_SPENT: "the account's quota or credit is used up",
    Fault.FAILING: "the provider's own error (5xx, overloaded)",
    Fault.TURNED_DOWN: "the key, the account or the model is not accepted (401, 403, 404)",
    Fault.UNFIT: "the request itself is not accepted (400, 413, 415, 422)",
    Fault.DECLINED: "the model or a filter refuses to answer",
    Fault.CUT_OFF: "the reply reached its longest length",
    Fault.GARBLED: "an answer that cannot be read",
    Fault.OPEN_CIRCUIT: "not called: the provider was failing a moment ago",
}


def fault_table() -> str:
    rows = ["| fault | what happened | again | trips |", "| --- | --- | --- | --- |"]
    for fault, handling in HANDLING.items():
        again, trips = ("yes" if mark else "" for mark in (handling.again, handling.trips))
        rows.append(f"| `{fault.name}` | {MEANING[fault]} | {again} | {trips} |")
    return "\n".join(rows)


def test_every_fault_is_handled() -> None:
    assert list(HANDLING) == list(Fault)


def test_the_page_has_the_table_of_faults_as_it_is() -> None:
    written = PAGE.partition("<!-- faults -->\n")[2].partition("\n<!-- /faults -->")[0]
    assert written == fault_table()


def test_the_page_has_every_figure_with_its_default() -> None:
    rows = [line.split("|")[1:3] for line in PAGE.partition("## Figures")[2].splitlines() if line.startswith("| `")]
    written = {name.strip().strip("`"): default.strip() for name, default in rows}
    usual = Resilience()
    defaults = {field.name: getattr(usual, field.name) for field in fields(usual)}
    assert written == {
        name: ", ".join(value) if isinstance(value, tuple) else str(value) for name, value in defaults.items()
    }


def test_the_page_has_the_bound_on_calls() -> None:
    assert f"figures and two providers: {most_calls(Resilience(), 2)}." in PAGE
