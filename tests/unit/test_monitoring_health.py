"""How the components are, as far as anybody can see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from actors.monitoring.health import TIMEOUT_S, HealthChecks, seen_in
from state.errors import Degraded, StoreUnavailable, WorkUnavailable
from state.metrics.buffer import Buffer
from state.metrics.cells import Health, Performance
from state.metrics.labels import GIVEN_UP, TIMEOUT, Component, Status
from tests.observations import LABELS, cells_of, performed
from tests.virtual_time import on_virtual_time

AT_MS = 1_795_003_200_000


async def well() -> None: ...


async def hangs() -> None:
    await asyncio.Event().wait()


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        raise error

    return check


def completions(*errors: str) -> Performance:
    cells = cells_of([performed(100.0, error) for error in errors])
    return cells.performance.get(LABELS, Performance())


NO_CALLS = Performance()


async def looked_at(
    checks: Mapping[Component, Callable[[], Awaitable[None]]], made: Performance = NO_CALLS
) -> Mapping[Component, Health]:
    buffer = Buffer("monitor")
    health = HealthChecks(
        checks, completions=lambda: made, recorder=buffer, now_ms=lambda: AT_MS, clock_ns=iter(range(1000)).__next__
    )
    await health.check()
    flush = buffer.take(AT_MS)
    return flush.cells.health if flush else {}


def statuses(seen: Mapping[Component, Health]) -> dict[Component, Status]:
    return {component: next(iter(health.checks)) for component, health in seen.items()}


@on_virtual_time
async def test_a_component_is_as_its_check_ends() -> None:
    seen = await looked_at(
        {
            Component.REDIS: failing(StoreUnavailable()),
            Component.SESSIONS: failing(Degraded()),
            Component.GENERATOR: well,
            Component.EVALUATOR: hangs,
        }
    )
    assert statuses(seen) == {
        Component.REDIS: Status.DOWN,
        Component.SESSIONS: Status.DEGRADED,
        Component.GENERATOR: Status.OK,
        Component.EVALUATOR: Status.DOWN,
    }
    assert seen[Component.REDIS].errors == {"StoreUnavailable": 1}
    assert seen[Component.EVALUATOR].errors == {TIMEOUT: 1}
    assert seen[Component.GENERATOR].errors == {}


@on_virtual_time
async def test_a_round_takes_no_longer_than_the_slowest_look_may() -> None:
    began = asyncio.get_running_loop().time()
    await looked_at({Component.GENERATOR: hangs, Component.EVALUATOR: hangs})
    assert asyncio.get_running_loop().time() - began == TIMEOUT_S


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (well, {Component.RETRIEVER: Status.OK, Component.QDRANT: Status.OK}),
        (failing(WorkUnavailable("Qdrant is away.")), {Component.RETRIEVER: Status.OK, Component.QDRANT: Status.DOWN}),
        (failing(WorkUnavailable("no replica", pool="Retriever")), {Component.RETRIEVER: Status.DOWN}),
    ],
)
@on_virtual_time
async def test_the_vector_store_is_seen_through_the_retriever_if_that_is_there(
    check: Callable[[], Awaitable[None]], expected: dict[Component, Status]
) -> None:
    assert statuses(await looked_at({Component.RETRIEVER: check})) == expected


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([""] * 4, None),
        ([""] * 20, Status.OK),
        ([""] * 19 + ["late"], Status.OK),
        ([""] * 8 + ["late"] * 2, Status.DEGRADED),
        (["failing"] * 5 + [""] * 5, Status.DOWN),
        ([GIVEN_UP] * 90 + [""] * 4, None),
    ],
)
def test_the_models_are_as_the_calls_to_them_end(errors: list[str], status: Status | None) -> None:
    seen = seen_in(completions(*errors))
    assert (seen.status if seen else None) == status


@on_virtual_time
async def test_the_models_are_recorded_with_what_the_calls_took_and_failed_with() -> None:
    seen = (await looked_at({}, completions(*["late"] * 4, "failing", "")))[Component.LLM]
    assert seen.latencies.sum_ns == 100_000_000
    assert seen.errors == {"late": 1}
