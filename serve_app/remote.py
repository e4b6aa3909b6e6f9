"""The ports as seen from another process: the pools behind deployment handles, the actors by name.

What Ray raises becomes one of Askwell's errors here. A call whose process died is delivered again:
the pools' work is repeatable, and the session actor recognises a request by its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from actors.telling import Retold, Told
from actors.vectors import Collection, Hit, Point, Query
from serve_app.pools import EVALUATOR, GENERATOR, RETRIEVER
from serve_app.routing import PATIENCE_S, PAUSE_S, Lost, RoutedSessions
from state.errors import AskwellError, Broken, Overloaded, WorkUnavailable
from state.messages import (
    EvaluateAnswer,
    FindGaps,
    FindResources,
    FindSimilar,
    FoundGaps,
    Heard,
    JudgedAnswer,
    Origin,
    Owner,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestions,
    WrittenPrompts,
    WrittenQuestions,
)
from state.model import Answer, Experience, Gap, Question, RankedResource

POOL_DELIVERIES = 3
STREAMED = "streamed"
"""The replicas' method that tells what is heard of another one."""


def session_actor_name(shard: int) -> str:
    return f"session-state-{shard}"


VECTOR_STORE_ACTOR = "vector-store"


class RemotePool:
    """One pool's handle, got at the first call, when the deployment is known to exist."""

    def __init__(self, name: str, app: str) -> None:
        self._name = name
        self._app = app
        self._handles: dict[str, DeploymentHandle] = {}

    async def call(self, method: str, *args: Any, heard: Heard | None = None) -> Any:
        """Deliver one call; once more, to another replica, where one died with it in hand.

        `heard`, where given, is told the result as it is written, by way of the replica's `streamed`; what a
        replica told before it died is taken back.
        """
        hearing = Retold(heard) if heard else None
        for delivery in range(1, POOL_DELIVERIES + 1):
            try:
                if hearing is not None:
                    hearing.begin()
                    return await _listened(self._handle(STREAMED).remote(method, *args), hearing)
                return await _unless_cancelled(self._handle(method).remote(*args))
            except RayTaskError as error:
                raise _cause(error) from None
            except BackPressureError:
                raise Overloaded(f"The {self._name} pool has no room.") from None
            except (RayActorError, DeploymentUnavailableError) as error:
                if delivery == POOL_DELIVERIES:
                    raise WorkUnavailable(f"The {self._name} pool lost its replica.") from error
                args = tuple(map(_again, args))
                await asyncio.sleep(PAUSE_S)
            except (RayServeException, RayError) as error:
                raise WorkUnavailable(f"The {self._name} pool cannot be reached.") from error
        raise AssertionError("unreachable")

    def _handle(self, method: str) -> DeploymentHandle:
        """The method's own handle, kept: to derive it takes longer than to call it.

        Messages are plain data of modules that both sides have, which `pickle` packs in a third of the time that
        `cloudpickle` takes.
        """
        if method not in self._handles:
            self._handles[method] = serve.get_deployment_handle(self._name, self._app).options(
                method_name=method,
                stream=method == STREAMED,
                request_serialization="pickle",
                response_serialization="pickle",
            )
        return self._handles[method]


class RemoteGenerator:
    """Implements `state.messages.Generator`."""

    def __init__(self, app: str) -> None:
        self._pool = RemotePool(GENERATOR, app)

    async def find_gaps(self, request: FindGaps) -> FoundGaps:
        found: FoundGaps = await self._pool.call("find_gaps", request)
        return found

    async def write_questions(self, request: WriteQuestions) -> WrittenQuestions:
        written: WrittenQuestions = await self._pool.call("write_questions", request)
        return written

    async def write_prompts(self, request: WritePrompts, heard: Heard | None = None) -> WrittenPrompts:
        written: WrittenPrompts = await self._pool.call("write_prompts", request, heard=heard)
        return written

    async def write_answer(self, request: WriteAnswer, heard: Heard | None = None) -> Answer:
        answer: Answer = await self._pool.call("write_answer", request, heard=heard)
        return answer

    async def refine_answer(self, request: RefineAnswer, heard: Heard | None = None) -> Answer:
        answer: Answer = await self._pool.call("refine_answer", request, heard=heard)
        return answer

    async def ready(self) -> None:
        await self._pool.call("ready")


class RemoteEvaluator:
    """Implements `state.messages.Evaluator`."""

    def __init__(self, app: str) -> None:
        self._pool = RemotePool(EVALUATOR, app)

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer:
        judged: JudgedAnswer = await self._pool.call("evaluate", request, heard=heard)
        return judged

    async def ready(self) -> None:
        await self._pool.call("ready")


class RemoteRetriever:
    """Implements `state.messages.Retriever`."""

    def __init__(self, app: str) -> None:
        self._pool = RemotePool(RETRIEVER, app)

    async def find_similar(self, request: FindSimilar) -> tuple[tuple[Experience, ...], ...]:
        found: tuple[tuple[Experience, ...], ...] = await self._pool.call("find_similar", request)
        return found

    async def find_resources(self, request: FindResources) -> tuple[RankedResource, ...]:
        found: tuple[RankedResource, ...] = await self._pool.call("find_resources", request)
        return found

    async def remember(self, owner: Owner, question: Question, gap: Gap) -> None:
        await self._pool.call("remember", owner, question, gap)

    async def forget(self, owner: Owner) -> None:
        await self._pool.call("forget", owner)

    async def ready(self) -> None:
        await self._pool.call("ready")


class RemoteActor:
    """A deployment-scoped actor by name, through its deaths: Serve replaces it, the handle is got anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handle: ActorHandle | None = None

    async def once(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Deliver a call. Raises `Lost` where the actor is not there, or died with the call in hand."""
        try:
            if self._handle is None:
                self._handle = serve.get_deployment_actor(self.name)
            return await getattr(self._handle, method).remote(*args, **kwargs)
        except RayTaskError as error:
            raise _cause(error) from None
        except (RayActorError, ValueError) as error:  # ValueError: no actor of that name for a moment
            self._handle = None
            raise Lost(f"{self.name} is not there.") from error

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Deliver a call until it is answered; it may arrive more than once.

        Raises `WorkUnavailable` when the actor has not been there for `PATIENCE_S`.
        """
        missing_since: float | None = None
        while True:
            try:
                return await self.once(method, *args, **kwargs)
            except Lost as error:
                missing_since = missing_since or time.monotonic()
                if time.monotonic() > missing_since + PATIENCE_S:
                    raise WorkUnavailable(f"{self.name} is being replaced.", retry_after_s=2.0) from error
            await asyncio.sleep(PAUSE_S)


def remote_sessions(shards: int) -> RoutedSessions:
    """The session-state actors of this application."""
    return RoutedSessions([RemoteActor(session_actor_name(shard)) for shard in range(shards)])


class RemoteVectorStore:
    """Implements `actors.vectors.VectorStore` over the actor that owns the embedded store."""

    def __init__(self) -> None:
        self._owner = RemoteActor(VECTOR_STORE_ACTOR)

    async def ensure(self, collection: Collection) -> None:
        await self._owner.call("ensure", collection)

    async def upsert(self, collection: Collection, points: Sequence[Point]) -> None:
        await self._owner.call("upsert", collection, points)

    async def search(self, collection: Collection, queries: Sequence[Query]) -> list[list[Hit]]:
        hits: list[list[Hit]] = await self._owner.call("search", collection, queries)
        return hits

    async def delete(self, collection: Collection, match: Any) -> None:
        await self._owner.call("delete", collection, match)

    async def count(self, collection: Collection, match: Any) -> int:
        found: int = await self._owner.call("count", collection, match)
        return found

    async def aclose(self) -> None:
        """The owner closes the store when it ends."""


def _again(request: Any) -> Any:
    """The request, marked as one that a replica may have begun with, and paid for some of."""
    origin = getattr(request, "origin", None)
    return replace(request, origin=replace(origin, again=True)) if isinstance(origin, Origin) else request


async def _listened(stream: Any, heard: Heard) -> Any:
    """The result of a call whose deltas are passed on as they come."""
    try:
        async for told in stream:
            if not isinstance(told, Told):
                return told
            for delta in told.deltas:
                heard(delta)
    except asyncio.CancelledError:
        stream.cancel()
        raise
    raise WorkUnavailable("The reply ended before its result.")


async def _unless_cancelled(response: Any) -> Any:
    """The response; whoever stops waiting for it stops the work on the replica too."""
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise


def _cause(error: RayTaskError) -> AskwellError:
    """What the remote side raised. Anything but Askwell's own errors is a fault of Askwell."""
    cause = error.cause
    return cause if isinstance(cause, AskwellError) else Broken(f"A remote call failed with {type(cause).__name__}.")
