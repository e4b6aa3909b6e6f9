"""The ports as seen from another process: the pools behind deployment handles, the session-state actors by name.

What Ray raises becomes one of Askwell's errors here. A call whose process died is delivered again:
the pools' work is repeatable, and the session actor recognises a request by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray
from opentelemetry.trace import SpanKind
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from actors.telling import Retold, Told
from serve_app import wire
from serve_app.http.service import EvaluatorPool, GeneratorPool, RetrieverPool, Sessions
from serve_app.pools import EVALUATOR, GENERATOR, INGRESS, RETRIEVER
from serve_app.routing import PAUSE_S, Lost, RoutedSessions
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
from state.tracing import carried, span

POOL_DELIVERIES = 3
MONITOR = "monitor"
WIRED = frozenset({"create", "read", "reply"})
"""The session actors' calls whose results are large, and of types for the wire."""


def session_actor_name(shard: int) -> str:
    return f"session-state-{shard}"


class RemotePool:
    """One pool's handles, got at the first call, when the deployment is known to exist. `port` has its methods."""

    def __init__(self, name: str, app: str, port: type) -> None:
        self._name = name
        self._app = app
        self._port = port
        self._handles: dict[str, DeploymentHandle] = {}

    async def call(self, method: str, *args: Any, heard: Heard | None = None) -> Any:
        """Deliver one call; once more, to another replica, where one died with it in hand.

        `heard`, where given, is told the result as it is written; what a replica told before it died is taken back.
        """
        with span(f"{self._port.__name__}.{method}", SpanKind.CLIENT):
            return await self._call(method, args, Retold(heard) if heard else None)

    async def _call(self, method: str, args: tuple[Any, ...], hearing: Retold | None) -> Any:
        for delivery in range(1, POOL_DELIVERIES + 1):
            sent = (method, wire.encode(args), carried())
            try:
                if hearing is not None:
                    hearing.begin()
                    told = await _listened(self._handle("streamed").remote(*sent), hearing)
                else:
                    told = await _unless_cancelled(self._handle("wired").remote(*sent))
            except RayTaskError as error:
                raise _cause(error) from None
            except BackPressureError:
                raise Overloaded(f"The {self._name} pool has no room.", pool=self._name) from None
            except (RayActorError, DeploymentUnavailableError) as error:
                if delivery == POOL_DELIVERIES:
                    raise WorkUnavailable(f"The {self._name} pool lost its replica.", pool=self._name) from error
                args = tuple(map(_again, args))
                await asyncio.sleep(PAUSE_S)
            except (RayServeException, RayError) as error:
                raise WorkUnavailable(f"The {self._name} pool cannot be reached.", pool=self._name) from error
            else:
                return wire.result(self._port, method).decode(told)
        raise AssertionError("unreachable")

    def _handle(self, name: str) -> DeploymentHandle:
        """The handle of one of `Wired`'s methods, kept: it knows the replicas."""
        if name not in self._handles:
            self._handles[name] = serve.get_deployment_handle(self._name, self._app).options(
                method_name=name,
                stream=name == "streamed",
                request_serialization="pickle",
                response_serialization="pickle",
            )
        return self._handles[name]


class RemoteGenerator:
    """Implements `state.messages.Generator`."""

    def __init__(self, app: str) -> None:
        self._pool = RemotePool(GENERATOR, app, GeneratorPool)

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

    async def here(self) -> None:
        await self._pool.call("here")

    async def ready(self) -> None:
        await self._pool.call("ready")


class RemoteEvaluator:
    """Implements `state.messages.Evaluator`."""

    def __init__(self, app: str) -> None:
        self._pool = RemotePool(EVALUATOR, app, EvaluatorPool)

    async def evaluate(self, request: EvaluateAnswer, heard: Heard | None = None) -> JudgedAnswer:
        judged: JudgedAnswer = await self._pool.call("evaluate", request, heard=heard)
        return judged

    async def here(self) -> None:
        await self._pool.call("here")

    async def ready(self) -> None:
        await self._pool.call("ready")


class RemoteRetriever:
    """Implements `state.messages.Retriever`."""

    def __init__(self, app: str) -> None:
        self._pool = RemotePool(RETRIEVER, app, RetrieverPool)

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


class RemoteSessions:
    """A session-state actor by name; implements `serve_app.routing.SessionActor`. Where it died Serve replaces it, and
    the handle is got anew by `find`, which raises `ValueError` where there is none."""

    def __init__(self, name: str, find: Callable[[str], ActorHandle]) -> None:
        self.name = name
        self._find = find
        self._handle: ActorHandle | None = None

    async def once(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Deliver a call. Raises `Lost` where the actor is not there, or died with the call in hand."""
        try:
            if self._handle is None:
                self._handle = self._find(self.name)
            if method in WIRED:
                with span(f"Sessions.{method}", SpanKind.CLIENT):
                    return wire.result(Sessions, method).decode(
                        await self._handle.wired.remote(carried(), method, *args)
                    )
            return await getattr(self._handle, method).remote(*args, **kwargs)
        except RayTaskError as error:
            raise _cause(error) from None
        except (RayActorError, ValueError) as error:  # ValueError: no actor of that name for a moment
            self._handle = None
            raise Lost(f"{self.name} is not there.") from error


def remote_sessions(shards: int, find: Callable[[str], ActorHandle] = serve.get_deployment_actor) -> RoutedSessions:
    """The session-state actors of this application. Only replicas of the ingress find them by Serve's own means."""
    return RoutedSessions([RemoteSessions(session_actor_name(shard), find) for shard in range(shards)])


def named_actor(app: str, name: str) -> ActorHandle:
    """One of the ingress's deployment actors, found by any process: Serve names them by application, deployment,
    version and name. While a redeploy has one of each version, either. Raises `ValueError` where there is none."""
    for actor in ray.util.list_named_actors(all_namespaces=True):
        match actor["name"].split("::"):
            case [_, found_app, found_deployment, _, found] if (found_app, found_deployment, found) == (
                app,
                INGRESS,
                name,
            ):
                return ray.get_actor(actor["name"], namespace=actor["namespace"])
    raise ValueError(f"There is no actor {name}.")


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
