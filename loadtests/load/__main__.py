"""`python -m loadtests.load SCENARIO`: exit code 0 where its limits hold, 1 where not, 2 where it could not be run.

python -m loadtests.load baseline --scale 0.1
python -m loadtests.load stress --processes 2 --output /tmp/stress
python -m loadtests.load peak --host http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from loadtests.load.rendering import markdown, write_csv
from loadtests.load.report import checks
from loadtests.load.run import ROOT, Options, run
from loadtests.load.scenarios import SCENARIOS
from state.errors import AskwellError


def main() -> int:
    given = _parser().parse_args()
    folder = f"{given.scenario}-{datetime.now():%Y%m%d-%H%M%S}"
    output = given.output or ROOT / ".askwell" / "load" / folder
    try:
        options = Options(
            scenario=SCENARIOS[given.scenario].scaled(given.scale).shortened(given.seconds),
            scale=given.scale,
            think=given.think,
            output=output,
            processes=given.processes,
            llm_ms=given.llm_ms,
            seed=given.seed,
            host=given.host,
            tell=lambda line: print(line, file=sys.stderr),
        )
        found = run(options)
    except AskwellError as error:
        print(error, file=sys.stderr)
        return 2
    text = markdown(found)
    (output / "report.md").write_text(text, "utf-8")
    write_csv(found, output)
    print(text)
    print(f"Written to {output}: report.md, Locust's report.html, and the figures as CSV", file=sys.stderr)
    return 0 if all(check.holds for check in checks(found)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.load", description="Load a service as one of the scenarios has it, and report."
    )
    parser.add_argument("scenario", choices=list(SCENARIOS))
    parser.add_argument("--scale", type=float, default=1.0, help="share of its users and of its length (default: 1)")
    parser.add_argument("--seconds", type=float, help="length, where it is not to be the scenario's own")
    parser.add_argument("--think", type=float, default=1.0, help="share of the time a candidate thinks (default: 1)")
    parser.add_argument("--processes", type=int, default=1, help="of Locust's users (default: 1)")
    parser.add_argument(
        "--host", help="a service that runs already; without it one is started, with a stub for its LLM"
    )
    parser.add_argument("--llm-ms", type=float, default=1_000.0, help="median of a simulated call (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the stub's draws (default: 1)")
    parser.add_argument("--output", type=Path, help="folder of the report (default: below .askwell/load)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
