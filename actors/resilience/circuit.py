"""Leaves a provider alone while it fails, and finds out with one call at a time whether it is back.

The breaker is a state machine of its own: purgatory's reads `time.time()`, cannot be driven by the
loop's clock, and lets every call through while half-open.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from actors.providers.port import HANDLING, Call, Fault, Provider, ProviderError, Reply
from actors.resilience.late import has_passed
from actors.resilience.target import NeverSent, Target


class End(StrEnum):
    """What a call says about the provider."""

    ANSWERED = "answered"
    FAILED = "failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripping:
    """`failures` among the last `of` outcomes, all within `window_s`, open the circuit for `pause_s`.

    A provider that wishes for a longer pause gets it, up to `longest_pause_s`.
    """

    failures: int
    of: int
    window_s: float
    pause_s: float
    longest_pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """All calls pass. `outcomes` are the last ones, with their times and whether they failed."""

    outcomes: tuple[tuple[float, bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """No call passes before `until`; the first one after it is the probe."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen:
    """The probe is under way; no other call passes."""


State = Closed | Open | HalfOpen


def after(state: State, end: End, *, probe: bool, now: float, pause_s: float, tripping: Tripping) -> State:
    """The state once a call has ended. Only the probe's end counts where the state has changed since it began."""
    match state:
        case Closed(outcomes=outcomes) if end is not End.GIVEN_UP:
            recent = (*(o for o in outcomes if o[0] > now - tripping.window_s), (now, end is End.FAILED))
            recent = recent[-tripping.of :]
            if sum(failed for _, failed in recent) >= tripping.failures:
                return Open(until=now + pause_s)
            return Closed(outcomes=recent)
        case HalfOpen() if probe and end is End.ANSWERED:
            return Closed()
        case HalfOpen() if probe:
            return Open(until=now + pause_s if end is End.FAILED else now)
        case _:
            return state


class Circuit:
    """A breaker for each of one provider's models.

    A fault that trips counts as a failure, and so does a call given up at its deadline; any other fault
    shows that the provider is there; a call that was never sent, or was given up before, shows nothing.
    While open, every call fails at once with OPEN_CIRCUIT and the time until the next probe; while the
    probe is under way, with the pause that would follow its failure.
    """

    def __init__(self, inner: Provider, *, target: Target, tripping: Tripping) -> None:
        self._inner = inner
        self._target = target
        self._tripping = tripping
        self._states: dict[str, State] = {}

    async def call(self, call: Call) -> Reply:
        probe = self._admit(call)
        end, pause_s = End.GIVEN_UP, self._tripping.pause_s
        try:
            reply = await self._inner.call(call)
            end = End.ANSWERED
        except NeverSent:
            raise
        except ProviderError as error:
            end = End.FAILED if HANDLING[error.fault].trips else End.ANSWERED
            pause_s = min(max(pause_s, error.retry_after_s or 0.0), self._tripping.longest_pause_s)
            raise
        except asyncio.CancelledError:
            if has_passed(call.deadline):
                end = End.FAILED
            raise
        finally:
            now = asyncio.get_running_loop().time()
            state = self._states[call.variant]
            self._states[call.variant] = after(
                state, end, probe=probe, now=now, pause_s=pause_s, tripping=self._tripping
            )
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _admit(self, call: Call) -> bool:
        """Whether the call is the probe. Raises OPEN_CIRCUIT where it may not pass."""
        now = asyncio.get_running_loop().time()
        match self._states.setdefault(call.variant, Closed()):
            case Closed():
                return False
            case Open(until=until) if now >= until:
                self._states[call.variant] = HalfOpen()
                return True
            case Open(until=until):
                raise self._target.error(call, Fault.OPEN_CIRCUIT, retry_after_s=until - now)
            case HalfOpen():
                raise self._target.error(call, Fault.OPEN_CIRCUIT, retry_after_s=self._tripping.pause_s)
