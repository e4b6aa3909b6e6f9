"""The load scenarios: how many users come when, and what must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from state.errors import InvalidField

READING_S = (4.0, 12.0)
"""How long a candidate takes to read a question and to choose a reply."""
WRITING_S = (20.0, 60.0)
"""And to read four to six prompts and to write what they ask for."""
SHORTEST_S = 30.0
SHORTEST_STEP_S = 15.0
MOST_SCALE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What must hold over a whole run. Latencies are those of requests that were answered.

    `p95_ms` is of whole latencies; with `over_llm`, of what is left of them without the simulated LLM time, where
    that is known: two completions of a second in a row alone take longer than the limit. `service_p95_ms` is of
    that rest always. `error_share` is of errors and, with `refusals_count`, of refusals too, both of all requests;
    `hit_share` of the calls that a provider's prefix cache could have served. None is no limit.
    """

    p95_ms: float
    over_llm: bool = False
    service_p95_ms: float | None = None
    error_share: float | None = None
    refusals_count: bool = False
    most_errors: int | None = None
    hit_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Users come evenly over `ramp_s`, and leave when `length_s` is over.

    With `step_users`, so many more come every `step_s` from the end of the ramp on, until the limits break.
    `user_classes` are names of `loadtests.load.users`.
    """

    name: str
    users: int
    length_s: float
    ramp_s: float
    limits: Limits
    user_classes: tuple[str, ...] = ("Candidate", "Reader")
    step_users: int = 0
    step_s: float = 60.0

    def shortened(self, seconds: float | None) -> Scenario:
        """With all its users for less time, after the ramp; None is its own length. Raises `InvalidField`."""
        if seconds is None:
            return self
        if not self.ramp_s < seconds <= self.length_s:
            raise InvalidField(
                field="--seconds", fix=f"more than the ramp's {self.ramp_s:g}, at most {self.length_s:g}"
            )
        return replace(self, length_s=seconds)

    def scaled(self, factor: float) -> Scenario:
        """For a smaller machine: that share of the users and of the time, not below what a figure needs.

        Raises `InvalidField`.
        """
        if not 0 < factor <= MOST_SCALE:
            raise InvalidField(field="--scale", fix=f"above 0, and at most {MOST_SCALE:g}")
        return replace(
            self,
            users=max(1, round(self.users * factor)),
            length_s=max(min(self.length_s, SHORTEST_S), self.length_s * factor),
            ramp_s=self.ramp_s * factor,
            step_users=max(1, round(self.step_users * factor)) if self.step_users else 0,
            step_s=max(min(self.step_s, SHORTEST_STEP_S), self.step_s * factor),
        )

    @property
    def arriving_per_s(self) -> float:
        """Users that come in a second of the ramp."""
        return self.users / self.ramp_s if self.ramp_s else float(self.users)

    def users_at(self, elapsed_s: float) -> int | None:
        """How many there are to be, the ramp's end in view; None once it is over."""
        if elapsed_s >= self.length_s:
            return None
        if not self.step_users or elapsed_s < self.ramp_s:
            return self.users
        return self.users + self.step_users * int((elapsed_s - self.ramp_s) / self.step_s)


_MINUTE_S = 60.0

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="baseline",
            users=100,
            length_s=5 * _MINUTE_S,
            ramp_s=20.0,
            limits=Limits(
                p95_ms=2_000,
                over_llm=True,
                service_p95_ms=100,
                error_share=0.01,
                refusals_count=True,
                most_errors=0,
            ),
        ),
        Scenario(
            name="peak",
            users=500,
            length_s=10 * _MINUTE_S,
            ramp_s=_MINUTE_S,
            limits=Limits(
                p95_ms=3_000,
                over_llm=True,
                service_p95_ms=300,
                error_share=0.02,
                refusals_count=True,
                most_errors=0,
            ),
        ),
        Scenario(
            name="stress",
            users=1_000,
            length_s=20 * _MINUTE_S,
            ramp_s=5 * _MINUTE_S,
            step_users=100,
            limits=Limits(p95_ms=5_000, error_share=0.05),
        ),
        Scenario(
            name="batch",
            users=200,
            length_s=5 * _MINUTE_S,
            ramp_s=0.0,
            user_classes=("BatchUser",),
            limits=Limits(p95_ms=5_000, error_share=0.01, hit_share=0.8),
        ),
    )
}
