"""`python -m actors.prompts [FILE]`: prints the report on prompts and prefixes, or puts it in its place in FILE."""

from __future__ import annotations

import sys
from pathlib import Path

from actors.prompts.prefixes import markdown

BEGIN, END = "<!-- report: python -m actors.prompts docs/prompts.md -->", "<!-- end of report -->"


def main(arguments: list[str]) -> None:
    if not arguments:
        print(markdown())
        return
    path = Path(arguments[0])
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
