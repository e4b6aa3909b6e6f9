"""The loop that all tests of policies rest on."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.virtual_time import Deadlock, on_virtual_time, run


@on_virtual_time
async def test_a_day_of_sleep_takes_no_time() -> None:
    loop = asyncio.get_running_loop()
    began, really = loop.time(), time.monotonic()
    await asyncio.sleep(86_400 * 3)
    assert loop.time() - began == 86_400 * 3
    assert time.monotonic() - really < 60


@on_virtual_time
async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    await asyncio.gather(*map(sleep, (3.0, 0.5, 60.0, 0.25)))
    assert woken == [0.25, 0.5, 3.0, 60.0]


@on_virtual_time
async def test_a_timeout_ends_what_would_never_end() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(7):
            await asyncio.Event().wait()


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="waits_for_ever"):
        run(waits_for_ever())


def test_a_task_left_behind_is_an_error() -> None:
    async def forgets() -> None:
        task = asyncio.ensure_future(asyncio.sleep(1))
        await asyncio.sleep(0)
        assert not task.done()

    with pytest.raises(AssertionError, match="sleep"):
        run(forgets())


def test_an_error_that_nobody_has_seen_is_an_error() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    async def forgets() -> None:
        task = asyncio.ensure_future(fails())
        await asyncio.sleep(1)
        del task

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run(forgets())
