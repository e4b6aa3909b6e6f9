"""What calls to providers used and cost, as whole numbers; and who it was spent for, with a bound on the names.

Money is counted in 10^-12 dollars, which is what a token costs where a million cost $0.000001. So sums are exact,
and do not depend on the order in which processes are heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from state.spending import Usage

PICO = 12
TOKEN_BOUNDS = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864)
"""Of the histogram `gen_ai.client.token.usage` in OpenTelemetry's conventions for generative AI, 1.37; one bin more
is for what is above."""
NO_SIZES = (0,) * (len(TOKEN_BOUNDS) + 1)


class Spend(NamedTuple):
    """Calls added up, in the words of `state.costs.Tally`: `unpriced` have a usage and no price, `unmeasured` no
    usage. Tokens as in `state.spending.Usage`. A tuple, so that adding up is one pass over columns."""

    calls: int = 0
    unpriced: int = 0
    unmeasured: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    pico_usd: int = 0

    @property
    def cost_usd(self) -> Decimal:
        return Decimal(self.pico_usd).scaleb(-PICO)


NOTHING_SPENT = Spend()


def spend_of(usage: Usage | None, cost_usd: float | None) -> Spend:
    """One call's. `usage` is None where the provider gave none, `cost_usd` where no price is known."""
    if usage is None:
        return Spend(calls=1, unmeasured=1)
    return Spend(
        1,
        int(cost_usd is None),
        0,
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.thinking_tokens,
        round((cost_usd or 0.0) * 10**PICO),
    )


def total(spends: Iterable[Spend]) -> Spend:
    """Exact, in any order."""
    rows = list(spends)
    return Spend(*map(sum, zip(*rows, strict=True))) if rows else NOTHING_SPENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One cell's calls. `input_sizes` and `output_sizes` count the measured ones by their tokens: up to each of
    `TOKEN_BOUNDS`, but above the one before."""

    spend: Spend = NOTHING_SPENT
    input_sizes: tuple[int, ...] = NO_SIZES
    output_sizes: tuple[int, ...] = NO_SIZES


def merged_costs(parts: Iterable[Cost]) -> Cost:
    """All of them as one; exact, in any order."""
    costs = list(parts)
    if len(costs) == 1:
        return costs[0]
    return Cost(
        spend=total([cost.spend for cost in costs]),
        input_sizes=_columns([cost.input_sizes for cost in costs]),
        output_sizes=_columns([cost.output_sizes for cost in costs]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSpenders:
    """The tenants or the sessions that cost most, and all others as one.

    `by_name` and `rest` always add up to everything that was spent. A name that was dropped once, because too many
    others cost more at the time, may be back later: what is in `rest` of any one name is at most `missing_pico_usd`,
    the largest sum dropped at each merge, added up. (Agarwal et al.: Mergeable Summaries, PODS 2012.) Below
    `MAX_NAMES` names nothing is dropped, and merging is associative; totals and bound always hold.
    """

    by_name: Mapping[str, Spend] = field(default_factory=dict)
    rest: Spend = NOTHING_SPENT
    missing_pico_usd: int = 0


MAX_NAMES = 100
NOBODY = TopSpenders()


def merged_spenders(parts: Iterable[TopSpenders], *, most: int = MAX_NAMES) -> TopSpenders:
    """All of them as one, with the `most` dearest names; of equally dear ones those with more tokens, then by name."""
    tops = list(parts)
    spends: dict[str, list[Spend]] = {}
    for top in tops:
        for name, spend in top.by_name.items():
            spends.setdefault(name, []).append(spend)
    by_name = {name: total(held) for name, held in spends.items()}
    rests = [top.rest for top in tops]
    missing = sum(top.missing_pico_usd for top in tops)
    if len(by_name) > most:
        dearest = sorted(by_name.items(), key=_dearest_first)
        by_name, dropped = dict(dearest[:most]), [spend for _, spend in dearest[most:]]
        rests += dropped
        missing += dropped[0].pico_usd
    return TopSpenders(by_name=by_name, rest=total(rests), missing_pico_usd=missing)


def without(spenders: TopSpenders, name: str) -> TopSpenders:
    """What was spent for `name` is counted among the rest: an erased session's id is kept nowhere."""
    by_name = dict(spenders.by_name)
    spend = by_name.pop(name, NOTHING_SPENT)
    return TopSpenders(by_name=by_name, rest=total([spenders.rest, spend]), missing_pico_usd=spenders.missing_pico_usd)


def only(spenders: TopSpenders, name: str) -> TopSpenders:
    """What was spent for all but `name` is counted among the rest; for an empty name that is everything."""
    others = [spend for held, spend in spenders.by_name.items() if held != name]
    return TopSpenders(
        by_name={held: spend for held, spend in spenders.by_name.items() if held == name},
        rest=total([spenders.rest, *others]),
        missing_pico_usd=spenders.missing_pico_usd,
    )


def _dearest_first(named: tuple[str, Spend]) -> tuple[int, int, str]:
    name, spend = named
    return -spend.pico_usd, -spend.input_tokens - spend.output_tokens, name


def _columns(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True))) if rows else NO_SIZES
