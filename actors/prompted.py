"""`PromptedLLM`: the typed port over a provider. Renders the prompt, reads the reply, has it repaired once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace

from actors.llm import Completion, R, Request, Written
from actors.prompts import WORDINGS, Rendered, Wording, parsed, rendered, repair
from actors.providers.port import Call, Fault, Provider, ProviderError, Reply
from state.costs import FURTHER
from state.errors import AskwellError, BrokenReply, StepTimedOut, Throttled, WorkUnavailable
from state.messages import EvaluateAnswer, FindGaps, RefineAnswer, WriteAnswer, WriteQuestion

UNUSABLE = frozenset({Fault.DECLINED, Fault.CUT_OFF, Fault.GARBLED})
"""Faults of a reply that came."""


class PromptedLLM:
    """Implements `actors.llm.LLM`. A completion, its repair included, takes at most `deadline_s`. `wordings` are
    what the model is told, by operation."""

    def __init__(self, provider: Provider, *, deadline_s: float, wordings: Mapping[str, Wording] = WORDINGS) -> None:
        self._provider = provider
        self._deadline_s = deadline_s
        self._wordings = wordings

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        """One reply that has the promised shape; a reply without it is asked for once more, with the error.

        Raises `BrokenReply` after the second one, `StepTimedOut`, `BudgetSpent`, or `WorkUnavailable` with the
        time after which a provider wishes to be asked again.
        """
        prompt = rendered(request, self._wordings)
        call = _call(prompt, request, heard, deadline=self._deadline(request))
        reply = await self._reply(call)
        try:
            return _completion(parsed(result, reply.text), reply)
        except BrokenReply as error:
            mended = repair(prompt, reply.text, str(error), self._wordings)
        if heard is not None:
            heard(None)
        again = await self._reply(replace(call, prompt=mended.version, turns=mended.turns))
        completion = _completion(parsed(result, again.text), again)
        return replace(completion, usage=reply.usage + again.usage)

    async def aclose(self) -> None:
        await self._provider.aclose()

    def _deadline(self, request: Request) -> float:
        """On the event loop's clock; a question of a batch may have less time than other requests."""
        seconds = min(self._deadline_s, request.deadline_s if isinstance(request, WriteQuestion) else math.inf)
        return asyncio.get_running_loop().time() + seconds

    async def _reply(self, call: Call) -> Reply:
        try:
            return await self._provider.call(call)
        except ProviderError as error:
            raise _refused(error) from None


def _call(prompt: Rendered, request: Request, heard: Written | None, *, deadline: float) -> Call:
    flags = request.origin.flags
    return Call(
        operation=prompt.operation,
        prompt=f"{prompt.version}{_further(request)}",
        kind=prompt.kind,
        schema=prompt.schema,
        system=prompt.system,
        context=prompt.context,
        task=prompt.task,
        max_output_tokens=prompt.max_output_tokens,
        origin=request.origin,
        variant="experimental" if flags.get("experimental_llm_model") else "usual",
        priority=None if isinstance(request, FindGaps) else request.gap.priority,
        legacy_input_tokens=prompt.legacy_input_tokens,
        deadline=deadline,
        heard=heard,
    )


def _further(request: Request) -> str:
    """What sets a call that follows another of the same step apart in the records of what was spent."""
    match request:
        case WriteAnswer(refused=refused) | RefineAnswer(refused=refused) if refused:
            return f"{FURTHER}refused"
        case EvaluateAnswer(reverse=True):
            return f"{FURTHER}reverse"
        case _:
            return ""


def _completion(result: R, reply: Reply) -> Completion[R]:
    return Completion(result=result, by=f"{reply.provider}:{reply.model}", usage=reply.usage)


def _refused(error: ProviderError) -> AskwellError:
    """What a call without a reply means to the caller."""
    if error.fault is Fault.LATE:
        return StepTimedOut(f"{error}")
    if error.fault in UNUSABLE:
        return BrokenReply(f"{error}")
    kind = Throttled if error.fault is Fault.THROTTLED else WorkUnavailable
    if error.retry_after_s is None:
        return kind(f"{error}")
    return kind(f"{error}", retry_after_s=error.retry_after_s)
