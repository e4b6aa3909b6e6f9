"""How much is let in: a limit that follows what the service can do, shared fairly between tenants.

    in flight < limit? ── no ──> 503 Overloaded
          └── crowded, and the tenant above its share? ── yes ──> 429 TenantOverloaded
                     └── no ──> in

What is let in is finished. The limit starts low, because what a flood brought in before the first measurement would
have to be finished too, and follows additive increase, multiplicative decrease: it shrinks while the service itself is
slow (the delay that `measured` is told, which no provider has a part in) or providers throttle, and grows while it is
used up and all is quick. Whoever is refused is told to come back when, by Little's law, there will be room: so many
wait, and so many are let in each second. Pure but for the clock it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from state.errors import Overloaded, TenantOverloaded

SLOW_S = 0.15
"""A delay of the service's own from which it has more in hand than it can do."""
SHRINK = 0.8
SHRINK_PAUSE_S = 0.5
"""What was let in before has to be felt before the limit shrinks again."""
GROWTH = 0.1
START = 64
FEWEST = 16
"""So few cannot be what a slow service is slow of; while no more are in flight, a delay has another cause."""
SOONEST_S, LATEST_S = 1.0, 30.0
"""When whoever was refused may come back."""
REMEMBERED = 0.95
"""Share of what was counted of refusals that a measurement leaves: four a second, so about five seconds count."""
CROWDED = 0.75
"""Share of the limit from which on a tenant gets no more than its own share."""


@dataclass(slots=True, kw_only=True)
class Admission:
    """`most` requests at once at the very most; `clock` gives seconds."""

    most: int
    clock: Callable[[], float]
    start: int = START
    limit: float = field(init=False)
    in_flight: int = 0
    _entered: float = 0.0
    _told_s: float = 0.0
    _by_tenant: Counter[str] = field(default_factory=Counter)
    _shrunk_at: float = float("-inf")
    _used_up: bool = False

    def __post_init__(self) -> None:
        self.limit = float(min(self.start, self.most))

    def enter(self, tenant: str) -> None:
        """Let one request in. Raises `Overloaded`, or `TenantOverloaded` where only this tenant has too many."""
        room = int(self.limit)
        if self.in_flight >= room:
            self._used_up = True
            raise Overloaded(retry_after_s=self._later_s())
        if self.in_flight >= CROWDED * room and self._by_tenant[tenant] >= self._share(tenant):
            self._used_up = True
            raise TenantOverloaded(retry_after_s=self._later_s())
        self.in_flight += 1
        self._entered += 1
        self._by_tenant[tenant] += 1

    def leave(self, tenant: str) -> None:
        self.in_flight -= 1
        self._by_tenant[tenant] -= 1
        if not self._by_tenant[tenant]:
            del self._by_tenant[tenant]

    def measured(self, delay_s: float) -> None:
        """How long the service just now took for next to nothing."""
        self._entered *= REMEMBERED
        self._told_s *= REMEMBERED
        if delay_s >= SLOW_S:
            self._shrink()
        elif self._used_up or self.in_flight >= CROWDED * self.limit:
            self.limit = min(float(self.most), self.limit + max(1.0, GROWTH * self.limit))
            self._used_up = False

    def throttled(self) -> None:
        """A provider takes no more, and a request that was let in had to be refused for it."""
        self._shrink()

    def _shrink(self) -> None:
        floor = min(FEWEST, self.most)
        if self.in_flight <= floor or self.clock() - self._shrunk_at < SHRINK_PAUSE_S:
            return
        self._shrunk_at = self.clock()
        self.limit = max(float(floor), SHRINK * min(self.limit, self.in_flight))

    def _later_s(self) -> float:
        """Those who wait are the refusals of a second, each for as long as it was told; so many are let in a second."""
        later_s = min(max(self._told_s / max(self._entered, 1.0), SOONEST_S), LATEST_S)
        self._told_s += later_s
        return later_s

    def _share(self, tenant: str) -> int:
        """An equal part of the limit for each tenant that has something in flight, and for the one that asks."""
        tenants = len(self._by_tenant) + (self._by_tenant[tenant] == 0)
        return max(1, int(self.limit) // tenants)
