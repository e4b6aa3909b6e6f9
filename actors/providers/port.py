"""The wire-level port: one `Call` in, one `Reply` or one `ProviderError` out.

An adapter makes exactly one HTTP call for each `call`; whether to try again, where, and how often is
for the policies of `actors.resilience`, each of which is a `Provider` over another.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from state.messages import NOBODY, Origin
from state.model import Priority
from state.spending import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn after the task: what the model said, and what it is told about that."""

    role: Literal["assistant", "user"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One completion asked of a model, laid out so that calls share the longest possible prefix.

    On the wire: `schema` (what the reply's JSON has to look like, named `kind`), then `system` (the same
    for every call of an operation), then `context` (the same for every call of a session), then `task`
    (this call's own), then `turns`. `prompt` is the prompt's name and version ('write_answer/3').
    `max_output_tokens` bounds what may be charged. `legacy_input_tokens` see `state.spending`.
    `variant` picks the provider's model: its usual one or its experimental one. `priority` is that of the gap that
    the call is about, if it is about one; nothing of it is sent.
    `deadline` is a time of the event loop's clock, in seconds, after which no reply is of use.
    `heard`, where given, is told the reply's text piece by piece; a None says that it begins anew.
    """

    operation: str
    prompt: str
    kind: str
    schema: Mapping[str, Any]
    system: str
    context: str
    task: str
    turns: tuple[Turn, ...] = ()
    max_output_tokens: int = 4096
    origin: Origin = NOBODY
    variant: Literal["usual", "experimental"] = "usual"
    priority: Priority | None = None
    legacy_input_tokens: int = 0
    deadline: float = field(default=math.inf, compare=False)
    heard: Callable[[str | None], None] | None = field(default=None, compare=False)

    @cached_property
    def digest(self) -> str:
        """The same for two calls exactly if the same tenant asks the same of the same model."""
        asked = [self.origin.tenant, self.variant, self.kind, self.system, self.context, self.task]
        turns = [[turn.role, turn.text] for turn in self.turns]
        return hashlib.sha256(msgspec.json.encode([*asked, turns, self.schema])).hexdigest()

    @property
    def characters(self) -> int:
        """Of all that is sent, the schema included."""
        texts = (self.system, self.context, self.task, *(turn.text for turn in self.turns))
        return sum(map(len, texts)) + len(json.dumps(self.schema))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's whole text, with the names and the count of tokens that the provider gave with it."""

    text: str
    provider: str
    model: str
    usage: Usage


class Fault(StrEnum):
    """Why a call brought no reply."""

    UNREACHABLE = "unreachable"
    LATE = "late"
    THROTTLED = "throttled"
    QUOTA_SPENT = "quota_spent"
    FAILING = "failing"
    TURNED_DOWN = "turned_down"
    UNFIT = "unfit"
    DECLINED = "declined"
    CUT_OFF = "cut_off"
    GARBLED = "garbled"
    OPEN_CIRCUIT = "open_circuit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What a fault calls for: the same provider once more, a word to its breaker."""

    again: bool
    trips: bool


HANDLING: Mapping[Fault, Handling] = {
    Fault.UNREACHABLE: Handling(again=True, trips=True),
    Fault.LATE: Handling(again=True, trips=True),
    Fault.THROTTLED: Handling(again=True, trips=False),
    Fault.QUOTA_SPENT: Handling(again=False, trips=True),
    Fault.FAILING: Handling(again=True, trips=True),
    Fault.TURNED_DOWN: Handling(again=False, trips=True),
    Fault.UNFIT: Handling(again=False, trips=False),
    Fault.DECLINED: Handling(again=False, trips=False),
    Fault.CUT_OFF: Handling(again=False, trips=False),
    Fault.GARBLED: Handling(again=True, trips=True),
    Fault.OPEN_CIRCUIT: Handling(again=False, trips=False),
}
"""By fault. Every fault is one that another provider may not have: all of them fail over."""


class ProviderError(Exception):
    """A call that brought no reply. Its message holds the provider, the fault and a status, never a text.

    `retry_after_s` is the provider's own wish, None where it named none. `usage` is what was charged all
    the same, None where that is unknown.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        provider: str,
        model: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(f"{provider}:{model}: {fault}" + (f" (status {status})" if status else ""))
        self.fault = fault
        self.provider = provider
        self.model = model
        self.status = status
        self.retry_after_s = retry_after_s
        self.usage = usage


class Provider(Protocol):
    """Whoever brings a reply: an adapter, or a policy over one."""

    async def call(self, call: Call) -> Reply:
        """The reply. Raises `ProviderError`; a cancelled call is given up at once."""
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...


class Adapter(Provider, Protocol):
    """A provider that goes out on the wire itself."""

    def most_output_tokens(self, call: Call) -> int:
        """What the request lets the model write, its thinking included."""
        ...
