"""Leases on virtual time, against a store that a test stops and starts: who may answer, and when no longer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from state.backend import Argument
from state.errors import StoreUnavailable
from state.lease import OWN_SHARE, Lease, owner_name
from tests.virtual_time import on_virtual_time

LEASE_S = 3.0


@dataclass
class LeaseBook:
    """`renew_lease.lua` and `want.lua` in Python, on the loop's clock. `away` refuses, `silent` never answers."""

    ends_at: dict[str, float] = field(default_factory=dict)
    wishes: dict[str, set[str]] = field(default_factory=dict)
    away: bool = False
    silent: bool = False
    renewals: int = 0

    async def write(self, script: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        if self.away:
            raise StoreUnavailable
        if self.silent:
            await asyncio.Event().wait()
        now = asyncio.get_running_loop().time()
        stands = self.ends_at.get(keys[0], 0.0) > now
        if script == "want.lua":
            if stands and args[0]:
                self.wishes.setdefault(keys[1], set()).add(str(args[0]))
            return int(stands)
        self.renewals += 1
        if not stands and not args[1]:
            return [0, []]
        self.ends_at[keys[0]] = now + int(args[0]) / 1000
        return [1, [wish.encode() for wish in self.wishes.pop(keys[1], ())]]

    read = write

    async def ping(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Notes:
    """What the keeper was told."""

    asked_for: list[str] = field(default_factory=list)
    losses: int = 0

    def wanted(self, session_ids: Sequence[str]) -> None:
        self.asked_for += session_ids

    def lost(self) -> None:
        self.losses += 1


@dataclass
class Stand:
    """A standby that takes over and gives back what it took."""

    steps: list[str] = field(default_factory=list)
    begins: bool = True

    def begin(self, owner: str, valid: Callable[[], bool]) -> bool:
        if not valid():
            return False
        self.steps.append(f"begin {owner}")
        return self.begins

    async def settle(self) -> None:
        self.steps.append("settle")

    async def end(self) -> None:
        self.steps.append("end")


def a_lease(book: LeaseBook, standby: Stand | None = None, name: str = "session-state-0") -> tuple[Lease, Notes]:
    numbers = itertools.count(1)
    lease = Lease(
        book,
        name=name,
        new_nonce=lambda: str(next(numbers)),
        lease_s=LEASE_S,
        clock=lambda: asyncio.get_running_loop().time(),
        standby=standby,
    )
    notes = Notes()
    lease.kept_by(notes)
    return lease, notes


@on_virtual_time
async def test_a_lease_is_begun_when_it_is_first_needed_and_renewed_from_then_on() -> None:
    lease, _ = a_lease(LeaseBook())
    assert not lease.valid()
    await lease.hold()
    for _ in range(100):
        await asyncio.sleep(0.7)
        assert lease.valid()
    assert lease.owner == "session-state-0/1"
    assert owner_name(lease.owner) == "session-state-0"
    await lease.aclose()


@on_virtual_time
async def test_an_owner_s_own_clock_ends_its_lease_before_anybody_may_take_over() -> None:
    book = LeaseBook()
    lease, _ = a_lease(book)
    other, _ = a_lease(book, name="session-state-1")
    await lease.hold()
    book.away = True
    began = asyncio.get_running_loop().time()
    while lease.valid():  # noqa: ASYNC110 - only the clock ends it
        await asyncio.sleep(0.01)
    stopped = asyncio.get_running_loop().time() - began
    with pytest.raises(StoreUnavailable):
        await lease.hold()
    book.away = False
    await lease.aclose()
    assert not await other.ended(lease.owner)
    assert stopped <= LEASE_S * OWN_SHARE + 0.02
    await asyncio.sleep(LEASE_S - stopped)
    assert await other.ended(lease.owner)


@on_virtual_time
async def test_an_owner_that_comes_back_in_time_goes_on_as_the_same_one() -> None:
    book = LeaseBook()
    lease, notes = a_lease(book)
    await lease.hold()
    book.away = True
    await asyncio.sleep(LEASE_S * 0.95)
    assert not lease.valid()
    book.away = False
    await lease.hold()
    assert (lease.owner, notes.losses) == ("session-state-0/1", 0)
    await lease.aclose()


@on_virtual_time
async def test_an_owner_that_comes_back_late_has_lost_everything_and_is_another_one_from_then_on() -> None:
    book = LeaseBook()
    lease, notes = a_lease(book)
    await lease.hold()
    book.away = True
    await asyncio.sleep(LEASE_S * 2)
    book.away = False
    with capture_logs() as logs:
        await lease.hold()
    assert (lease.owner, notes.losses) == ("session-state-0/2", 1)
    assert [entry["event"] for entry in logs] == ["lease_lost"]
    assert await lease.ended("session-state-0/1")
    assert not await lease.ended("session-state-0/2")
    await lease.aclose()


@on_virtual_time
async def test_a_store_that_never_answers_is_given_up_in_time() -> None:
    book = LeaseBook()
    lease, _ = a_lease(book)
    await lease.hold()
    book.silent = True
    await asyncio.sleep(LEASE_S)
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable):
        await lease.hold()
    assert asyncio.get_running_loop().time() - began <= LEASE_S
    await lease.aclose()


@on_virtual_time
async def test_an_owner_hears_within_a_beat_what_others_want() -> None:
    book = LeaseBook()
    lease, notes = a_lease(book)
    other, _ = a_lease(book, name="session-state-1")
    await lease.hold()
    assert await other.want(lease.owner, "s1")
    await asyncio.sleep(LEASE_S / 4 + 0.01)
    assert notes.asked_for == ["s1"]
    await lease.aclose()
    await asyncio.sleep(LEASE_S)
    assert not await other.want(lease.owner, "s1")


@on_virtual_time
async def test_a_standby_takes_the_lease_s_place_before_it_ends_and_steps_back_when_redis_is_there_again() -> None:
    book, standby = LeaseBook(), Stand()
    lease, notes = a_lease(book, standby)
    await lease.hold()
    book.away = True
    for _ in range(100):
        await asyncio.sleep(0.6)
        assert lease.valid()
    assert lease.standing_in
    book.away = False
    await asyncio.sleep(LEASE_S)
    assert not lease.standing_in
    assert lease.valid()
    assert standby.steps == ["begin session-state-0/1", "settle", "end"]
    assert (lease.owner, notes.losses) == ("session-state-0/1", 0)
    await lease.aclose()


@on_virtual_time
async def test_a_standby_cannot_begin_once_the_lease_has_ended() -> None:
    book, standby = LeaseBook(), Stand(begins=False)
    lease, _ = a_lease(book, standby)
    await lease.hold()
    book.away = True
    await asyncio.sleep(LEASE_S * 1.5)
    begun = len(standby.steps)
    standby.begins = True
    assert not lease.stand_in()
    assert not lease.valid()
    assert len(standby.steps) == begun
    await lease.aclose()
