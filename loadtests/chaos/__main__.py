"""Session owners and Valkey killed, stopped and cut off at random under load: is anything lost, doubled or untrue?

    python -m loadtests.chaos [--sessions 2000] [--seconds 330] [--seed 1] [--faults kill,stop,valkey,hang,away]
    python -m loadtests.chaos --zombies       stopped owners that go on: with their leases, then without
    python -m loadtests.chaos --away 60       Redis away for a minute, sessions going on from the journal

Exits with 1 where anything is. To be run from a checkout: the checker is the one of the simulation (`tests.faults`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from loadtests.chaos.candidates import Habits
from loadtests.chaos.drill import Outcome, Setting, drill, drill_away
from loadtests.chaos.faults import KINDS, Kind
from loadtests.chaos.figures import Figures, away, broken, figures, repeated_calls
from loadtests.chaos.zombies import haunt
from loadtests.drills.stage import quiet

THINKING = Habits(pause_s=6.0, copies=0.3, rivals=0.2, erases=0.0)
STALE_ATTEMPTS = 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """The process's exit code."""
    options = _options(arguments)
    quiet()
    with tempfile.TemporaryDirectory(prefix="aw-chaos-") as name:
        folder = Path(name)
        if options.zombies:
            found = _zombies(options, folder)
        elif options.away:
            found = _away(options, folder)
        else:
            setting = Setting(
                sessions=options.sessions, seconds=options.seconds, seed=options.seed, faults=options.faults
            )
            found = {"faults": _reckoned(asyncio.run(drill(setting, folder)))}
    for title, run in found.items():
        _show(title, run)
    if options.json is not None:
        options.json.write_text(json.dumps({"seed": options.seed, **found}, indent=2) + "\n")
    return 1 if any(broken(run) for run in found.values()) else 0


def _zombies(options: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    leased = Setting(sessions=options.sessions, seconds=60.0, seed=options.seed, faults=("stop",), journal=False)
    believed = Setting(sessions=0, seed=options.seed, believes=True, journal=False, lease_s=2.0, at_once=24)
    first = _reckoned(asyncio.run(drill(leased, _new(folder, "leased"))))
    haunting = asyncio.run(
        haunt(believed, _new(folder, "believed"), attempts=STALE_ATTEMPTS, parked=300, most_rounds=40)
    )
    second = _reckoned(haunting.outcome)
    second |= {
        "zombies": haunting.zombies,
        "commits of zombies refused by Redis": haunting.refused,
        "stale commits landed": haunting.landed,
    }
    return {"owners that mind their leases": first, "owners that take no notice of them": second}


def _away(options: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    sessions = min(options.sessions, 300)
    setting = Setting(
        sessions=sessions, at_once=sessions, seed=options.seed, away_s=options.away, habits=THINKING, latency_s=0.1
    )
    outcome = asyncio.run(drill_away(setting, folder))
    return {f"Redis away for {options.away:g} s": _reckoned(outcome) | away(outcome)}


def _reckoned(outcome: Outcome) -> Figures:
    for violation in outcome.violations[:20]:
        print(violation)
    for request in outcome.traffic.unanswered[:20]:
        print("not answered:", request)
    for call in repeated_calls(outcome)[:20]:
        print("paid twice:", call)
    return figures(outcome)


def _show(title: str, found: Figures) -> None:
    wrong = broken(found)
    table = Table("what", "figure", "", title=title)
    for name, value in found.items():
        table.add_row(name, f"{value:,}", "WRONG" if name in wrong else "")
    Console().print(table)


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=330.0, help="no session begins after this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=_kinds, default=KINDS, help=f"of {', '.join(get_args(Kind))}")
    parser.add_argument("--json", type=Path, help="where the figures go as JSON")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--zombies", action="store_true", help=f"until {STALE_ATTEMPTS} stale attempts were refused")
    modes.add_argument("--away", type=float, metavar="SECONDS", help="how long Redis is away")
    return parser.parse_args(arguments)


def _kinds(text: str) -> tuple[Kind, ...]:
    chosen = tuple(kind for kind in KINDS if kind in text.split(","))
    if len(chosen) != len(text.split(",")):
        raise argparse.ArgumentTypeError(f"of {', '.join(KINDS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
