"""What goes wrong: the kinds of fault, when each strikes, and what the ones of content do to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic_core import to_json

from loadtests.provider_stub.draws import Draws


class Fault(StrEnum):
    """UNANSWERED ones come instead of a completion and cost nothing; the others come with one, and it is billed."""

    RATE_LIMITED = "rate_limited"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    STALL = "stall"
    DISCONNECT = "disconnect"
    CUT_OFF = "cut_off"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    SCHEMA_BREAK = "schema_break"
    REFUSED = "refused"


UNANSWERED = frozenset(
    {
        Fault.RATE_LIMITED,
        Fault.INSUFFICIENT_QUOTA,
        Fault.SERVER_ERROR,
        Fault.UNAVAILABLE,
        Fault.STALL,
        Fault.DISCONNECT,
    }
)
OF_CONTENT = frozenset({Fault.TRUNCATED, Fault.MALFORMED, Fault.SCHEMA_BREAK, Fault.REFUSED})

REFUSAL = "I'm sorry, but I can't help with that."

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """`script` says what happens to the first calls, one entry each (None: nothing); from then on `shares` decide.

    Raises ValueError where the shares come to more than 1.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    shares: Mapping[Fault, Share] = field(default_factory=dict)
    script: tuple[Fault | None, ...] = ()

    def __post_init__(self) -> None:
        if sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("the shares of an operation's faults come to more than 1")


FAULTLESS = FaultPlan()


def struck(plan: FaultPlan, draws: Draws, *, position: int) -> Fault | None:
    """What happens to the call at `position` (from 0) of the plan."""
    if position < len(plan.script):
        return plan.script[position]
    if not plan.shares:
        return None
    left = draws.uniform("fault")
    for fault, share in plan.shares.items():
        left -= share
        if left < 0:
            return fault
    return None


def spoiled(fault: Fault | None, content: str, fields: Any, draws: Draws) -> str:
    """The content of a completion that this fault struck; `fields` is the same, not yet written as JSON."""
    match fault:
        case Fault.TRUNCATED:
            return content[: len(content) * 3 // 5]
        case Fault.MALFORMED:
            return "{" + content
        case Fault.SCHEMA_BREAK:
            return to_json(_misshapen(fields, draws)).decode()
        case Fault.REFUSED:
            return REFUSAL
        case _:
            return content


def _misshapen(fields: Any, draws: Draws) -> Any:
    """A judgement with a score of 11, or an object without its last field."""
    if not isinstance(fields, dict) or not fields:
        return {"unexpected": True}
    if "criteria" in fields and draws.uniform("break") < 0.5:
        first, *others = fields["criteria"]
        return {**fields, "criteria": [{**first, "score": 11}, *others]}
    needed = "criteria" if "criteria" in fields else list(fields)[-1]
    return {name: value for name, value in fields.items() if name != needed}
