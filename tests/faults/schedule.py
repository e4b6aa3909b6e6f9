"""Draws a schedule from its seed: how large the world is, how bad the network, and what befalls whom and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from tests.faults.actor import Incarnation
from tests.faults.network import Weather
from tests.faults.plan import Plan
from tests.faults.troubles import Befallen

Fault = Callable[[Befallen], None]
Kind = Callable[[Random], Fault]
FAULTS_S = 4.0
"""All that befalls a world begins within this time."""
EVERY_SECOND_S = 1.0
"""Where writes are not waited for, the disk has them after this at the latest."""
PROFILES = (
    "network",
    "crashes",
    "freezes",
    "cuts",
    "outage",
    "failover",
    "power",
    "erasure",
    "resent",
    "standby",
    "storm",
)


def draw(seed: int, profile: str = "") -> Plan:
    """The plan of a seed; the profile is drawn too unless it is given."""
    rng = Random(f"plan/{seed}")
    drawn = rng.choice(PROFILES)
    profile = profile or drawn
    rough = rng.choice({"network": (0.5, 1.0, 2.0), "resent": (2.0, 4.0, 6.0)}.get(profile, (0.0, 0.0, 0.3, 1.0)))
    durable = profile == "failover" or rng.random() < (0.7 if profile == "power" else 0.2)
    journal = profile in {"outage", "power", "resent", "standby"} or (profile != "failover" and rng.random() < 0.4)
    if profile == "power" and not durable:
        journal = False  # it is deleted once Redis has what it held: in memory, and on the disk a second later
    menu = _MENUS[profile] if profile != "storm" else _storm(durable=durable, journal=journal)
    count = rng.randrange(1, 5) if menu else 0
    return Plan(
        seed=seed,
        profile=profile,
        durable=durable,
        journal=journal,
        lag_s=rng.choice((0.002, 0.05, 0.3)) if durable else EVERY_SECOND_S / 2,
        actors=rng.choice((2, 2, 3)),
        ingresses=2,
        sessions=rng.choice((1, 1, 2)),
        candidates=rng.choice((1, 2, 3)),
        questions=rng.choice((1, 2)),
        gaps_given=rng.random() < 0.6,
        shares=rng.choice((0.0, 0.5, 1.0)),
        erases=profile == "erasure" or rng.random() < 0.1,
        weather=Weather(
            slow=0.02 * rough * rng.random(),
            request_lost=0.01 * rough * rng.random(),
            reply_lost=0.01 * rough * rng.random(),
            doubled=0.03 * rough * rng.random(),
            resent=0.02 * rough * rng.random(),
            work_fails=rng.choice((0.0, 0.02, 0.1)),
            replica_dies=rng.choice((0.0, 0.05)),
        ),
        faults=tuple((rng.random() ** 1.5 * FAULTS_S, rng.choice(menu)(rng)) for _ in range(count)),
    )


def _crash(rng: Random) -> Fault:
    back_s = rng.random() * 2
    return lambda world: world.on_someone(lambda actor: world.crash(actor, back_after_s=back_s))


def _crash_at_step(rng: Random) -> Fault:
    """Between two awaits of the actor's, wherever that is."""
    back_s, ahead = rng.random() * 2, rng.randrange(1, 150)

    def at_step(world: Befallen, actor: Incarnation) -> None:
        actor.process.at_step[actor.process.steps + ahead] = lambda: world.crash(actor, back_after_s=back_s)

    return lambda world: world.on_someone(lambda actor: at_step(world, actor))


def _freeze(rng: Random) -> Fault:
    for_s = rng.choice((0.5, 2.0, 4.0, 7.0)) * (0.5 + rng.random())
    replaced = rng.random() < 0.3
    return lambda world: world.on_someone(lambda actor: world.freeze(actor, for_s=for_s, replaced=replaced))


def _freeze_at_step(rng: Random) -> Fault:
    for_s, ahead = rng.choice((2.0, 4.0, 7.0)) * (0.5 + rng.random()), rng.randrange(1, 150)

    def at_step(world: Befallen, actor: Incarnation) -> None:
        actor.process.at_step[actor.process.steps + ahead] = lambda: world.freeze(actor, for_s=for_s, replaced=False)

    return lambda world: world.on_someone(lambda actor: at_step(world, actor))


def _freeze_in_commit(_: Random) -> Fault:
    """With a commit on its way, until another has claimed a session."""

    def at_commit(world: Befallen, actor: Incarnation) -> None:
        actor.link.at_commit = lambda: world.freeze_until_claimed(actor)

    return lambda world: world.on_someone(lambda actor: at_commit(world, actor))


def _cut_off_callers(rng: Random) -> Fault:
    for_s, replaced, ingresses = rng.random() * 8, rng.random() < 0.3, rng.choice((1, 1, 2))

    def cut(world: Befallen, actor: Incarnation) -> None:
        world.cut_off_callers(actor, ingresses=ingresses, for_s=for_s, replaced=replaced)

    return lambda world: world.on_someone(lambda actor: cut(world, actor))


def _cut_off_redis(rng: Random) -> Fault:
    for_s = rng.random() * 8
    return lambda world: world.on_someone(lambda actor: world.cut_off_redis(actor, for_s=for_s))


def _half_cut_off(rng: Random) -> Fault:
    """From Redis and from some of its callers: the others go on asking an owner whose lease runs out."""
    for_s, later_s, mended = 3.0 + rng.random() * 4, rng.random(), rng.random() < 0.5

    def cut(world: Befallen, actor: Incarnation) -> None:
        world.cut_off_callers(actor, ingresses=1, for_s=for_s + later_s, replaced=False)
        world.cut_off_redis(actor, for_s=for_s)
        if mended:
            world.mend_at_ended(actor)

    return lambda world: world.on_someone(lambda actor: cut(world, actor))


def _redis_away(rng: Random) -> Fault:
    for_s, how = 0.2 + rng.random() * rng.choice((2, 9)), rng.choice(("silent", "refused"))
    return lambda world: world.redis_away(how, for_s=for_s)


def _fail_over(rng: Random) -> Fault:
    down_s = rng.choice((0.0, 0.5, 2.0)) * rng.random()
    return lambda world: world.fail_over(down_s=down_s)


def _power_cut(rng: Random) -> Fault:
    down_s, machine = 0.2 + rng.random() * 3, rng.random() < 0.3
    return lambda world: world.power_cut(down_s=down_s, machine=machine)


def _restart_redis(rng: Random) -> Fault:
    down_s = 0.1 + rng.random()
    return lambda world: world.restart_redis(down_s=down_s)


def _take_over(rng: Random) -> Fault:
    """As an ingress does it that cannot reach the owner, here for no reason."""
    return lambda world: world.on_someone(world.take_over)


def _close(rng: Random) -> Fault:
    """In order, as a rolling restart does it."""
    return lambda world: world.on_someone(world.close)


_MENUS: Mapping[str, tuple[Kind, ...]] = {
    "network": (_take_over,),
    "crashes": (_crash, _crash_at_step, _crash_at_step, _close, _take_over),
    "freezes": (_freeze, _freeze_at_step, _freeze_in_commit, _freeze_in_commit, _take_over, _crash),
    "cuts": (_half_cut_off, _cut_off_callers, _cut_off_redis, _take_over, _freeze),
    "outage": (
        _redis_away,
        _redis_away,
        _redis_away,
        _half_cut_off,
        _crash,
        _crash_at_step,
        _freeze,
        _cut_off_redis,
        _restart_redis,
    ),
    "failover": (_fail_over, _fail_over, _cut_off_callers, _crash, _freeze, _cut_off_redis),
    "power": (_power_cut, _power_cut, _crash, _redis_away),
    "standby": (_half_cut_off, _half_cut_off, _cut_off_redis, _freeze),
    "resent": (_take_over, _take_over, _redis_away, _crash),
    "erasure": (_crash_at_step, _freeze, _take_over, _cut_off_callers, _cut_off_redis),
}


def _storm(*, durable: bool, journal: bool) -> tuple[Kind, ...]:
    """All of it at once, as far as the settings of the world promise to bear it."""
    menu: list[Kind] = [_crash, _crash_at_step, _freeze, _freeze_at_step, _freeze_in_commit, _cut_off_callers]
    menu += [_cut_off_redis, _half_cut_off, _take_over, _close, _redis_away, _restart_redis]
    if durable and not journal:
        menu += [_fail_over, _fail_over]
    return tuple(menu)
