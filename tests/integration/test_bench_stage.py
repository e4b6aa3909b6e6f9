"""What a measurement started ends with it, however it is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys

STAGE = """
import time
from contextlib import ExitStack
from serve_app.bench.stage import ended_when_terminated

with ended_when_terminated(), ExitStack() as opened:
    opened.callback(print, "ended", flush=True)
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_terminated_measurement_ends_what_it_has_opened() -> None:
    with subprocess.Popen([sys.executable, "-c", STAGE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "ended\n"
        assert process.wait(10) == 128 + signal.SIGTERM
