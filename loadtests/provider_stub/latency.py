"""How long a reply takes: fixed or lognormal, with a pace for the tokens of a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

from pydantic import ConfigDict, Field

from loadtests.provider_stub.draws import Draws

_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A reply takes `median_ms` times a lognormal factor (none where `sigma` is 0), and `per_token_ms` an output token.

    The first token comes after `first_token_share` of the drawn time, the others evenly over the rest.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    median_ms: Annotated[float, Field(ge=0)] = 0.0
    sigma: Annotated[float, Field(ge=0)] = 0.0
    per_token_ms: Annotated[float, Field(ge=0)] = 0.0
    first_token_share: Annotated[float, Field(ge=0, le=1)] = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds from a request's arrival to the first token and to the end of its reply."""

    first_s: float = 0.0
    total_s: float = 0.0

    def of_piece(self, place: int, pieces: int) -> float:
        """When the piece at `place` (from 0) of a streamed reply is due."""
        if pieces < 2:
            return self.total_s
        return self.first_s + (self.total_s - self.first_s) * place / (pieces - 1)


AT_ONCE = Timing()


def timing(latency: Latency, draws: Draws, *, output_tokens: int) -> Timing:
    """The times of one call."""
    if not latency.median_ms and not latency.per_token_ms:
        return AT_ONCE
    drawn_s = latency.median_ms / 1000
    if latency.sigma:
        drawn_s *= math.exp(latency.sigma * _STANDARD.inv_cdf(max(draws.uniform("latency"), 1e-12)))
    return Timing(
        first_s=drawn_s * latency.first_token_share,
        total_s=drawn_s + latency.per_token_ms / 1000 * output_tokens,
    )
