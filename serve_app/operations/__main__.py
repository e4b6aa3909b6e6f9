"""`python -m serve_app.operations`: the files of `docs/operations/`, as they have to be."""

from __future__ import annotations

from pathlib import Path

from serve_app.operations.files import files

FOLDER = Path(__file__).parent.parent.parent / "docs" / "operations"

if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
