"""How a Redis is named and how much is asked of it, before anybody is asked."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from serve_app import wiring
from serve_app.settings import Settings, load, variable
from state.address import Topology, parse
from state.durability import FAST, LONGEST_TIMEOUT_MS, Durability, Mode
from state.errors import InvalidField, Unconfirmed

PASSWORD = "hunter2-hunter2"
URL = f"redis+sentinel://:{PASSWORD}@a:1,b:2/interviews"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://u:p@h:1/2", "rediss://h:1/0?ssl_cert_reqs=none", "unix:///a.sock"]
)
def test_one_server_is_named_as_ever(url: str) -> None:
    address = parse(url)
    assert (address.topology, address.url, address.hosts) == (Topology.SERVER, url, ())


def test_sentinels_are_named_with_their_service() -> None:
    address = parse("redis+sentinel://ada:p%40ss%2F@a:1,b,[::1]:3/interviews/2?sentinel_password=other")
    assert (address.topology, address.service, address.db) == (Topology.SENTINEL, "interviews", 2)
    assert address.hosts == (("a", 1), ("b", 26379), ("::1", 3))
    assert (address.username, address.password, address.sentinel_password) == ("ada", "p@ss/", "other")
    assert parse("redis+sentinel://a/s").db == 0


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    address = parse("redis+cluster://:secret@a:1,b")
    assert (address.topology, address.hosts) == (Topology.CLUSTER, (("a", 1), ("b", 6379)))
    assert (address.username, address.password) == (None, "secret")


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (f"valkey://:{PASSWORD}@h", "redis://HOST:PORT/0"),
        (f"redis://:{PASSWORD}/x@h:1/0", "redis://HOST:PORT/0"),
        (f"redis://:{PASSWORD}#x@h:1/0", "redis://HOST:PORT/0"),
        (f"redis+sentinel://:{PASSWORD}@h:1", "/SERVICE/0"),
        (f"redis+sentinel://:{PASSWORD}@h:1/s/x", "/SERVICE/0"),
        (f"redis+sentinel://:{PASSWORD}@h:1/s?password=x", "/SERVICE/0"),
        (f"redis+sentinel://:{PASSWORD}@h:{PASSWORD}/s", "/SERVICE/0"),
        (f"redis+cluster://:{PASSWORD}@h:1/3", "redis+cluster://HOST:PORT,HOST:PORT"),
        (f"redis+cluster://:{PASSWORD}@h:1,,g", "redis+cluster://HOST:PORT,HOST:PORT"),
        ("redis+cluster://", "redis+cluster://HOST:PORT,HOST:PORT"),
    ],
)
def test_a_bad_address_is_refused_with_its_form_and_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, form: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(InvalidField) as refused:
        load()
    assert refused.value.field == "REDIS_URL"
    assert form in refused.value.fix
    assert PASSWORD not in f"{refused.value!r} {refused.value.data}"
    assert refused.value.__cause__ is None


def test_an_address_does_not_show_its_password() -> None:
    assert PASSWORD not in repr(parse(URL))
    assert PASSWORD not in repr(wiring.redis(Settings(REDIS_URL=URL)))


@pytest.mark.parametrize(
    "given",
    [
        {"mode": Mode.REPLICATED},
        {"mode": Mode.FAST, "replicas": -1},
        {"mode": Mode.STRICT, "timeout_ms": 0},
        {"mode": Mode.STRICT, "timeout_ms": LONGEST_TIMEOUT_MS + 1},
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"replicas|timeout"):
        Durability(**given)


@pytest.mark.parametrize(
    ("durability", "answer", "confirmed"),
    [
        (Durability(mode=Mode.REPLICATED, replicas=2), 2, True),
        (Durability(mode=Mode.REPLICATED, replicas=2), 1, False),
        (Durability(mode=Mode.STRICT), [1, 0], True),
        (Durability(mode=Mode.STRICT), [0, 3], False),
        (Durability(mode=Mode.STRICT, replicas=1), [1, 1], True),
        (Durability(mode=Mode.STRICT, replicas=1), [1, 0], False),
        (Durability(mode=Mode.STRICT, replicas=1), [0, 1], False),
        (Durability(mode=Mode.STRICT), ResponseError("no append-only file"), False),
        (Durability(mode=Mode.REPLICATED, replicas=1), RedisConnectionError("gone"), False),
    ],
)
def test_a_short_answer_confirms_nothing(durability: Durability, answer: object, confirmed: bool) -> None:
    if confirmed:
        durability.require(answer)
    else:
        with pytest.raises(Unconfirmed):
            durability.require(answer)


def test_fast_asks_nothing_and_the_others_ask_within_their_timeout() -> None:
    assert FAST.questions == ()
    for durability in (
        Durability(mode=Mode.REPLICATED, replicas=2, timeout_ms=501),
        Durability(mode=Mode.STRICT, timeout_ms=501),
        Durability(mode=Mode.STRICT, replicas=2, timeout_ms=501),
    ):
        assert sum(int(question[-1]) for question in durability.questions) in {501, 502}


def test_replicas_that_nobody_has_are_not_asked_for() -> None:
    with pytest.raises(InvalidField, match="ASKWELL_REPLICAS"):
        load(REDIS_URL="redis://h", durability="replicated")
    with pytest.raises(InvalidField, match="REDIS_URL"):
        load(durability="replicated", replicas=1)
    with pytest.raises(InvalidField, match="REDIS_URL"):
        load(durability="strict", replicas=1)
    assert load(durability="strict").replicas == 0
    assert load(REDIS_URL="redis://h", durability="replicated", replicas=1).replicas == 1


@pytest.mark.parametrize("lease_s", [1, 3, 60])
def test_a_write_is_given_up_before_a_lease_s_renewal_is(lease_s: float) -> None:
    durability = wiring.durability(load(durability="strict", lease_s=lease_s))
    assert durability.mode is Mode.STRICT
    assert 100 < durability.timeout_ms < min(lease_s * 250, LONGEST_TIMEOUT_MS)
