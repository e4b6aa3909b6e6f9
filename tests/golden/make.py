"""`python -m tests.golden.make`: writes the golden files of the present schema, once.

A schema that was released keeps its files for ever, so they are never overwritten. While a schema is still
being worked on, delete its folder first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from state.codec import SCHEMA
from tests.golden.records import FOLDER, KINDS, readable, samples


def make(folder: Path) -> int:
    """How many records were written. Raises `FileExistsError`, with nothing written, where the folder is there."""
    folder.mkdir()
    written = samples()
    for name, (kind, value) in written.items():
        parts = KINDS[kind].pack(value)
        for part, record in parts.items():
            (folder / f"{name}.{part}.msgpack").write_bytes(record)
        told = {"kind": kind, "value": readable(KINDS[kind].unpack(parts))}
        (folder / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(written)


if __name__ == "__main__":
    target = FOLDER / f"schema-{SCHEMA}"
    try:
        print(f"{make(target)} records in {target}")
    except FileExistsError:
        sys.exit(f"{target} is there already: a released schema's records never change. Raise SCHEMA instead.")
