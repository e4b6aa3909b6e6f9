"""What arrives together is asked for in one call, and no caller pays for another's trouble."""

from __future__ import annotations

import asyncio

import pytest

from actors.batching import LANES, Batching
from state.errors import InvalidField, WorkUnavailable


class Doubling:
    """Doubles numbers when it is let; -1 is a bad one, and -2 one for which nobody is there."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.let = asyncio.Event()

    async def __call__(self, kind: str, items: list[int]) -> list[int]:
        self.calls.append((kind, items))
        await self.let.wait()
        if -1 in items:
            raise InvalidField(field="item", fix="not -1")
        if -2 in items:
            raise WorkUnavailable("nobody is there")
        return [2 * item for item in items]


@pytest.fixture
def doubling() -> Doubling:
    return Doubling()


@pytest.fixture
def batching(doubling: Doubling) -> Batching[str, int, int]:
    return Batching(doubling, most=4)


async def occupied(batching: Batching[str, int, int], kind: str = "a") -> list[asyncio.Task[list[int]]]:
    """All lanes are taken, by a call each."""
    calls = []
    for number in range(LANES):
        calls.append(asyncio.create_task(batching.results(kind, [100 + number])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return calls


async def test_a_request_alone_goes_out_at_once(batching: Batching[str, int, int], doubling: Doubling) -> None:
    doubling.let.set()
    assert await batching.results("a", [1, 2]) == [2, 4]
    assert doubling.calls == [("a", [1, 2])]


async def test_what_comes_while_calls_are_under_way_goes_out_together(
    batching: Batching[str, int, int], doubling: Doubling
) -> None:
    first = await occupied(batching)
    later = [asyncio.create_task(batching.results("a", [number])) for number in range(6)]
    await asyncio.sleep(0)
    doubling.let.set()
    assert await asyncio.gather(*later) == [[2 * number] for number in range(6)]
    await asyncio.gather(*first)
    sizes = [len(items) for _, items in doubling.calls[LANES:]]
    assert sum(sizes) == 6
    assert max(sizes) == 4  # as many as may be


async def test_kinds_are_never_mixed(batching: Batching[str, int, int], doubling: Doubling) -> None:
    first = await occupied(batching)
    other = asyncio.create_task(batching.results("b", [1]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert doubling.calls[-1] == ("b", [1])
    doubling.let.set()
    assert await other == [2]
    await asyncio.gather(*first)


async def test_a_bad_item_fails_its_own_caller_alone(batching: Batching[str, int, int], doubling: Doubling) -> None:
    first = await occupied(batching)
    good, bad = (asyncio.create_task(batching.results("a", [number])) for number in (7, -1))
    await asyncio.sleep(0)
    doubling.let.set()
    assert await good == [14]
    with pytest.raises(InvalidField):
        await bad
    await asyncio.gather(*first)


async def test_an_outage_is_everybody_s_and_is_not_asked_again_for_each(
    batching: Batching[str, int, int], doubling: Doubling
) -> None:
    first = await occupied(batching)
    calls = [asyncio.create_task(batching.results("a", [number])) for number in (7, -2)]
    await asyncio.sleep(0)
    doubling.let.set()
    assert [type(one) for one in await asyncio.gather(*calls, return_exceptions=True)] == [WorkUnavailable] * 2
    assert len(doubling.calls) == LANES + 1
    await asyncio.gather(*first)


async def test_a_caller_that_goes_away_leaves_the_others_theirs(
    batching: Batching[str, int, int], doubling: Doubling
) -> None:
    first = await occupied(batching)
    gone, stays = (asyncio.create_task(batching.results("a", [number])) for number in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    doubling.let.set()
    assert await stays == [4]
    assert doubling.calls[-1] == ("a", [2])
    await asyncio.gather(*first)
