"""Which proxy is chosen, and that one left over by a killed service is ended, by its own configuration alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from serve_app import proxy
from serve_app.ports import free_port
from serve_app.settings import Settings
from state.errors import InvalidField
from tests.cluster.running import wait_for

REPLICAS = range(20_000, 20_100)
NODE = f"/{'0' * 56}"
"""Serve puts a folder of the node's id between."""


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
    assert proxy.prepare(found, settings, REPLICAS) == {"RAY_SERVE_ENABLE_HA_PROXY": "0"}


def test_its_files_are_this_user_s_alone_and_its_socket_s_path_is_short_enough(settings: Settings) -> None:
    with proxy.claimed(settings) as replicas:
        environment = proxy.prepare(proxy.chosen(settings), settings, replicas)
    socket = Path(environment["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    assert len(str(socket)) + len(NODE) <= 107
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert str(settings.port) in str(socket.parent)


def _left_over(settings: Settings) -> subprocess.Popen[bytes]:
    """A process that was started with a configuration of the service on that port."""
    configuration = Path(proxy.prepare(proxy.chosen(settings), settings, REPLICAS)["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"])
    return _sleeping("-f", f"{configuration.parent}{NODE}/{configuration.name}")


def test_one_that_was_left_over_is_ended_and_nobody_else_s(settings: Settings, stranger: psutil.Process) -> None:
    with _left_over(settings) as left_over, proxy.claimed(settings):
        assert not psutil.pid_exists(left_over.pid)
    assert stranger.is_running()


def test_the_one_of_a_service_that_lives_is_left_alone_and_a_second_is_told_to_move(settings: Settings) -> None:
    with proxy.claimed(settings), _left_over(settings) as living:
        with pytest.raises(InvalidField, match=r"ASKWELL_PORT.*another Askwell of yours"), proxy.claimed(settings):
            pytest.fail("two services hold one port")
        assert living.poll() is None
        living.kill()
    with proxy.claimed(settings):
        pass  # the first has let go


def test_two_services_on_one_machine_share_no_port() -> None:
    names = [f"RAY_SERVE_{name}_PORT" for name in ("FALLBACK_PROXY_HTTP", "FALLBACK_PROXY_GRPC", "HAPROXY_STATS")]
    first, second = Settings(port=free_port()), Settings(port=free_port())
    with proxy.claimed(first) as here, proxy.claimed(second) as there:
        assert not set(here) & set(there)
        one, other = (
            proxy.prepare(proxy.chosen(settings), settings, replicas)
            for settings, replicas in ((first, here), (second, there))
        )
        assert not {one[name] for name in names} & {other[name] for name in names}
        assert (one["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"], one["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"]) == (
            str(here[0]),
            str(here[-1]),
        )


TEMPLATE = """
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    errorfile 502 {other}
    errorfile 503 {other}
frontend prometheus
    bind :{metrics}
    http-request return status 200
frontend http_frontend
    bind 127.0.0.1:{port}
    use_backend nobody if {{ path_beg /dead }}
    use_backend standby if {{ path_beg /standby }}
    default_backend default_backend
backend nobody
    server none 127.0.0.1:1
backend standby
    server standby 127.0.0.1:{standby}
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path \'%[path]\' not found. Ping http://.../-/routes"
listen stats
  bind *:{statistics}
  stats enable
"""
"""What Serve's own looks like where the wrapper changes it."""


class Standby(BaseHTTPRequestHandler):
    """Answers every path with its last part as the status; in plain text, as Serve does, unless its query says how."""

    def do_GET(self) -> None:
        path, _, kind = self.path.partition("?")
        self.send_response(int(path.rpartition("/")[2]))
        self.send_header("Content-Type", kind or "text/plain; charset=utf-8")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def standby() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Standby) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def wrapped(tmp_path: Path, settings: Settings, standby: int) -> Iterator[tuple[psutil.Process, dict[str, int]]]:
    """HAProxy by way of the wrapper, and its ports."""
    ports = {name: free_port() for name in ("port", "metrics", "statistics")}
    other = tmp_path / "500.http"
    other.write_bytes(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(TEMPLATE.format(other=other, standby=standby, **ports))
    environment = {"ASKWELL_HAPROXY_BINARY": proxy.chosen(settings).binary, "PATH": os.environ["PATH"]}
    with subprocess.Popen([str(proxy.WRAPPER), "-db", "-f", str(configuration)], env=environment) as process:
        running = psutil.Process(process.pid)
        wait_for(lambda: len(running.net_connections("tcp")) >= 3, 10)
        yield running, ports
        process.terminate()


def test_haproxy_listens_on_loopback_alone(wrapped: tuple[psutil.Process, dict[str, int]]) -> None:
    process, ports = wrapped
    listening = {(one.laddr.ip, one.laddr.port) for one in process.net_connections("tcp") if one.status == "LISTEN"}
    assert listening == {("127.0.0.1", port) for port in ports.values()}


@pytest.mark.parametrize(
    ("path", "kind"), [("/api/sessions/1", "Starting"), ("/dead", "Unavailable"), ("/standby/404", "Starting")]
)
def test_what_haproxy_refuses_by_itself_or_serve_in_plain_text_is_a_problem_to_come_back_from(
    wrapped: tuple[psutil.Process, dict[str, int]], path: str, kind: str
) -> None:
    _, ports = wrapped
    reply = httpx.get(f"http://127.0.0.1:{ports['port']}{path}", timeout=30)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == f"urn:askwell:problem:{kind}"


@pytest.mark.parametrize(("status", "kind"), [(404, "application/problem+json"), (200, "text/plain")])
def test_what_askwell_itself_says_passes_as_it_is(
    wrapped: tuple[psutil.Process, dict[str, int]], status: int, kind: str
) -> None:
    _, ports = wrapped
    reply = httpx.get(f"http://127.0.0.1:{ports['port']}/standby/{status}?{kind}", timeout=30)
    assert (reply.status_code, reply.headers["content-type"], reply.text) == (status, kind, "{}")
