"""The simulated Redis answers as a real Valkey does, script by script, and loses what such a server may lose."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from random import Random
from typing import Any

from redis.asyncio import Redis

from state.backend import Argument, RedisBackend
from state.errors import Broken
from tests.faults.lua import Scripts
from tests.faults.redis_model import CommandRefused, Database
from tests.faults.sim_redis import Answer, SimRedis, Unconfirmed

Call = tuple[str, list[str], list[Argument]]
SCRIPTS = sorted(file.name for file in (files("state") / "scripts").iterdir() if file.name.endswith(".lua"))
_OWNERS = ("a/1", "b/1")
_TTL_MS = 600_000


def _record(rng: Random) -> list[str]:
    number = rng.randrange(2)
    return [f"{{s{number}}}:{part}" for part in ("record", "outcomes", "log", "calls", "paid")]


def _commit(rng: Random) -> Call:
    version = rng.randrange(4)
    entry, useless = rng.choice((b"", b"entry\xff")), rng.choice(("", "q1@"))
    key = rng.choice(("", "k1", "k2"))
    args: list[Argument] = [rng.choice((7, 8)), rng.choice(_OWNERS), version, version + 1, _TTL_MS, 1, "acme"]
    args += [b"documents", b"state\x00%d" % version, entry, useless, key, b"outcome"]
    record = _record(rng)
    keys = [*record, record[0].replace("record", "receipt")]
    return "commit.lua", keys, [*args, *rng.choice(((), ("k1",), ("k1", "k2")))]


def _claim(rng: Random) -> Call:
    args = [rng.choice(("acme", "globex")), rng.choice(_OWNERS), rng.choice(("", "a/1")), rng.choice((0, 1))]
    return "claim.lua", _record(rng)[:2], [*args, rng.choice(("", "7", "8"))]


def _erase(rng: Random) -> Call:
    record = _record(rng)
    receipt = record[0].replace("record", "receipt")
    return "erase.lua", [receipt, *record], [7, rng.choice(_OWNERS), rng.choice((b"", b"receipt")), _TTL_MS]


def _lease(rng: Random) -> list[str]:
    owner = rng.choice(_OWNERS)
    return [f"{{{owner}}}:lease", f"{{{owner}}}:wanted"]


_BUCKETS = [f"{{metrics}}:{number}" for number in range(3)]
_UNROLLED = "{metrics}:unrolled"
_FLUSHES = "{metrics}:flushes"
_IN_2100_MS = 4_102_444_800_000


_CALLS: dict[str, Callable[[Random], tuple[list[str], list[Argument]]]] = {
    "add_spent.lua": lambda rng: (
        ["{day}"],
        [_TTL_MS, rng.choice((1, 1000)), rng.choice(("a|", "b|")), "rest|", "calls", 1, "tokens", rng.randrange(9)],
    ),
    "buckets.lua": lambda rng: (_BUCKETS, [rng.choice(("", 1, 2)) for _ in _BUCKETS]),
    "calls.lua": lambda rng: (_record(rng)[::3], [rng.choice(("acme", "globex")), rng.choice((1, 1000))]),
    "claim.lua": lambda rng: _claim(rng)[1:],
    "commit.lua": lambda rng: _commit(rng)[1:],
    "drop_flushes.lua": lambda rng: ([_FLUSHES], [f"1-{rng.randrange(6)}" for _ in range(rng.randrange(1, 4))]),
    "due.lua": lambda rng: (["{sweep}"], [rng.randrange(100), rng.randrange(200), rng.choice((1, 50))]),
    "enlist.lua": lambda rng: (
        ["{sweep}"],
        [rng.randrange(100), f"acme\0s{rng.randrange(3)}", rng.choice(("", "sooner"))],
    ),
    "entries.lua": lambda rng: ([_record(rng)[2]], [rng.randrange(3), rng.choice((2, 2**53)), rng.choice((1, 1000))]),
    "erase.lua": lambda rng: _erase(rng)[1:],
    "expires.lua": lambda rng: ([_record(rng)[0]], []),
    "find_paid.lua": lambda rng: (
        _record(rng)[::4],
        [rng.choice(("acme", "globex")), rng.choice(("q1@1/a", "q2@1/a"))],
    ),
    "flushes.lua": lambda rng: ([_FLUSHES], [rng.choice((2, 500))]),
    "index_plan.lua": lambda rng: (["{plans}"], [f"p{rng.randrange(4)}", rng.randrange(100), _TTL_MS]),
    "keep_call.lua": lambda rng: (_record(rng)[::3], [rng.choice(("acme", "globex")), rng.choice((1, 3)), b"call\x00"]),
    "keep_paid.lua": lambda rng: (_record(rng)[::4], ["acme", rng.choice(("q1@1/a", "q2@1/a")), b"paid\xfe"]),
    "plans.lua": lambda rng: (["{plans}"], [rng.randrange(60), rng.choice((1, 50))]),
    "put_flushes.lua": lambda rng: (
        [_FLUSHES],
        [rng.choice((3, 6000)), _TTL_MS, *[b"flush\xff%d" % rng.randrange(9) for _ in range(rng.randrange(1, 4))]],
    ),
    "read.lua": lambda rng: ([_record(rng)[0]], []),
    "receipt.lua": lambda rng: ([_record(rng)[0].replace("record", "receipt")], []),
    "release.lua": lambda rng: ([_record(rng)[0]], [rng.choice(_OWNERS), rng.choice((7, 8))]),
    "renew_lease.lua": lambda rng: (_lease(rng), [_TTL_MS, rng.choice((0, 1))]),
    "keep_bucket.lua": lambda rng: (
        [rng.choice(_BUCKETS), _UNROLLED],
        [rng.randrange(4), rng.choice((b"\xffs1\x00", b"s2")), _IN_2100_MS, rng.choice(("", "7", "8"))],
    ),
    "naming.lua": lambda rng: (_BUCKETS, [rng.choice(("s1", "s2", "."))]),
    "reserve.lua": lambda rng: (["{reserved}"], [rng.randrange(50), 100, _TTL_MS]),
    "roll_up.lua": lambda rng: (
        [rng.choice(_BUCKETS), _UNROLLED],
        [rng.choice((7, 8)), rng.randrange(1, 5), rng.choice((b"", b"an hour")), _IN_2100_MS],
    ),
    "settle.lua": lambda rng: (["{reserved}"], [rng.randrange(-60, 20), _TTL_MS]),
    "strike.lua": lambda rng: (["{sweep}"], [f"acme\0s{rng.randrange(3)}"]),
    "unrolled.lua": lambda _: ([_UNROLLED], []),
    "want.lua": lambda rng: (_lease(rng), [rng.choice(("", "s1", "s2")), _TTL_MS]),
}


def test_every_script_is_held_against_a_real_server() -> None:
    assert sorted(_CALLS) == SCRIPTS


async def test_the_simulated_scripts_answer_as_the_real_ones_do(redis: Redis) -> None:
    real, rng = RedisBackend(redis), Random(4711)
    answered: set[str] = set()
    for _ in range(12):
        await redis.flushall()
        database, scripts = Database(), Scripts()
        for _ in range(120):
            script = rng.choice((*SCRIPTS, "commit.lua", "commit.lua", "claim.lua"))
            keys, args = _CALLS[script](rng)
            try:
                expected = await real.write(script, keys, args)
            except Broken:
                expected = Broken
            try:
                got = scripts.run(database, script, keys, args)
            except CommandRefused:
                got = Broken
            assert _comparable(script, got) == _comparable(script, expected), (script, keys, args)
            answered.add(script)
    assert answered == set(SCRIPTS)


def _comparable(script: str, reply: Any) -> Any:
    """Less the order of sets, and the milliseconds that passed on a real clock."""
    if script == "renew_lease.lua":
        return [reply[0], sorted(reply[1])]
    if script == "expires.lua":
        return reply if reply < 0 else _TTL_MS - 60_000 < reply <= _TTL_MS
    return reply


async def test_what_has_expired_is_gone_here_and_there(redis: Redis) -> None:
    real, database, scripts = RedisBackend(redis), Database(), Scripts()
    keys = ["{a}:lease", "{a}:wanted"]
    await real.write("renew_lease.lua", keys, [1, 1])
    scripts.run(database, "renew_lease.lua", keys, [1, 1])
    assert scripts.run(database, "want.lua", keys, ["", 0]) == 1
    database.now_ms += 1
    assert scripts.run(database, "want.lua", keys, ["", 0]) == 0
    while await real.write("want.lua", keys, ["", 0]) == 1:
        pass
    assert await real.write("renew_lease.lua", keys, [1000, 0]) == [0, []]
    assert scripts.run(database, "renew_lease.lua", keys, [1000, 0]) == [0, []]


class Bench:
    """A simulated Redis whose clock the test moves."""

    def __init__(self, *, lag_s: float) -> None:
        self.now = 1.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.replies: list[Any] = []
        rng = Random(1)
        rng.random = lambda: 0.5  # type: ignore[method-assign]
        self.redis = SimRedis(
            scripts=Scripts(),
            clock=lambda: self.now,
            later=lambda delay_s, action: self.waiting.append((self.now + delay_s, action)),
            tick=lambda: 0,
            rng=rng,
            durable=True,
            lag_s=lag_s,
        )

    def renew(self, owner: str) -> None:
        keep: Answer = self.replies.append
        keys = [f"{{{owner}}}:lease", f"{{{owner}}}:wanted"]
        self.redis.run(self.redis.node, "renew_lease.lua", keys, [60_000, 1], durable=True, answer=keep)

    def leases(self) -> int:
        return len(self.redis.node.database.keys())

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [action for at, action in self.waiting if at <= self.now]
        self.waiting = [one for one in self.waiting if one[0] > self.now]
        for action in due:
            action()


def test_a_durable_write_is_answered_once_the_follower_has_it() -> None:
    bench = Bench(lag_s=0.1)
    bench.renew("a")
    assert bench.replies == []
    bench.advance(0.11)
    assert bench.replies == [[1, []]]


def test_a_follower_that_lags_too_far_leaves_a_write_unconfirmed() -> None:
    bench = Bench(lag_s=5.0)
    bench.renew("a")
    bench.advance(0.5)
    assert bench.replies == [Unconfirmed([1, []])]


def test_a_failover_loses_what_the_follower_had_not_got_and_nothing_else() -> None:
    bench = Bench(lag_s=0.1)
    bench.renew("a")
    bench.advance(0.2)
    bench.renew("b")
    former = bench.redis.fail_over()
    assert (bench.leases(), len(former.database.keys())) == (1, 2)
    bench.advance(0.5)
    assert bench.replies == [[1, []], Unconfirmed([1, []])]


def test_a_restart_loses_nothing_and_a_power_cut_what_was_not_on_the_disk() -> None:
    bench = Bench(lag_s=0.1)
    bench.renew("a")
    bench.redis.restart(power_cut=False)
    assert bench.leases() == 1
    bench.renew("b")
    bench.redis.restart(power_cut=True)
    assert bench.leases() == 1
