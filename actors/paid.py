"""The step journal over a provider: each completion of a session's step is kept before the next is asked for.

Whoever goes on with a step that was begun before finds there what was paid for already, and asks for the
rest alone. Completions of one step have names of their own, so that two of them are never taken for each other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter

from actors.llm import LLM, Completion, R, Request, Written
from state.codec import pack, unpack
from state.errors import AskwellError, StoreUnavailable
from state.messages import EvaluateAnswer, FindGaps, RefineAnswer, WriteAnswer, WritePrompts, WriteQuestion
from state.paid import PaidResults

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """`result` is packed; its type follows from its name."""

    by: str
    result: bytes


class PaidOnce:
    """Implements `actors.llm.LLM` over a provider that costs something.

    Redis is asked for a result only where the request says that its step may have been begun before, and for the
    second draft of an answer. Where it
    does not answer within `patience_s`, the call is made, or its result not kept, and that is logged.
    """

    def __init__(self, inner: LLM, *, paid: PaidResults, patience_s: float) -> None:
        self._inner = inner
        self._paid = paid
        self._patience_s = patience_s

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        if not request.origin.step:
            return await self._inner.complete(request, result, heard)
        name = _name(request)
        kept = await self._found(request, name) if _may_be_kept(request) else None
        if kept is None:
            completion = await self._inner.complete(request, result, heard)
            await self._keep(request, name, Paid(by=completion.by, result=pack(completion.result)))
            return completion
        found = unpack(Paid, kept)
        completion = Completion(result=unpack(result, found.result), by=found.by)
        if heard is not None:
            heard(TypeAdapter(result).dump_json(completion.result).decode())
        return completion

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _found(self, request: Request, name: str) -> bytes | None:
        origin = request.origin
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._paid.find(origin.tenant, origin.session_id, name)
        except (TimeoutError, StoreUnavailable):
            log.warning("paid_result_not_looked_for", session_id=origin.session_id)
            return None

    async def _keep(self, request: Request, name: str, paid: Paid) -> None:
        origin = request.origin
        try:
            async with asyncio.timeout(self._patience_s):
                await self._paid.keep(origin.tenant, origin.session_id, name, pack(paid))
        except (TimeoutError, AskwellError) as error:
            log.warning("paid_result_not_kept", session_id=origin.session_id, error=type(error).__name__)


def _may_be_kept(request: Request) -> bool:
    """A second draft comes late enough for another owner to have gone on with the step meanwhile."""
    return request.origin.again or (isinstance(request, WriteAnswer | RefineAnswer) and bool(request.refused))


def _name(request: Request) -> str:
    """Within its step; the step itself stands for all else that the request holds."""
    match request:
        case FindGaps():
            call = "find_gaps"
        case WriteQuestion(gap=gap):
            call = f"write_question/{gap.id}"
        case WritePrompts():
            call = "write_prompts"
        case WriteAnswer(refused=refused):
            call = "write_answer/again" if refused else "write_answer"
        case RefineAnswer(refused=refused):
            call = "refine_answer/again" if refused else "refine_answer"
        case EvaluateAnswer(reverse=reverse):
            call = "evaluate_answer/reverse" if reverse else "evaluate_answer"
    return f"{request.origin.step}/{call}"
