"""A simulated Redis on virtual time: a primary that runs the real scripts, and a follower that lags behind it.

The follower is a replica, or the disk: what a failover or a power cut leaves of the primary is what the follower
had by then. `durable` writes are answered once it has them, or with `unconfirmed` after `WAIT_S`: their fate is
unknown then, as after a short reply to WAIT. A promoted follower is another node; who is still connected to the
old one goes on talking to it, and nothing of that reaches anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from state.backend import Argument
from tests.faults.lua import Scripts
from tests.faults.redis_model import CommandRefused, Database

WAIT_S = 0.4


@dataclass(frozen=True, slots=True)
class Ran:
    """A script call that has changed something, with the event count of the world at that moment."""

    tick: int
    now_ms: int
    script: str
    keys: tuple[str, ...]
    args: tuple[Argument, ...]


@dataclass(slots=True)
class Written:
    """A commit as Redis has it. `rightful` is false where a newer epoch had claimed the record."""

    tick: int
    version: int
    entry: bytes
    state: bytes
    key: str
    rightful: bool


@dataclass(slots=True)
class Life:
    """A session from its first commit to its erasure. `outcomes` are those that were kept last."""

    written: list[Written] = field(default_factory=list)
    outcomes: dict[str, bytes] = field(default_factory=dict)
    epoch: bytes = b""
    erased: bool = False


class Node:
    """One server's memory, what has become of each session in it, and how far its follower is."""

    def __init__(self, scripts: Scripts, calls: Sequence[Ran] = ()) -> None:
        self.database = Database()
        self.calls: list[Ran] = []
        self.lives: dict[str, list[Life]] = {}
        self.away = ""
        self.followed = True
        self.refused = 0
        self._had = 0
        self._scripts = scripts
        self._followed_at: list[float] = []
        for call in calls:
            self.run(call.tick, call.now_ms, call.script, call.keys, call.args, followed_at=0.0)

    def run(
        self, tick: int, now_ms: int, script: str, keys: Sequence[str], args: Sequence[Argument], *, followed_at: float
    ) -> Any:
        """The script's reply. `followed_at` is when the follower will have what it changes."""
        database = self.database
        database.now_ms, database.changed = now_ms, False
        try:
            reply = self._scripts.run(database, script, keys, args)
        finally:
            if database.changed:
                self.calls.append(Ran(tick, now_ms, script, tuple(keys), tuple(args)))
                last = self._followed_at[-1] if self._followed_at else 0.0
                self._followed_at.append(max(followed_at, last))
        self._note(tick, script, keys, args, reply)
        return reply

    def followed_at(self, offset: int) -> float:
        return self._followed_at[offset - 1] if offset else 0.0

    def follower_has(self, now: float) -> int:
        """How many of the calls the follower has."""
        if not self.followed:
            return self._had
        count = len(self._followed_at)
        while count and self._followed_at[count - 1] > now:
            count -= 1
        return count

    def cut_off(self, now: float) -> None:
        """The follower gets nothing more."""
        self._had = self.follower_has(now)
        self.followed = False

    def _note(self, tick: int, script: str, keys: Sequence[str], args: Sequence[Argument], reply: Any) -> None:
        if script not in {"commit.lua", "claim.lua", "erase.lua"} or "{session:" not in keys[0]:
            return
        lives = self.lives.setdefault(keys[0].partition("{session:")[2].partition("}")[0], [])
        if script == "claim.lua":
            if reply is not None and reply[0] == b"ok":
                lives[-1].epoch = reply[1]
        elif reply != b"ok":
            self.refused += script == "commit.lua"
        elif script == "erase.lua":
            lives[-1].erased = True
        else:
            self._note_commit(tick, lives, args)

    def _note_commit(self, tick: int, lives: list[Life], args: Sequence[Argument]) -> None:
        epoch = b"%d" % int(args[0])
        if int(args[2]) == 0 or not lives:
            lives.append(Life(epoch=epoch))
        life = lives[-1]
        key = str(args[11])
        life.written.append(
            Written(
                tick=tick,
                version=int(args[3]),
                entry=bytes(args[9]),  # type: ignore[arg-type]
                state=bytes(args[8]),  # type: ignore[arg-type]
                key=key,
                rightful=epoch == life.epoch and not life.erased,
            )
        )
        for forgotten in args[13:]:
            life.outcomes.pop(str(forgotten), None)
        if key:
            life.outcomes[key] = bytes(args[12])  # type: ignore[arg-type]


Answer = Callable[[Any], None]
"""Told a reply, or an exception in its place."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The reply to a durable write that its follower did not confirm in time: nothing to go by."""

    reply: Any


class SimRedis:
    """`later(delay_s, action)` calls back on the world's clock; `tick` counts the world's events.

    What is put into `at_claim` happens when next a claim has been granted, what into `at_ended` when next somebody
    is about to be told, rather late, that a lease has ended.
    """

    def __init__(
        self,
        *,
        scripts: Scripts,
        clock: Callable[[], float],
        later: Callable[..., Any],
        tick: Callable[[], int],
        rng: Random,
        durable: bool,
        lag_s: float,
    ) -> None:
        self._scripts = scripts
        self._clock = clock
        self._later = later
        self._tick = tick
        self._rng = rng
        self._durable = durable
        self._lag_s = lag_s
        self.node = Node(scripts)
        self.doubled = 0
        self.claimed: Callable[[str, str], None] = lambda session_id, owner: None
        self.at_claim: list[Callable[[], None]] = []
        self.at_ended: list[Callable[[], None]] = []

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    def life(self, session_id: str) -> int:
        """The number of the session's present life, from 1."""
        return len(self.node.lives.get(session_id, ()))

    def run(
        self, node: Node, script: str, keys: Sequence[str], args: Sequence[Argument], *, durable: bool, answer: Answer
    ) -> None:
        """Run a script now, and answer when that is due. A node that is away answers nothing here."""
        now = self._clock()
        try:
            reply = node.run(
                self._tick(), self.now_ms(), script, keys, args, followed_at=now + self._rng.random() * 2 * self._lag_s
            )
        except CommandRefused as refused:
            answer(refused)
            return
        if script == "claim.lua" and reply is not None and reply[0] == b"ok":
            self.claimed(keys[0].partition("{session:")[2].partition("}")[0], str(args[1]))
            _happen(self.at_claim)
        if script == "want.lua" and reply == 0 and _happen(self.at_ended):
            self._later(self._rng.random() * 2, lambda: answer(reply))
            return
        if not durable or not self._durable:
            answer(reply)
            return
        # what is confirmed is all that the script has seen: a node that nobody follows is no primary any more
        self._confirm(node, len(node.calls), reply, answer, until=now + WAIT_S)

    def _confirm(self, node: Node, offset: int, reply: Any, answer: Answer, *, until: float) -> None:
        now = self._clock()
        if node.followed and node.follower_has(now) >= offset:
            answer(reply)
        elif now >= until:
            answer(Unconfirmed(reply))
        else:
            at = node.followed_at(offset) if node.followed else until
            wait = max(min(at, until) - now, 1e-4) if at > now else until - now
            self._later(wait, lambda: self._confirm(node, offset, reply, answer, until=until))

    def fail_over(self) -> Node:
        """Promote the follower. Returns the node that was the primary before."""
        former = self.node
        now = self._clock()
        former.cut_off(now)
        self.node = Node(self._scripts, former.calls[: former.follower_has(now)])
        self.node.away = former.away
        return former

    def restart(self, *, power_cut: bool) -> None:
        """All that was written is there again; after a power cut all that was on the disk."""
        former = self.node
        former.cut_off(self._clock())
        former.away = "refused"
        kept = former.follower_has(self._clock()) if power_cut else len(former.calls)
        self.node = Node(self._scripts, former.calls[:kept])


def _happen(actions: list[Callable[[], None]]) -> bool:
    """Each once; whether there were any."""
    due, actions[:] = list(actions), []
    for action in due:
        action()
    return bool(due)
