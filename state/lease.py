"""The right to answer for sessions: a lease in Redis that each owner renews, and loses to nobody before it ends.

    claim a session ── its owner's lease stands? ── no ───────────────> epoch + 1, it is ours
                                └── yes ── want it ── owner lets go ──────┘

An owner counts its lease from before it asked for it, and for less than Redis does: by its own clock it ends
before anybody else may take a session over. An owner that cannot renew therefore stops by itself, and one
that is only out of reach of its callers is asked, through Redis, to let go. Fencing (epoch and owner in the
commit script) is what keeps a session from harm; the lease keeps copies from being read after they are stale,
and owners from taking sessions away from each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from state.backend import Backend
from state.errors import AskwellError, StoreUnavailable

log = structlog.get_logger()
OWN_SHARE = 0.9
"""The part of a lease that its owner trusts; the rest is for clocks that run at different speeds."""
BEATS = 4
"""Renewals in the time of one lease."""


class Keeper(Protocol):
    """Who is told of what becomes of the lease. Must return at once."""

    def wanted(self, session_ids: Sequence[str]) -> None:
        """Others want these sessions; they may be ours no more, or not yet."""

    def lost(self) -> None:
        """The lease ended before it was renewed: whatever was held under it may have other owners now."""


class Standby(Protocol):
    """What holds the lease's place while Redis is away (`state.outage`)."""

    def begin(self, owner: str, valid: Callable[[], bool]) -> bool:
        """Take over now, while the lease still stands. False where it does not, or where there is no such place."""
        ...

    async def settle(self) -> None:
        """Give Redis everything that was taken meanwhile; may be repeated. Raises `StoreUnavailable`."""
        ...

    async def end(self) -> None:
        """Step back, the lease being renewed: give Redis the rest, and take nothing more."""
        ...


class Lease:
    """One owner's lease. `name` finds its process (`owner_name`), `new_nonce` makes each of its lives another owner.

    `clock` tells seconds that go on while the process or the machine sleeps. `hold` raises `StoreUnavailable`
    where the lease has ended and Redis does not answer.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        name: str,
        new_nonce: Callable[[], str],
        lease_s: float,
        clock: Callable[[], float],
        standby: Standby | None = None,
    ) -> None:
        self._backend = backend
        self._name = name
        self._new_nonce = new_nonce
        self.lease_s = lease_s
        self._clock = clock
        self._standby = standby
        self._keeper: Keeper | None = None
        self._until = -float("inf")
        self._began = False
        self._standing_in = False
        self._closed = False
        self._beating: asyncio.Task[None] | None = None
        self._renewing = asyncio.Lock()
        self.owner = self._next_owner()

    @property
    def standing_in(self) -> bool:
        """Whether Redis is away and the standby holds the lease's place."""
        return self._standing_in

    def valid(self) -> bool:
        """Whether this owner may answer at this moment."""
        return self._standing_in or self._clock() < self._until

    async def hold(self) -> None:
        """Returns at once while the lease stands, else once it has been renewed or begun anew."""
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        if self.valid():
            return
        async with self._renewing:
            if not self.valid():
                await self._renew()

    async def ended(self, owner: str) -> bool:
        """Whether another owner's lease is over for good: none is ever begun anew under the same id."""
        # as a write: a primary that nobody follows any more might take a lease for ended that it has lost sight of
        stands: int = await self._backend.write("want.lua", _keys(owner), ["", 0])
        return not stands

    async def want(self, owner: str, session_id: str) -> bool:
        """Ask another owner to let go of a session. False where its lease has ended."""
        stands: int = await self._backend.write("want.lua", _keys(owner), [session_id, self._ttl_ms])
        return bool(stands)

    def stand_in(self) -> bool:
        """Redis has not answered a commit: whether the standby holds the lease's place from here on."""
        if not self._standing_in and self._standby is not None and self._standby.begin(self.owner, self.valid):
            self._standing_in = True
            log.warning("redis_away", owner=self.owner)
        return self._standing_in

    def kept_by(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def aclose(self) -> None:
        """Stop renewing; the lease ends by itself."""
        self._closed = True  # a client library may swallow a cancellation that comes with its answer
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})

    @property
    def _ttl_ms(self) -> int:
        return int(self.lease_s * 1000)

    def _next_owner(self) -> str:
        return f"{self._name}/{self._new_nonce()}"

    async def _beat(self) -> None:
        while not self._closed:
            await asyncio.sleep(self.lease_s / BEATS)
            async with self._renewing:
                try:
                    if self._standing_in:
                        await self._step_back()
                    else:
                        await self._renew()
                except StoreUnavailable:
                    self.stand_in()
                except AskwellError as error:
                    log.error("lease_not_renewed", owner=self.owner, error=type(error).__name__)

    async def _renew(self) -> None:
        """Raises `StoreUnavailable`, and tells the keeper where the lease turns out to have been lost."""
        held = await self._asked_to_renew(anew=not self._began)
        if not held:
            log.warning("lease_lost", owner=self.owner)
            self._until = -float("inf")
            self.owner = self._next_owner()
            if self._keeper is not None:
                self._keeper.lost()
            await self._asked_to_renew(anew=True)
        self._began = True

    async def _step_back(self) -> None:
        """Redis may be back: give it what the standby has taken, and go on under the lease."""
        if self._standby is None:
            return
        await self._asked_to_renew(anew=True)
        await self._standby.settle()
        await self._asked_to_renew(anew=True)  # settling may have taken long
        await self._standby.end()
        self._standing_in = False
        log.warning("redis_back", owner=self.owner)

    async def _asked_to_renew(self, *, anew: bool) -> bool:
        began = self._clock()
        try:
            async with asyncio.timeout(self.lease_s / BEATS):
                row = await self._backend.write("renew_lease.lua", _keys(self.owner), [self._ttl_ms, int(anew)])
        except TimeoutError:
            raise StoreUnavailable(cause="TimeoutError") from None
        held, wanted = row
        if held:
            self._until = began + self.lease_s * OWN_SHARE
        if wanted and self._keeper is not None:
            self._keeper.wanted([session_id.decode() for session_id in wanted])
        return bool(held)


def owner_name(owner: str) -> str:
    """The name of the process that an owner's id came from."""
    return owner.partition("/")[0]


def _keys(owner: str) -> list[str]:
    return [f"askwell:{{owner:{owner}}}:{part}" for part in ("lease", "wanted")]
