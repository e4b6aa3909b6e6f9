"""The first call with a prefix goes ahead of the others, so that they find it cached."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from actors.providers.port import Call, Fault, ProviderError, Reply
from actors.resilience.priming import FLAG, MAX_PREFIXES, Primed
from state.messages import Origin
from tests.fake_provider import Fails, FakeProvider, Move, Says, a_call
from tests.virtual_time import on_virtual_time

LONG = "stable " * 200
SLOW = Says(after_s=4.0, first_s=1.0)


def a_long_call(task: str = "task", **changes: Any) -> Call:
    return replace(a_call(), system=LONG, task=task, **changes)


def primed(inner: FakeProvider, **changes: float) -> Primed:
    return Primed(inner, **{"minimum_characters": 1000, "idle_s": 300.0, "wait_s": 1.5, **changes})  # type: ignore[arg-type]


async def together(provider: Primed, *calls: Call) -> list[Reply]:
    return list(await asyncio.gather(*map(provider.call, calls)))


def batch(count: int, **changes: object) -> list[Call]:
    return [a_long_call(f"task {number}", **changes) for number in range(count)]


class Timed(FakeProvider):
    """Notes when each call came."""

    def __init__(self, *moves: Move) -> None:
        super().__init__(*moves)
        self.came: list[float] = []

    async def call(self, call: Call) -> Reply:
        self.came.append(asyncio.get_running_loop().time() - 1000.0)
        return await super().call(call)


@on_virtual_time
async def test_ten_calls_with_one_prefix_wait_until_the_reply_to_the_first_begins() -> None:
    inner = Timed(SLOW)
    await together(primed(inner), *batch(10))
    assert inner.came == [0.0] + [1.0] * 9


@on_virtual_time
async def test_calls_with_different_prefixes_do_not_wait_for_each_other() -> None:
    inner = Timed(SLOW)
    await together(primed(inner), a_long_call(context="one"), a_long_call(context="two"))
    assert inner.came == [0.0, 0.0]


@on_virtual_time
async def test_once_a_prefix_is_cached_nobody_waits_and_nothing_is_streamed() -> None:
    inner = Timed(SLOW)
    provider = primed(inner)
    await provider.call(a_long_call())
    await together(provider, *batch(3))
    assert inner.came == [0.0, 4.0, 4.0, 4.0]
    assert [call.heard is None for call in inner.calls] == [False, True, True, True]


@on_virtual_time
async def test_a_prefix_that_nobody_has_read_for_long_is_written_anew() -> None:
    inner = Timed(SLOW)
    provider = primed(inner)
    await provider.call(a_long_call())
    await asyncio.sleep(300.0)
    await together(provider, *batch(2))
    assert inner.came == [0.0, 304.0, 305.0]


@on_virtual_time
async def test_a_leader_that_does_not_begin_holds_the_others_back_for_a_bounded_time() -> None:
    inner = Timed(Says(after_s=9.0, first_s=8.0))
    await together(primed(inner), *batch(2))
    assert inner.came == [0.0, 1.5]


@on_virtual_time
async def test_a_leader_that_fails_lets_the_others_go() -> None:
    inner = Timed(Fails(fault=Fault.FAILING, after_s=0.5), Says())
    provider = primed(inner)
    replies = await asyncio.gather(*map(provider.call, batch(2)), return_exceptions=True)
    assert inner.came == [0.0, 0.5]
    assert [type(reply) for reply in replies] == [ProviderError, Reply]


@on_virtual_time
async def test_a_leader_that_is_cancelled_lets_the_others_go() -> None:
    inner = Timed(SLOW)
    provider = primed(inner)
    leader, follower = (asyncio.create_task(provider.call(call)) for call in batch(2))
    await asyncio.sleep(0.25)
    leader.cancel()
    await follower
    assert inner.came == [0.0, 0.25]


@pytest.mark.parametrize(
    "call", [replace(a_long_call(), system="short"), a_long_call(origin=Origin(flags={FLAG: False}))]
)
def test_a_prefix_too_short_to_be_cached_and_a_session_without_the_flag_hold_nobody_back(call: Call) -> None:
    @on_virtual_time
    async def twice() -> None:
        inner = Timed(SLOW)
        await together(primed(inner), call, replace(call, task="another"))
        assert inner.came == [0.0, 0.0]

    twice()


@on_virtual_time
async def test_a_listener_of_the_leader_hears_its_reply() -> None:
    heard: list[str | None] = []
    await primed(Timed(Says(text="{}", after_s=1.0, first_s=0.5))).call(a_long_call(heard=heard.append))
    assert "".join(filter(None, heard)) == "{}"


@on_virtual_time
async def test_prefixes_that_are_remembered_are_bounded() -> None:
    provider = primed(Timed(Says()))
    for number in range(MAX_PREFIXES + 5):
        await provider.call(a_long_call(context=f"session {number}"))
    assert provider.remembered == MAX_PREFIXES
