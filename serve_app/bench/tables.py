"""A run's figures for a reader: a table a workload, a column a setting."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from serve_app.bench.report import Figure, Report, ratios


def tables(report: Report, against: Report | None = None) -> Iterator[Table]:
    """A cell holds the median, the lowest and the highest of the repeats, and `x` times the earlier run's median."""
    compared = ratios(report, against) if against else {}
    for workload in dict.fromkeys(figure.workload for figure in report.figures):
        here = [figure for figure in report.figures if figure.workload == workload]
        settings = list(dict.fromkeys(figure.setting for figure in here))
        shown = Table(title=workload, title_justify="left")
        shown.add_column("figure")
        for setting in settings:
            shown.add_column(setting, justify="right")
        for name in dict.fromkeys(figure.name for figure in here):
            by_setting = {figure.setting: figure for figure in here if figure.name == name}
            cells = (
                _cell(by_setting[setting], compared.get((workload, setting, name))) if setting in by_setting else ""
                for setting in settings
            )
            shown.add_row(name, *cells)
        yield shown


def number(value: float) -> str:
    """Three digits where there is a fraction, else whole."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _cell(figure: Figure, ratio: float | None) -> str:
    spread = f" ({number(min(figure.values))}..{number(max(figure.values))})" if len(set(figure.values)) > 1 else ""
    return f"{number(figure.median)}{spread}" + (f" x{ratio:.2f}" if ratio is not None else "")
