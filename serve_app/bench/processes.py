"""CPU time and memory of a process and all that descend from it, by the part of the service that each one is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import psutil

ORDER = (
    "HAProxy",
    "proxy",
    "ingress",
    "session-state",
    "monitor",
    "generator",
    "evaluator",
    "retriever",
    "valkey",
    "controller",
    "ray",
    "up",
)
"""The parts, as a request meets them. `proxy` is the actor of Serve's that minds HAProxy, or is the proxy itself;
`ray` all else of Ray's: raylet, GCS, dashboard, agents, idle workers; `up` the command that started it all."""

_ACTORS: Mapping[str, str] = {
    "ServeReplica:askwell:Ingress": "ingress",
    "ServeReplica:askwell:Generator": "generator",
    "ServeReplica:askwell:Evaluator": "evaluator",
    "ServeReplica:askwell:Retriever": "retriever",
    "SessionState": "session-state",
    "MonitorActor": "monitor",
    "ProxyActor": "proxy",
    "HAProxyManager": "proxy",
    "ServeController": "controller",
}
_PROGRAMS: Mapping[str, str] = {"haproxy": "HAProxy", "haproxy_on_loopback.sh": "HAProxy", "valkey-server": "valkey"}


def part_of(command: Sequence[str]) -> str:
    """Which part of the service runs under that command line; Ray's actors write their titles over it."""
    if not command:
        return "ray"
    line = " ".join(command)
    if line.startswith("ray::"):
        return next((part for title, part in _ACTORS.items() if title in line), "ray")
    words = [word.rpartition("/")[2] for word in " ".join(command[:2]).split()]
    if program := next((word for word in words if word in _PROGRAMS), None):
        return _PROGRAMS[program]
    return "up" if list(command[-2:]) == ["serve_app", "up"] else "ray"


class Meter:
    """Of one process's tree. What a process had used when it was last looked at stays counted after its end."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._seen: dict[psutil.Process, float] = {}
        self._used_s: defaultdict[str, float] = defaultdict(float)

    def cpu_s(self) -> dict[str, float]:
        """Seconds of user and system time by part, since the processes began; only ever more.

        A worker that becomes another part, as an idle one does when an actor starts in it, is the new part
        from the reading before on.
        """
        for process in self._alive():
            try:
                times, part = process.cpu_times(), part_of(process.cmdline())
            except psutil.Error:
                continue
            now_s = times.user + times.system
            self._used_s[part] += max(0.0, now_s - self._seen.get(process, 0.0))
            self._seen[process] = now_s
        return {part: self._used_s[part] for part in ORDER if part in self._used_s}

    def memory_mb(self) -> dict[str, float]:
        """Megabytes (10^6 bytes) by part: each process's own pages and its share of those it shares (PSS)."""
        held: defaultdict[str, float] = defaultdict(float)
        for process in self._alive():
            try:
                info, part = process.memory_full_info(), part_of(process.cmdline())
            except psutil.Error:
                continue
            held[part] += getattr(info, "pss", info.rss) / 1e6
        return {part: held[part] for part in ORDER if part in held}

    def _alive(self) -> Iterator[psutil.Process]:
        """Those in the tree, and those that were and have lost their parent since."""
        found = {self._root, *self._root.children(recursive=True)} if self._root.is_running() else set()
        for process in found | self._seen.keys():
            if process.is_running():
                yield process


def used_s(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by part between two readings."""
    return {part: after[part] - before.get(part, 0.0) for part in after}
