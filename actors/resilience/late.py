"""Ends work at a time of the event loop's clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.providers.port import Call, Fault, ProviderError
from actors.resilience.target import Target

_EARLY_S = 0.001
"""A loop runs a timer up to its clock's resolution early."""


@asynccontextmanager
async def late_at(
    deadline: float, target: Target, call: Call, *, kind: type[ProviderError] = ProviderError
) -> AsyncIterator[None]:
    """Gives the body up at `deadline`; one that has passed already does not begin. Raises LATE, naming `target`."""
    if deadline <= asyncio.get_running_loop().time():
        raise target.error(call, Fault.LATE, kind=kind)
    try:
        async with asyncio.timeout_at(None if deadline == math.inf else deadline) as scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise target.error(call, Fault.LATE, kind=kind) from None


def has_passed(deadline: float) -> bool:
    """Whether work that was cancelled just now was cancelled because of `deadline`."""
    return asyncio.get_running_loop().time() >= deadline - _EARLY_S
