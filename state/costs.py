"""What recorded calls cost, and what the same calls would have cost otherwise. Sums are exact.

Two comparisons, each with all priced calls of ours on its one side. On the other side stand

- the same calls *uncached*: the same tokens, nothing read from a prefix cache and nothing written to one;
- the *predecessor's layout*: short prompts without CV and job, too short for any prefix cache, so each
  completion's `legacy_input_tokens` at the plain input price, and the output it really had.

The predecessor is charged once for a completion, however many calls it took us. Only an answered call
counts for it: our retries, hedges and failovers end in one, and the others have failed or are given up.
A call that puts an earlier reply right ('write_answer/3+repair/1': a `FURTHER` in the prompt's name, or no
`legacy_input_tokens`) is ours alone, because the predecessor checked no reply.

Both sides are priced by the same list at the time of the call. Calls of unknown cost are on neither side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from state.prices import Prices, uncached
from state.spending import NO_USAGE, CallRecord, CallStatus, Usage

FURTHER = "+"
"""In a prompt's name: between the prompt and what was asked after its reply."""

CacheMinimum = Callable[[str, str], int | None]
"""From a provider and a model to the shortest input, in tokens, that is cached; None where that is not known."""


def unknown_minimum(_provider: str, _model: str) -> None:
    """No model's minimum is known."""
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Calls added up. `cost_usd` holds what was priced when it was recorded.

    `failed`, `given_up`, `unpriced` (tokens known, price not) and `unmeasured` (no usage block: whether
    the provider charges them is not known) are all among `calls`. The `eligible` counts are of calls whose
    model has a known minimum for prefix caching, and whose input reaches it.
    """

    calls: int = 0
    failed: int = 0
    given_up: int = 0
    unpriced: int = 0
    unmeasured: int = 0
    usage: Usage = NO_USAGE
    eligible_input: int = 0
    eligible_cached: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def cached_share(self) -> float | None:
        """Of all input, from 0 to 1; None without input."""
        return _share(self.usage.cached_tokens, self.usage.input_tokens)

    @property
    def eligible_share(self) -> float | None:
        """Of the input that could be cached; None where none is known to be."""
        return _share(self.eligible_cached, self.eligible_input)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            calls=self.calls + other.calls,
            failed=self.failed + other.failed,
            given_up=self.given_up + other.given_up,
            unpriced=self.unpriced + other.unpriced,
            unmeasured=self.unmeasured + other.unmeasured,
            usage=self.usage + other.usage,
            eligible_input=self.eligible_input + other.eligible_input,
            eligible_cached=self.eligible_cached + other.eligible_cached,
            cost_usd=self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`calls` counts those on the other side; ours are all that are priced."""

    calls: int = 0
    ours_usd: Decimal = Decimal(0)
    theirs_usd: Decimal = Decimal(0)

    @property
    def saved_usd(self) -> Decimal:
        """Negative where ours costs more."""
        return self.theirs_usd - self.ours_usd

    @property
    def saved_share(self) -> float | None:
        """Of their cost: 0.4 is 40 % less, -0.1 is 10 % more; None where theirs is nothing."""
        return float(self.saved_usd / self.theirs_usd) if self.theirs_usd else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """`by_model` is by 'PROVIDER:MODEL'; the groups of each are in the order of their first calls.

    `total.cost_usd` is what was recorded. The comparisons' `ours_usd` is today's list, and differs from it
    where prices or overrides have changed since.
    """

    total: Tally = Tally()
    by_operation: Mapping[str, Tally] = field(default_factory=dict)
    by_model: Mapping[str, Tally] = field(default_factory=dict)
    uncached: Comparison = Comparison()
    predecessor: Comparison = Comparison()


def report(calls: Iterable[CallRecord], prices: Prices, cache_minimum: CacheMinimum = unknown_minimum) -> CostReport:
    """Never raises; a call that cannot be priced is counted as such."""
    calls = tuple(calls)
    priced = [(call, ours) for call in calls if (ours := _price(call, call.usage, prices)) is not None]
    ours_usd = sum((ours for _, ours in priced), Decimal(0))

    def compared(others: Callable[[CallRecord], Usage | None]) -> Comparison:
        prices_of_others = [_price(call, others(call), prices) for call, _ in priced]
        theirs = [price for price in prices_of_others if price is not None]
        return Comparison(calls=len(theirs), ours_usd=ours_usd, theirs_usd=sum(theirs, Decimal(0)))

    return CostReport(
        total=sum((tally(call, cache_minimum) for call in calls), Tally()),
        by_operation=_grouped(calls, lambda call: call.operation, cache_minimum),
        by_model=_grouped(calls, lambda call: f"{call.provider}:{call.model}", cache_minimum),
        uncached=compared(lambda call: uncached(call.usage) if call.usage else None),
        predecessor=compared(_predecessors),
    )


def tally(call: CallRecord, cache_minimum: CacheMinimum = unknown_minimum) -> Tally:
    """One call, to be added to others."""
    usage = call.usage or NO_USAGE
    minimum = cache_minimum(call.provider, call.model)
    eligible = minimum is not None and usage.input_tokens >= minimum
    return Tally(
        calls=1,
        failed=int(call.status is CallStatus.FAILED),
        given_up=int(call.status is CallStatus.GIVEN_UP),
        unpriced=int(call.usage is not None and call.cost_usd is None),
        unmeasured=int(call.usage is None),
        usage=usage,
        eligible_input=usage.input_tokens if eligible else 0,
        eligible_cached=usage.cached_tokens if eligible else 0,
        cost_usd=Decimal(0) if call.cost_usd is None else Decimal(repr(call.cost_usd)),
    )


def _grouped(
    calls: Iterable[CallRecord], key: Callable[[CallRecord], str], cache_minimum: CacheMinimum
) -> Mapping[str, Tally]:
    groups: dict[str, Tally] = {}
    for call in calls:
        groups[key(call)] = groups.get(key(call), Tally()) + tally(call, cache_minimum)
    return groups


def _predecessors(call: CallRecord) -> Usage | None:
    """What the predecessor would have used for this call's completion; None if it would not have made it."""
    if call.status is not CallStatus.ANSWERED or call.usage is None:
        return None
    if FURTHER in call.prompt or call.legacy_input_tokens <= 0:
        return None
    return Usage(
        input_tokens=call.legacy_input_tokens,
        output_tokens=call.usage.output_tokens,
        thinking_tokens=call.usage.thinking_tokens,
    )


def _price(call: CallRecord, usage: Usage | None, prices: Prices) -> Decimal | None:
    """What `usage` would have cost at the time and of the model of `call`."""
    if call.cost_usd is None or usage is None:
        return None
    return prices.exact(call.provider, call.model, usage, at_ms=call.at_ms)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
