"""What befalls the processes of a world, and what Redis does to them; each trouble ends by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

from state.errors import AskwellError
from tests.faults.actor import Incarnation, Surroundings
from tests.faults.clients import TENANT, Client
from tests.faults.loop import SimLoop
from tests.faults.plan import Plan
from tests.faults.sim_redis import SimRedis


class Befallen:
    """The part of a world that troubles come to. `actors` has who stands under a name at present, if anybody does;
    `everyone` also those that were replaced; `lost_from` is the first event of which Redis has lost a write that it had
    promised no more for."""

    loop: SimLoop
    rng: Random
    redis: SimRedis
    around: Surroundings
    clients: list[Client]
    actors: dict[str, Incarnation | None]
    everyone: list[Incarnation]
    counts: Counter[str]
    trace: list[str]
    numbers: Counter[str]
    mended: bool
    plan: Plan
    lost_from: int | None

    def note(self, what: str) -> None:
        self.trace.append(f"{self.loop.now:10.4f} {what}")

    def befall(self, fault: Callable[[Befallen], None]) -> None:
        if not self.mended:
            fault(self)

    def replace(self, name: str) -> None:
        """Another process under the name; the one before, if it lives on, is a zombie."""
        former = self.actors.get(name)
        if former is not None:
            former.given_up()
        self.numbers[name] += 1
        self.actors[name] = actor = Incarnation(self.around, name, self.numbers[name])
        self.everyone.append(actor)
        self.note(f"{actor.process.name} starts as {actor.lease.owner}")

    def crash(self, actor: Incarnation, *, back_after_s: float) -> None:
        if not actor.process.alive:
            return
        self.note(f"{actor.process.name} dies")
        self.counts["crashes"] += 1
        actor.die(self.rng)
        if self.actors.get(actor.name) is actor:
            self.actors[actor.name] = None
            self.loop.after(back_after_s, self.back, actor.name)

    def back(self, name: str) -> None:
        if self.actors.get(name) is None:
            self.replace(name)

    def on_someone(self, befall: Callable[[Incarnation], None]) -> None:
        there = [actor for actor in self.actors.values() if actor is not None]
        if there:
            befall(self.rng.choice(there))

    def freeze(self, actor: Incarnation, *, for_s: float, replaced: bool) -> None:
        if not actor.process.alive:
            return
        self.note(f"{actor.process.name} is frozen for {for_s:.2f} s")
        self.counts["freezes"] += 1
        actor.freeze()
        self.loop.after(for_s, self._thaw, actor)
        if replaced:
            self.loop.after(for_s * 0.6, self._replace_zombie, actor)

    def freeze_until_claimed(self, actor: Incarnation) -> None:
        """It comes back at the worst moment: another has just taken over what it was in the middle of."""
        self.freeze(actor, for_s=9.0, replaced=False)
        wait_s = self.rng.random() * 0.02

        def claimed() -> None:
            self.loop.after(wait_s, self._thaw, actor)

        self.redis.at_claim.append(claimed)

    def _thaw(self, actor: Incarnation) -> None:
        if actor.process.frozen:
            self.note(f"{actor.process.name} is thawed")
            actor.thaw()

    def _replace_zombie(self, actor: Incarnation) -> None:
        """The head gives up on an actor that lives on."""
        if self.actors.get(actor.name) is actor:
            self.replace(actor.name)
            self.loop.after(10.0, actor.die, self.rng)

    def cut_off_callers(self, actor: Incarnation, *, ingresses: int, for_s: float, replaced: bool) -> None:
        """From the first `ingresses` of them; the others still reach it."""
        self.note(f"{actor.process.name} is cut off from {ingresses} of its callers for {for_s:.2f} s")
        self.counts["cuts"] += 1
        actor.cut(range(ingresses))
        self.loop.after(for_s, actor.mend)
        if replaced:
            self.loop.after(for_s * 0.6, self._replace_zombie, actor)

    def cut_off_redis(self, actor: Incarnation, *, for_s: float) -> None:
        self.note(f"{actor.process.name} is cut off from Redis for {for_s:.2f} s")
        self.counts["cuts"] += 1
        actor.link.up, actor.link.refused = False, self.rng.random() < 0.5
        self.loop.after(for_s, setattr, actor.link, "up", True)

    def mend_at_ended(self, actor: Incarnation) -> None:
        """It reaches Redis again when somebody is about to be told that its lease has ended."""
        self.redis.at_ended.append(lambda: setattr(actor.link, "up", True))

    def redis_away(self, how: str, *, for_s: float) -> None:
        self.note(f"Redis is away ({how}) for {for_s:.2f} s")
        self.counts["outages"] += 1
        self.redis.node.away = how
        self.loop.after(for_s, self._redis_back)

    def _redis_back(self) -> None:
        self.note("Redis is back")
        self.redis.node.away = ""

    def fail_over(self, *, down_s: float) -> None:
        former = self.redis.fail_over()
        lost = len(former.calls) - len(self.redis.node.calls)
        self.note(f"failover; {lost} calls are lost")
        self.counts["failovers"] += 1
        for actor in self.everyone:
            if self.rng.random() < 0.5:  # these do not notice at once
                actor.link.behind = former
                self.loop.after(self.rng.random() * 9.0, setattr, actor.link, "behind", None)
        if down_s:
            self.redis.node.away = "refused"
            self.loop.after(down_s, self._redis_back)

    def power_cut(self, *, down_s: float, machine: bool) -> None:
        """Of Redis, or of the machine with all that runs on it."""
        self.note("power cut")
        self.counts["power cuts"] += 1
        self.restart_redis(down_s=down_s, power_cut=True)
        if machine:
            for actor in list(self.actors.values()):
                if actor is not None:
                    self.crash(actor, back_after_s=down_s * self.rng.random() * 2)

    def restart_redis(self, *, down_s: float, power_cut: bool = False) -> None:
        calls = self.redis.node.calls
        self.redis.restart(power_cut=power_cut)
        lost = calls[len(self.redis.node.calls) :]
        self.note(f"Redis restarts; {len(lost)} calls are lost")
        if lost and not self.plan.durable and self.lost_from is None:
            self.lost_from = lost[0].tick
        self.counts["restarts"] += 1
        self.redis.node.away = "refused"
        self.loop.after(down_s, self._redis_back)

    def take_over(self, actor: Incarnation) -> None:
        if not actor.process.alive:
            return
        session_id = self.rng.choice(self.clients).session_id
        self.note(f"{actor.process.name} is to take {session_id} over")
        self.counts["takeovers"] += 1
        actor.process.start(_quietly(actor.state.take_over, TENANT, session_id))

    def close(self, actor: Incarnation) -> None:
        """In order; another takes its place, and only then does it die."""
        if not actor.process.alive:
            return
        self.note(f"{actor.process.name} closes")
        self.counts["closed"] += 1
        actor.process.start(_quietly(actor.state.aclose))
        self.loop.after(0.05, self._replace_zombie, actor)


async def _quietly(work: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    with suppress(AskwellError):
        await work(*args)
