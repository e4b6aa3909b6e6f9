"""`python -m loadtests.alternative`: Askwell and the alternative in turns, under the same load on this machine.

python -m loadtests.alternative --users 1,10,50 --seconds 8 --repeats 2 --output figures.json
python -m loadtests.alternative --users 10 --askwell RAY_worker_niceness=0 --durability exit
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from loadtests.alternative.comparing import Rounds, compared, figures_of, in_turns
from serve_app.bench.plan import Plan, user_counts
from serve_app.bench.report import Report
from state.errors import AskwellError

WIDTH_OF_A_FILE = 140


def main() -> int:
    given = _parser().parse_args()
    report = Report.begun()
    rounds: Rounds = {}
    code = 0
    try:
        plan = Plan(
            users=user_counts(given.users),
            seconds=given.seconds,
            repeats=given.repeats,
            tell=lambda line: print(line, file=sys.stderr),
        )
        for rounds in in_turns(plan, durability=given.durability, changes=dict(given.askwell)):
            report = replace(report, figures=figures_of(rounds))
            if given.output is not None:
                given.output.write_text(report.to_json(), "utf-8")
    except AskwellError as error:
        print(error, file=sys.stderr)
        code = 2
    _show(report, rounds)
    return code


def _show(report: Report, rounds: Rounds) -> None:
    """What was measured, even where a later turn did not come about."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_A_FILE)
    console.print(f"{report.machine}", highlight=False, soft_wrap=True)
    for table in compared(rounds):
        console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.alternative", description="Askwell beside FastAPI, LangGraph and Redis."
    )
    parser.add_argument("--users", default="1,10,50", help="at once, each number a measurement (default: 1,10,50)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of one measurement (default: 8)")
    parser.add_argument("--repeats", type=int, default=2, help="turns of each of the two (default: 2)")
    parser.add_argument("--durability", choices=["async", "sync", "exit"], default="async", help="LangGraph's")
    parser.add_argument(
        "--askwell", type=_variable, action="append", default=[], metavar="NAME=VALUE", help="in Askwell's environment"
    )
    parser.add_argument("--output", type=Path, help="file for the figures as JSON, written after each turn")
    return parser


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
