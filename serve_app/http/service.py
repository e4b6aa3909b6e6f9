"""What the routes speak to: ports, no Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from actors.monitoring.flushing import OFF, Recording
from actors.monitoring.keeping import KeptBook
from serve_app.settings import Settings
from state.alerts.rules import Rules
from state.calls import Calls
from state.messages import Evaluator, Generator, Retriever
from state.metrics.reading import Windows
from state.model import Question, Session
from state.plans import PlanBook
from state.receipts import Receipt
from state.session_actor import OpenSession, Reply
from state.telling import Seen


class Checked(Protocol):
    """A part that `/health/ready` asks."""

    async def ready(self) -> None:
        """Raises an `AskwellError` where the part cannot do its work."""
        ...


class Sessions(Checked, Protocol):
    """The session-state actors as one; see `state.session_actor.SessionState` for what each call promises."""

    async def create(self, request: OpenSession) -> Session: ...

    async def read(self, tenant: str, session_id: str) -> Session: ...

    async def reply(self, request: Reply) -> Question: ...

    async def watch(self, tenant: str, session_id: str, *, after: int, heard: int, wait_s: float) -> Seen: ...

    async def erase(self, tenant: str, session_id: str) -> Receipt: ...

    async def here(self) -> object:
        """Whatever it returns, it does at once: what it takes is what the actors are busy for."""
        ...


class Probed(Protocol):
    """A pool whose delay admission goes by."""

    async def here(self) -> None:
        """Returns at once: what it takes is what the pool is busy for."""
        ...


class GeneratorPool(Generator, Checked, Probed, Protocol): ...


class EvaluatorPool(Evaluator, Checked, Probed, Protocol): ...


class RetrieverPool(Retriever, Checked, Protocol): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`windows` are what has been measured, `rules` and `book` the alerts; `now_ms` tells Unix milliseconds; `new_id`
    gives an unguessable id; `recording` takes what the HTTP layer measures."""

    settings: Settings
    sessions: Sessions
    generator: GeneratorPool
    evaluator: EvaluatorPool
    retriever: RetrieverPool
    calls: Calls
    plans: PlanBook
    windows: Windows
    rules: Rules
    book: KeptBook
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    recording: Recording = OFF

    async def here(self) -> None:
        """Takes as long as the busiest part of the service lets it wait; no provider has a part in it."""
        await asyncio.gather(self.sessions.here(), self.generator.here(), self.evaluator.here())
