"""Which proxy is chosen, and that one left over by a killed service is ended, by its own configuration alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serve_app import proxy
from serve_app.ports import free_port
from serve_app.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings(port=free_port())


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process that was started with a configuration of another service."""
    with _sleeping(str(tmp_path / "haproxy.cfg")) as process:
        yield psutil.Process(process.pid)
        process.kill()


def _sleeping(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])


def test_haproxy_is_chosen_where_its_wheel_has_a_binary_that_runs(settings: Settings) -> None:
    found = proxy.chosen(settings)
    assert (found.kind, str(found)) == ("haproxy", "HAProxy")
    assert subprocess.run([found.binary, "-v"], capture_output=True, check=True).stdout.startswith(b"HAProxy")


def test_the_python_proxy_is_chosen_by_name_and_says_so(settings: Settings) -> None:
    found = proxy.chosen(settings.model_copy(update={"proxy": "python"}))
    assert str(found) == "Serve's Python proxy (as set by ASKWELL_PROXY)"
    assert proxy.prepare(found, settings) == {"RAY_SERVE_ENABLE_HA_PROXY": "0"}


def test_its_files_are_this_user_s_alone_and_its_socket_s_path_is_short_enough(settings: Settings) -> None:
    environment = proxy.prepare(proxy.chosen(settings), settings)
    socket = Path(environment["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    assert len(str(socket)) <= 107
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert str(settings.port) in str(socket.parent)


def test_one_that_was_left_over_is_ended_and_nobody_else_s(settings: Settings, stranger: psutil.Process) -> None:
    environment = proxy.prepare(proxy.chosen(settings), settings)
    with _sleeping("-f", environment["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"]) as left_over:
        proxy.end_leftover(settings)
        assert not psutil.pid_exists(left_over.pid)
    assert stranger.is_running()


def test_the_wrapper_takes_statistics_and_metrics_to_loopback_and_leaves_all_else(tmp_path: Path) -> None:
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(
        "global\n    stats socket /tmp/x mode 666\nfrontend prometheus\n    bind :9101\n"
        "frontend http_frontend\n    bind 127.0.0.1:8000\nlisten stats\n  bind *:8404\n"
    )
    command = [str(proxy.WRAPPER), "-f", str(configuration)]
    done = subprocess.run(command, env={"ASKWELL_HAPROXY_BINARY": "/bin/echo"}, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["-f", str(configuration)]
    assert [line.strip() for line in configuration.read_text().splitlines() if "bind" in line] == [
        "bind 127.0.0.1:9101",
        "bind 127.0.0.1:8000",
        "bind 127.0.0.1:8404",
    ]
