"""Which session-state actor a call goes to: the home of its session, or whoever has taken the session over.

    home answers ──> it is the owner, or names the owner ──> the owner answers
         └── is not there ──> the next actor, which takes the session over once the lease of its owner has ended

An actor that does not answer a short question beside a long call is taken for lost, however Ray sees it: a
stopped process and one behind a cut look like that long before they are declared dead. Knows nothing of Ray.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from state.errors import AskwellError, Degraded, Fenced, OwnedElsewhere, WorkUnavailable
from state.lease import owner_name
from state.model import Question, Session
from state.receipts import Receipt
from state.session_actor import OpenSession, Reply
from state.telling import Seen

PATIENCE_S = 20.0
PAUSE_S = 0.1
ASK_AFTER_S = 1.0
"""A call that takes longer is no reason for doubt, but for asking whether its actor is there."""
ANSWER_S = 1.5
"""An actor that is there answers within this; its event loop may be busy."""
MAX_MOVED = 10_000


class Lost(AskwellError):
    """The actor is gone, or cannot be reached. Whether it did what it was asked to is unknown."""


class SessionActor(Protocol):
    """One session-state actor in another process."""

    name: str

    async def once(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The method's result. Raises what the method raises, and `Lost`."""
        ...


def shard_of(session_id: str, shards: int) -> int:
    """Which session-state actor is the session's home; the same in every process."""
    return int.from_bytes(hashlib.sha256(session_id.encode()).digest()[:8], "big") % shards


class RoutedSessions:
    """The session-state actors as one; implements `serve_app.http.service.Sessions`.

    A call is delivered again where its actor was lost: the actors know a request by its id. Raises
    `WorkUnavailable` where no actor could take a call for `PATIENCE_S`.
    """

    def __init__(self, actors: Sequence[SessionActor]) -> None:
        self._actors = actors
        self._asking: dict[int, asyncio.Task[bool]] = {}
        self._answered_at: dict[int, float] = {}
        self._lost: dict[int, asyncio.Task[None]] = {}
        self._moved: OrderedDict[str, int] = OrderedDict()

    async def create(self, request: OpenSession) -> Session:
        session: Session = await self._deliver(request.caller.tenant, request.session_id, "create", request)
        return session

    async def read(self, tenant: str, session_id: str) -> Session:
        session: Session = await self._deliver(tenant, session_id, "read", tenant, session_id)
        return session

    async def reply(self, request: Reply) -> Question:
        question: Question = await self._deliver(request.caller.tenant, request.session_id, "reply", request)
        return question

    async def watch(self, tenant: str, session_id: str, *, after: int, heard: int, wait_s: float) -> Seen:
        seen: Seen = await self._deliver(
            tenant, session_id, "watch", tenant, session_id, after=after, heard=heard, wait_s=wait_s
        )
        return seen

    async def erase(self, tenant: str, session_id: str) -> Receipt:
        receipt: Receipt = await self._deliver(tenant, session_id, "erase", tenant, session_id)
        return receipt

    async def ready(self) -> None:
        """Every actor reaches the store. Raises `Degraded` where another has to stand in for one that is lost."""
        replies = await asyncio.gather(
            *(self._asked(index, "ready") for index in range(len(self._actors))), return_exceptions=True
        )
        failures = [reply for reply in replies if isinstance(reply, BaseException)]
        lost = [failure for failure in failures if isinstance(failure, Lost)]
        others = [failure for failure in failures if not isinstance(failure, Lost)]
        if others:
            raise min(others, key=lambda failure: isinstance(failure, Degraded))
        if len(lost) == len(self._actors):
            raise WorkUnavailable("No session-state actor is there.")
        if lost:
            raise Degraded("A session-state actor is being replaced; the others stand in for it.")

    async def pool_ready(self, pool: str) -> None:
        """Whether a pool works, as the first actor that is there sees it. Raises what the pool does; `WorkUnavailable`
        where no actor is there."""
        for index in range(len(self._actors)):
            with suppress(Lost):
                await self._asked(self._there(index), "pool_ready", pool)
                return
        raise WorkUnavailable(f"No session-state actor is there to ask the {pool} pool.", pool=pool)

    async def here(self) -> None:
        """Returns when every actor that is not lost has answered, or has been given up on."""
        await asyncio.gather(*(self._ask(index) for index in range(len(self._actors)) if index not in self._lost))

    async def _deliver(self, tenant: str, session_id: str, method: str, *args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        home = shard_of(session_id, len(self._actors))
        at = self._there(self._moved.get(session_id, home))
        fenced = False
        while True:
            try:
                return await self._asked(at, method, *args, **kwargs)
            except Fenced:
                if fenced:
                    raise
                fenced = True  # the owner has dropped its copy by now
            except OwnedElsewhere as held_by:
                if loop.time() > deadline:
                    raise
                owner = self._named(owner_name(held_by.owner))
                if owner is not None and owner != at and owner not in self._lost:
                    at = owner
                else:
                    with suppress(Lost):
                        await self._asked(at, "take_over", tenant, session_id)
            except Lost as lost:
                if loop.time() > deadline:
                    raise WorkUnavailable(f"{self._actors[at].name} is being replaced.", retry_after_s=2.0) from lost
                at = self._there(at)
                if at in self._lost:
                    await asyncio.sleep(PAUSE_S)
            self._note(session_id, home, at)

    async def _asked(self, index: int, method: str, *args: Any, **kwargs: Any) -> Any:
        """One delivery. Raises `Lost` as soon as the actor is known to be gone, or has stopped answering."""
        call = asyncio.ensure_future(self._actors[index].once(method, *args, **kwargs))
        try:
            while not call.done():
                done, _ = await asyncio.wait({call}, timeout=ASK_AFTER_S)
                if not done and not await self._answers(index):
                    raise Lost(f"{self._actors[index].name} does not answer.")
            return call.result()
        except Lost:
            self._doubt(index)
            raise
        finally:
            call.cancel()

    async def _answers(self, index: int) -> bool:
        """Whether the actor is there; many who ask at once are one question."""
        if asyncio.get_running_loop().time() - self._answered_at.get(index, float("-inf")) < ASK_AFTER_S:
            return True
        asking = self._asking.get(index)
        if asking is None:
            asking = self._asking[index] = asyncio.create_task(self._ask(index))
            asking.add_done_callback(lambda _: self._asking.pop(index, None))
        return await asyncio.shield(asking)

    async def _ask(self, index: int) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._actors[index].once("here")
        except (TimeoutError, AskwellError):
            return False
        self._answered_at[index] = asyncio.get_running_loop().time()
        return True

    def _doubt(self, index: int) -> None:
        """Route around the actor until it answers again."""
        if index not in self._lost:
            self._answered_at.pop(index, None)
            self._lost[index] = asyncio.create_task(self._until_found(index))

    async def _until_found(self, index: int) -> None:
        while not await self._answers(index):  # noqa: ASYNC110 - it is another process that answers
            await asyncio.sleep(PAUSE_S)
        del self._lost[index]

    def _there(self, index: int) -> int:
        """The first actor from `index` on that is not lost; `index` itself where all are."""
        count = len(self._actors)
        around = ((index + step) % count for step in range(count))
        return next((candidate for candidate in around if candidate not in self._lost), index)

    def _named(self, name: str) -> int | None:
        return next((index for index, actor in enumerate(self._actors) if actor.name == name), None)

    def _note(self, session_id: str, home: int, at: int) -> None:
        """Where the session is to be found next time."""
        self._moved.pop(session_id, None)
        if at != home:
            self._moved[session_id] = at
            if len(self._moved) > MAX_MOVED:
                self._moved.popitem(last=False)
