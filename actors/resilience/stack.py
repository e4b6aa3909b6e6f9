"""All policies over all providers, in the one order in which they make sense.

    Deadline                 the time for everything below
    └ SingleFlight           identical calls at once are one
      └ Failover             the providers in order, each with a fair share of the time
        ├ Primed             after the first of those with its prefix    ┐
        │ └ Retried          again, where the fault may pass             │
        │   └ Hedged         twice, where it is slow                     │
        │     └ Circuit      not at all, while the provider fails        │
        │       └ Limited    no more at once than it takes               │ for each provider
        │         └ AttemptTimeout   the time for one call               │
        │           └ Budgeted       the tenant's tokens of the day      │
        │             └ Recorded     one record for each call            │
        │               └ the adapter, one HTTP call                     ┘
        └ Primed ...

A retry passes the circuit and waits for a slot like any other call, so that retries cannot keep a
provider down that is overloaded. Time spent waiting for a slot is none of the attempt's own. The budget
and the record stand next to the adapter, because every call that goes out is paid, hedged or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from actors.models import facts_of
from actors.providers.port import Adapter, Provider
from actors.resilience.attempt import AttemptTimeout
from actors.resilience.budget import Budgeted
from actors.resilience.circuit import Circuit, Tripping
from actors.resilience.deadline import Deadline
from actors.resilience.failover import Failover
from actors.resilience.hedge import Hedged
from actors.resilience.limit import Limited, Queues
from actors.resilience.priming import Primed
from actors.resilience.recording import Price, Recorded
from actors.resilience.retry import Retried
from actors.resilience.single_flight import Flights, SingleFlight
from actors.resilience.target import Target
from actors.resilience.traced import Traced
from state.metrics.recorder import SILENT, Recorder
from state.spending import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    """Every figure of the policies; what each is for stands with the policy, and in docs/resilience.md."""

    deadline_s: float = 28.0

    shared_operations: tuple[str, ...] | None = ("find_gaps", "write_question")
    lease_s: float = 5.0
    keep_s: float = 5.0

    prime_wait_s: float = 1.5
    cache_idle_s: float = 300.0

    attempts: int = 3
    backoff_s: float = 0.5
    longest_backoff_s: float = 8.0
    patience_s: float = 10.0

    hedge_share: float = 0.05
    hedge_min_samples: int = 20
    hedge_burst: int = 10

    trip_failures: int = 5
    trip_of: int = 10
    trip_window_s: float = 120.0
    trip_pause_s: float = 10.0
    trip_longest_pause_s: float = 300.0

    limit_initial: int = 32
    limit_minimum: int = 1
    limit_maximum: int = 256
    max_waiting: int = 256

    attempt_s: float = 12.0

    daily_tokens: int = 0
    store_patience_s: float = 0.25


def stacked(
    adapters: Mapping[Target, Adapter],
    *,
    resilience: Resilience,
    ledger: Ledger,
    price: Price,
    flights: Flights | None,
    owner: str,
    rng: Random,
    now_ms: Callable[[], int],
    queues: Queues | None = None,
    recorder: Recorder = SILENT,
) -> Provider:
    """One provider of `adapters`, the preferred one first. `owner` is unique among the processes that share
    `flights`; `now_ms` is Unix time, for records and budgets alone; `queues` learns of each queue, and `recorder` of
    each call."""

    def one(target: Target, adapter: Adapter) -> Provider:
        provider: Provider = Recorded(
            Traced(adapter, target=target),
            ledger=ledger,
            price=price,
            now_ms=now_ms,
            target=target,
            patience_s=resilience.store_patience_s,
            recorder=recorder,
        )
        provider = Budgeted(
            provider,
            most_output_tokens=adapter.most_output_tokens,
            ledger=ledger,
            now_ms=now_ms,
            limit=resilience.daily_tokens,
            patience_s=resilience.store_patience_s,
        )
        provider = AttemptTimeout(provider, target=target, seconds=resilience.attempt_s)
        limited = Limited(
            provider,
            target=target,
            initial=resilience.limit_initial,
            minimum=resilience.limit_minimum,
            maximum=resilience.limit_maximum,
            max_waiting=resilience.max_waiting,
        )
        if queues is not None:
            queues.add(limited)
        provider = Circuit(limited, target=target, tripping=_tripping(resilience))
        if resilience.hedge_share:
            provider = Hedged(
                provider,
                share=resilience.hedge_share,
                min_samples=resilience.hedge_min_samples,
                burst=resilience.hedge_burst,
            )
        provider = Retried(
            provider,
            rng=rng,
            attempts=resilience.attempts,
            backoff_s=resilience.backoff_s,
            longest_backoff_s=resilience.longest_backoff_s,
            patience_s=resilience.patience_s,
        )
        facts = facts_of(target.model)
        if facts is None or facts.minimum_characters is None:
            return provider
        return Primed(
            provider,
            minimum_characters=facts.minimum_characters,
            idle_s=resilience.cache_idle_s,
            wait_s=resilience.prime_wait_s,
        )

    shared = SingleFlight(
        Failover([one(target, adapter) for target, adapter in adapters.items()]),
        flights=flights,
        owner=owner,
        operations=resilience.shared_operations,
        lease_s=resilience.lease_s,
        keep_s=resilience.keep_s,
        patience_s=resilience.store_patience_s,
        recorder=recorder,
    )
    return Deadline(shared, seconds=resilience.deadline_s)


def most_calls(resilience: Resilience, providers: int) -> int:
    """The most calls that can go out for one call of the stack."""
    return providers * resilience.attempts * (2 if resilience.hedge_share else 1)


def _tripping(resilience: Resilience) -> Tripping:
    return Tripping(
        failures=resilience.trip_failures,
        of=resilience.trip_of,
        window_s=resilience.trip_window_s,
        pause_s=resilience.trip_pause_s,
        longest_pause_s=resilience.trip_longest_pause_s,
    )
