"""How long a session is without an owner that answers, from the moment its owner was killed or stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loadtests.chaos.hosts import Host

AT_ONCE_S = 0.5
ITSELF_S = 0.1
"""A fault is not told from itself more exactly."""


@dataclass(slots=True, kw_only=True)
class _Orphan:
    struck_s: float
    host: Host
    life: int
    back_s: float = math.inf


class Takeovers:
    """Counts only sessions that somebody asked for at that moment, or within `AT_ONCE_S` of it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._orphans: dict[str, _Orphan] = {}
        self._taken: list[tuple[str, float, float]] = []

    def struck(self, host: Host, session_ids: Sequence[str]) -> None:
        """This host is killed or stopped now, and held these sessions."""
        for session_id in session_ids:
            self._orphans[session_id] = _Orphan(struck_s=self._clock(), host=host, life=host.life)

    def back(self, host: Host) -> None:
        """A stopped host goes on: whether what it answers from here on is right is for others to judge."""
        for orphan in self._orphans.values():
            if orphan.host is host and orphan.life == host.life:
                orphan.back_s = min(orphan.back_s, self._clock())

    def answered(self, host: Host, life: int, session_id: str) -> None:
        """As `loadtests.chaos.actors.Answered`."""
        orphan = self._orphans.get(session_id)
        if orphan is None or (host is orphan.host and life == orphan.life and self._clock() < orphan.back_s):
            return
        del self._orphans[session_id]
        self._taken.append((session_id, orphan.struck_s, self._clock()))

    def took_s(
        self, asked: Mapping[str, Sequence[tuple[float, float]]], faults_s: Sequence[float]
    ) -> tuple[list[float], list[float]]:
        """Sorted: those that nothing disturbed, and those during which another fault struck. `asked` tells from when to
        when requests for a session waited for their answers, `faults_s` when the faults struck."""
        alone: list[float] = []
        disturbed: list[float] = []
        for session_id, struck, taken in self._taken:
            if any(began <= struck + AT_ONCE_S and ended >= struck for began, ended in asked.get(session_id, ())):
                others = any(struck + ITSELF_S < fault_s < taken for fault_s in faults_s)
                (disturbed if others else alone).append(taken - struck)
        return sorted(alone), sorted(disturbed)
