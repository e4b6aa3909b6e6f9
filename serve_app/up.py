"""`askwell up`: the whole service on this machine, from nothing to ready, and down again.

    lock ── ports free? ── Valkey ── Ray ── Serve with the application ── ready ── wait ── all down

What was started is stopped, in the opposite order, whichever way it ends; nothing else is touched.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal, Self

import httpx
import psutil
from pydantic import SecretStr
from rich.console import Console

from serve_app import proxy as proxies
from serve_app import ray_environment
from serve_app.locks import held
from serve_app.ports import refusal
from serve_app.proxy import Proxy
from serve_app.settings import Settings, variable
from serve_app.targets import targets
from serve_app.valkey import Valkey
from state.errors import AskwellError, InvalidField

READY_TIMEOUT_S = 90.0
WATCH_INTERVAL_S = 0.5
CHILDREN_TIMEOUT_S = 5.0
PORTS_TIMEOUT_S = 5.0
RUNNING = 3
"""Exit code where the service is running already."""


def up(settings: Settings, console: Console) -> int:
    """Run the service until SIGINT or SIGTERM; the process's exit code."""
    began = time.monotonic()
    signals, children = _Signals(), _Children()
    try:
        with ExitStack() as started:
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = started.enter_context(held(_state_file(settings)))
            if lock is None:
                console.print(_already(settings))
                return RUNNING
            proxy = proxies.chosen(settings)
            replicas = started.enter_context(proxies.claimed(settings))
            _require_free_ports(settings)
            started.callback(children.end)
            signals.install()
            token_file = ray_environment.prepare(settings.data_dir, proxies.prepare(proxy, settings, replicas))
            valkey = _start(settings, started, signals, children, console)
            json.dump({"pid": os.getpid(), **_addresses(settings)}, lock)
            lock.flush()
            _announce(settings, proxy, token_file, console)
            console.print(f"Ready after {time.monotonic() - began:.0f} s. Ctrl-C stops it.", highlight=False)
            signals.wait_instead()
            _watch(signals.stopping, valkey, console, settings.alerts_file)
            console.print("Stopping ...")
    except _Stopped:
        console.print("Stopped before it was ready.")
    else:
        console.print("Stopped.")
    finally:
        signals.restore()
    return 0


def _start(
    settings: Settings, started: ExitStack, signals: _Signals, children: _Children, console: Console
) -> Valkey | None:
    """Start every part and note in `started` how each is stopped; the embedded Valkey."""
    with _Progress(console, signals) as progress:
        progress.stage("Starting Valkey ...")
        valkey = _start_valkey(settings, started)
        if valkey is not None:
            journal = "off" if settings.outage_journal == "off" else "on"
            own = {"redis_url": SecretStr(valkey.url), "outage_journal": journal}
            settings = settings.model_copy(update=own)
        progress.stage("Starting Ray (about 10 s) ...")
        from serve_app import cluster  # noqa: PLC0415 - reads the environment set above

        started.callback(cluster.stop)
        started.callback(children.note)
        started.callback(signals.wait_instead)  # what stops the service is not to be stopped itself
        cluster.start_ray(settings)
        signals.install()  # Ray has put its own handlers in their place
        progress.stage("Deploying generator, evaluator, retriever and session actors ...")
        cluster.start_application(settings)
        signals.install()
        progress.stage("Waiting until every part is ready ...")
        _wait_until_ready(settings, signals)
    return valkey


def _state_file(settings: Settings) -> Path:
    return settings.data_dir / "up.json"


def _already(settings: Settings) -> str:
    try:
        running = json.loads(_state_file(settings).read_text())
    except ValueError:
        return f"Askwell is being started on {settings.data_dir} by another process."
    return f"Askwell is already running (pid {running['pid']}): {running['api']}, docs {running['docs']}"


def _require_free_ports(settings: Settings) -> None:
    """Raises `InvalidField` naming the variable that moves the service to another port.

    A service that was killed a moment ago holds its ports for some seconds more, so they are waited for.
    """
    deadline = time.monotonic() + PORTS_TIMEOUT_S
    for name, host in (("port", settings.host), ("dashboard_port", "127.0.0.1")):
        port = getattr(settings, name)
        while (reason := refusal(host, port)) is not None:
            if time.monotonic() > deadline:
                fix = f"{host}:{port} cannot be listened on ({reason}); choose another port"
                raise InvalidField(field=variable(name), fix=fix)
            time.sleep(0.2)


def _start_valkey(settings: Settings, started: ExitStack) -> Valkey | None:
    if settings.redis_url is not None:
        return None
    appendfsync: Literal["everysec", "always"] = "always" if settings.durability == "strict" else "everysec"
    valkey = Valkey(settings.data_dir / "valkey", appendfsync=appendfsync)
    started.callback(valkey.stop)
    valkey.start()
    return valkey


def _wait_until_ready(settings: Settings, signals: _Signals) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    last = "no answer"
    while time.monotonic() < deadline:
        signals.heed()
        try:
            reply = httpx.get(f"{_local(settings)}/health/ready", timeout=10)
        except httpx.HTTPError as error:
            last = type(error).__name__
        else:
            if reply.is_success:
                return
            last = reply.text
        time.sleep(0.2)
    raise AskwellError(f"The service did not get ready within {READY_TIMEOUT_S:.0f} s: {last}")


def _local(settings: Settings) -> str:
    """Where this machine reaches the API: a wildcard address is asked on loopback."""
    if settings.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return f"http://127.0.0.1:{settings.port}"
    return settings.base_url


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "api": settings.base_url,
        "docs": f"{settings.base_url}/docs",
        "dashboard": f"http://127.0.0.1:{settings.dashboard_port}",
    }


def _announce(settings: Settings, proxy: Proxy, token_file: Path, console: Console) -> None:
    addresses = _addresses(settings)
    models = [f"{target.provider}:{target.model}" for target in targets(settings)]
    provider = ", then ".join(models) or "offline (deterministic, no key)"
    for label, value in (
        ("API", addresses["api"]),
        ("API docs", addresses["docs"]),
        ("Ray dashboard", f"{addresses['dashboard']}  (token: the content of {token_file})"),
        ("Proxy", proxy),
        ("Provider", provider),
        ("Data", settings.data_dir.resolve()),
    ):
        console.print(f"{label:<14} {value}", soft_wrap=True, highlight=False)


def _watch(stopping: threading.Event, valkey: Valkey | None, console: Console, alerts: Path) -> None:
    """Wait for the end; a Valkey that dies meanwhile is started again on the same files and port, and what the monitor
    writes into the alerts' file is shown."""
    shown = alerts.stat().st_size if alerts.exists() else 0
    while not stopping.wait(WATCH_INTERVAL_S):
        if valkey is not None and not valkey.alive():
            console.print("Valkey ended unexpectedly; starting it again.")
            valkey.start()
        if alerts.exists() and alerts.stat().st_size > shown:
            with alerts.open("rb") as file:
                file.seek(shown)
                new = file.read()
            shown += len(new)
            console.print(new.decode(errors="replace").strip(), markup=False, highlight=False)


class _Progress:
    """The stage the start has come to: beside a spinner in a terminal, a line each elsewhere."""

    def __init__(self, console: Console, signals: _Signals) -> None:
        self._console = console
        self._signals = signals
        self._status = console.status("")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def stage(self, text: str) -> None:
        self._signals.heed()
        self._status.update(text)
        if not self._console.is_terminal:
            self._console.print(text)


class _Stopped(BaseException):
    """Unwinds what has been started; a BaseException, so that nobody on the way takes it for a failure."""


class _Signals:
    """SIGINT and SIGTERM: while the service starts they unwind it, once it runs they end the waiting."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._unwinds = True
        self._before = {number: signal.getsignal(number) for number in self.NUMBERS}

    def install(self) -> None:
        for number in self.NUMBERS:
            signal.signal(number, self._stop)

    def wait_instead(self) -> None:
        """From here on a signal only sets `stopping`."""
        self._unwinds = False
        self.install()

    def heed(self) -> None:
        """Unwind if a signal came whose exception was dropped: Python ignores those of an import's callbacks."""
        if self.stopping.is_set():
            raise _Stopped

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        self.stopping.set()
        if self._unwinds:
            self._unwinds = False
            raise _Stopped


class _Children:
    """This process's descendants, noted before the parts are stopped: an orphan is nobody's child any more."""

    def __init__(self) -> None:
        self._noted: list[psutil.Process] = []

    def note(self) -> None:
        self._noted = psutil.Process().children(recursive=True)

    def end(self) -> None:
        """End those that their part has left over, or that were being started when it was interrupted."""
        known = {*self._noted, *psutil.Process().children(recursive=True)}
        _, left = psutil.wait_procs(known, timeout=CHILDREN_TIMEOUT_S)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=CHILDREN_TIMEOUT_S)
