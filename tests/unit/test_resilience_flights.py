"""What every implementation of flights promises; on an ordinary loop, because one of them is a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from actors.resilience.flights_redis import RedisFlights
from actors.resilience.single_flight import Flights
from state.backend import connect
from state.errors import StoreUnavailable
from tests.fake_provider import FakeFlights


@pytest.fixture(params=["fake", "redis"])
def flights(request: pytest.FixtureRequest, redis: Redis) -> Flights:
    made: dict[str, Callable[[], Flights]] = {"fake": FakeFlights, "redis": lambda: RedisFlights(redis)}
    return made[request.param]()


async def claimed_again(flights: Flights) -> None:
    async with asyncio.timeout(10):
        claimed = False
        while not claimed:
            claimed = await flights.claim("d", "late", 5, anew=False)


async def test_a_flight_has_one_owner(flights: Flights) -> None:
    owners = [await flights.claim("d", owner, 5, anew=False) for owner in ("a", "b", "a")]
    assert owners == [True, False, False]
    assert await flights.claim("other", "b", 5, anew=False)
    assert await flights.result("d") is None


async def test_a_published_reply_is_there_for_all_and_ends_the_claim(flights: Flights) -> None:
    await flights.claim("d", "a", 5, anew=False)
    await flights.publish("d", "a", b"\x00reply", 5)
    assert await flights.result("d") == b"\x00reply"
    assert not await flights.claim("d", "b", 5, anew=False)
    assert not await flights.renew("d", "a", 5)


async def test_only_the_owner_renews_publishes_and_releases(flights: Flights) -> None:
    await flights.claim("d", "a", 5, anew=False)
    await flights.publish("d", "b", b"reply", 5)
    await flights.release("d", "b")
    assert not await flights.renew("d", "b", 5)
    assert await flights.result("d") is None
    assert not await flights.claim("d", "b", 5, anew=False)
    assert await flights.renew("d", "a", 5)


async def test_a_released_flight_is_open_at_once(flights: Flights) -> None:
    await flights.claim("d", "a", 5, anew=False)
    await flights.release("d", "a")
    assert await flights.claim("d", "b", 5, anew=False)


async def test_a_published_reply_is_not_released(flights: Flights) -> None:
    await flights.claim("d", "a", 5, anew=False)
    await flights.publish("d", "a", b"reply", 5)
    await flights.release("d", "a")
    assert await flights.result("d") == b"reply"


async def test_a_claim_made_anew_takes_the_place_of_a_reply_but_never_of_a_claim(flights: Flights) -> None:
    assert await flights.claim("d", "a", 5, anew=True)
    assert not await flights.claim("d", "b", 5, anew=True)
    await flights.publish("d", "a", b"reply", 5)
    assert not await flights.claim("d", "b", 5, anew=False)
    assert await flights.claim("d", "b", 5, anew=True)
    assert await flights.result("d") is None


async def test_a_claim_and_a_reply_end_by_themselves(flights: Flights) -> None:
    await flights.claim("d", "a", 0.02, anew=False)
    await claimed_again(flights)
    await flights.publish("d", "late", b"reply", 0.02)
    await claimed_again(flights)
    assert await flights.result("d") is None


async def test_in_redis_nothing_is_kept_longer_than_it_is_of_use(redis: Redis) -> None:
    flights = RedisFlights(redis)
    await flights.claim("d", "a", 5, anew=False)
    assert 0 < await redis.pttl("askwell:flight:d") <= 5000
    await flights.renew("d", "a", 9)
    assert 5000 < await redis.pttl("askwell:flight:d") <= 9000
    await flights.publish("d", "a", b"reply", 5)
    assert 0 < await redis.pttl("askwell:flight:d") <= 5000
    assert await redis.keys() == [b"askwell:flight:d"]


async def test_a_redis_that_is_away_is_a_store_that_is_unavailable(unused_tcp_port: int) -> None:
    client = connect(f"redis://127.0.0.1:{unused_tcp_port}/0", timeout_s=0.5)
    with pytest.raises(StoreUnavailable):
        await RedisFlights(client).claim("d", "a", 5, anew=False)
    await client.aclose()
