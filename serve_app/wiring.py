"""Which adapter stands behind which port, decided by the settings alone."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from random import Random

from pydantic import SecretStr
from redis.asyncio import Redis

from actors.catalogue import Catalogue
from actors.catalogue import load as load_catalogue
from actors.embedding_cache import SharedVectors
from actors.embedding_cache_redis import RedisVectors
from actors.embeddings import Embedder, LocalEmbedder, WordLlamaEmbedder
from actors.embeddings_recorded import EmbeddingRecords
from actors.llm import LLM
from actors.offline.lexicon import Lexicon
from actors.offline.provider import OfflineLLM
from actors.paid import PaidOnce
from actors.prompted import PromptedLLM
from actors.prompts import WORDINGS, Wording
from actors.providers.port import Adapter
from actors.resilience.flights_redis import RedisFlights
from actors.resilience.limit import Queues
from actors.resilience.single_flight import Flights
from actors.resilience.stack import Resilience, stacked
from actors.resilience.target import Target
from actors.vectors import VectorStore
from actors.vectors_edge import EdgeVectorStore
from serve_app.settings import Settings
from serve_app.targets import speaks_as_openai, targets
from state.backend import Backend, RedisBackend
from state.backend import connect as connect_redis
from state.durability import Durability, Mode
from state.errors import InvalidField
from state.lease import BEATS, Lease
from state.ledger import RedisLedger
from state.metrics.recorder import SILENT, Recorder
from state.outage import Outage
from state.paid import StoredPaidResults
from state.prices import prices_from
from state.spending import Ledger
from state.store import RecordStore

LONGEST_CONFIRMATION_MS = 2_000
CONFIRMATION_SHARE = 0.75
"""Of the time that one beat of a lease takes."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def awake_s() -> float:
    """Seconds since some moment, those that the machine slept through included."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def lease(settings: Settings, backend: Backend, name: str, outage: Outage | None) -> Lease:
    """A lease of this process's own; its owner's id is new with every process, so that Redis can tell them apart."""
    return Lease(
        backend,
        name=name,
        new_nonce=lambda: f"{os.getpid()}-{uuid.uuid4().hex}",
        lease_s=settings.lease_s,
        clock=awake_s,
        standby=outage,
    )


def outage(settings: Settings, store: RecordStore) -> Outage | None:
    """The journal for commits while Redis is away; None where other machines may claim the sessions meanwhile."""
    if settings.outage_journal != "on":
        return None
    return Outage(store, settings.data_dir.resolve() / "journal")


def llm(settings: Settings, queues: Queues | None = None, recorder: Recorder = SILENT) -> LLM:
    """The providers whose keys are set, one standing in for the other; without a key the offline rules.

    `queues` learns of the queues before them, `recorder` of the calls.
    """
    if not targets(settings):
        return offline_llm()
    store, figures = redis(settings), resilience(settings)
    paid = StoredPaidResults(RedisBackend(store))
    return PaidOnce(
        prompted_llm(settings, store, figures, queues, recorder), paid=paid, patience_s=figures.store_patience_s
    )


def prompted_llm(
    settings: Settings, store: Redis, figures: Resilience, queues: Queues | None = None, recorder: Recorder = SILENT
) -> PromptedLLM:
    """The language models under all policies, recorded in `store`, and for the metrics. Calls are shared with other
    replicas where there can be others: it takes two round trips a call."""
    ledger, flights = RedisLedger(store), RedisFlights(store) if settings.generator_max > 1 else None
    return recorded_llm(settings, figures, ledger=ledger, flights=flights, queues=queues, recorder=recorder)


def recorded_llm(
    settings: Settings,
    figures: Resilience,
    *,
    ledger: Ledger,
    flights: Flights | None,
    wordings: Mapping[str, Wording] = WORDINGS,
    queues: Queues | None = None,
    recorder: Recorder = SILENT,
) -> PromptedLLM:
    """As `prompted_llm`, recorded in any ledger; without `flights` no call is shared with another process."""
    prices = prices_from(settings.prices)
    prices.load()
    provider = stacked(
        {target: _adapter(settings, target) for target in targets(settings)},
        resilience=figures,
        ledger=ledger,
        price=prices.price,
        flights=flights,
        owner=uuid.uuid4().hex,
        rng=Random(),  # noqa: S311 - spreads retries, guards nothing
        now_ms=now_ms,
        queues=queues,
        recorder=recorder,
    )
    return PromptedLLM(provider, deadline_s=figures.deadline_s, wordings=wordings)


def resilience(settings: Settings) -> Resilience:
    """The policies' figures; those that an operator may want to change are settings."""
    usual = Resilience()
    return replace(
        usual,
        deadline_s=settings.llm_deadline_s,
        attempts=settings.llm_attempts,
        attempt_s=settings.llm_attempt_s,
        hedge_share=settings.llm_hedge_share,
        limit_initial=min(usual.limit_initial, settings.llm_concurrency),
        limit_maximum=settings.llm_concurrency,
        daily_tokens=settings.tenant_daily_tokens,
    )


def _adapter(settings: Settings, target: Target) -> Adapter:
    """Imports the provider's SDK, which takes seconds: when a replica starts, not at its first request."""
    if target.provider == "google":
        from actors.providers.gemini import GeminiProvider  # noqa: PLC0415

        return GeminiProvider(
            api_key=_key(settings.gemini_api_key),
            base_url=settings.gemini_base_url,
            model=target.model,
            experimental_model=target.experimental_model,
            thinking_budget=settings.gemini_thinking_tokens,
            timeout_s=settings.llm_attempt_s,
        )
    from actors.providers.openai import OpenAIProvider  # noqa: PLC0415

    return OpenAIProvider(
        api_key=_key(settings.openai_api_key),
        base_url=settings.openai_base_url,
        is_openai=target.provider == "openai",
        model=target.model,
        experimental_model=target.experimental_model,
        reasoning_effort=settings.openai_reasoning_effort,
        timeout_s=settings.llm_attempt_s,
    )


def _key(key: SecretStr | None) -> str:
    return "" if key is None else key.get_secret_value()


@cache
def offline_llm() -> OfflineLLM:
    """One for the process: the lexicon and the embeddings are read once."""
    return OfflineLLM(lexicon=Lexicon.shipped(), embedder=offline_embedder())


def embedder(settings: Settings, ledger: Ledger | None = None, recorder: Recorder = SILENT) -> Embedder:
    """Whoever turns the retriever's texts into vectors. What that costs is recorded where a ledger is given."""
    records = None if ledger is None else _embedding_records(settings, ledger, recorder)
    if settings.embeddings == "openai":
        from actors.embeddings_openai import OpenAIEmbedder  # noqa: PLC0415 - as in _adapter

        return OpenAIEmbedder(
            api_key=_key(settings.openai_api_key),
            base_url=settings.openai_base_url,
            is_openai=speaks_as_openai(settings),
            model=settings.embedding_model,
            dimension=settings.embedding_dimension,
            records=records,
        )
    if settings.embeddings == "gemini":
        from actors.embeddings_gemini import GeminiEmbedder  # noqa: PLC0415 - as in _adapter

        return GeminiEmbedder(
            api_key=_key(settings.gemini_api_key),
            base_url=settings.gemini_base_url,
            model=settings.embedding_model,
            dimension=settings.embedding_dimension,
            records=records,
        )
    return LocalEmbedder(offline_embedder())


def _embedding_records(settings: Settings, ledger: Ledger, recorder: Recorder) -> EmbeddingRecords:
    prices = prices_from(settings.prices)
    prices.load()
    return EmbeddingRecords(ledger=ledger, price=prices.price, now_ms=now_ms, recorder=recorder)


@cache
def offline_embedder() -> WordLlamaEmbedder:
    """One for the process, loaded before the first request needs it."""
    model = WordLlamaEmbedder()
    model.embed(["ready"])
    return model


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


def embedding_ledger(settings: Settings) -> Ledger | None:
    """None where embeddings cost nothing."""
    return None if settings.embeddings == "offline" else RedisLedger(redis(settings))


def shared_vectors(settings: Settings) -> SharedVectors | None:
    """None where a vector is computed sooner than Redis could be asked for it."""
    return None if settings.embeddings == "offline" else RedisVectors(redis(settings))


def redis(settings: Settings) -> Redis:
    """Raises `InvalidField` where neither a server is named nor the embedded one was started."""
    if settings.redis_url is None:
        raise InvalidField(field="REDIS_URL", fix="name a Redis server, or start the service with 'askwell up'")
    return connect_redis(settings.redis_url.get_secret_value())


def backend(settings: Settings, redis: Redis) -> RedisBackend:
    """What writes records, as durable as the settings say."""
    return RedisBackend(redis, durability(settings))


def durability(settings: Settings) -> Durability:
    """A write waits for its copies for less time than a lease's renewal has, which is such a write too."""
    beat_ms = settings.lease_s * 1000 / BEATS
    timeout_ms = min(LONGEST_CONFIRMATION_MS, int(beat_ms * CONFIRMATION_SHARE))
    return Durability(mode=Mode(settings.durability), replicas=settings.replicas, timeout_ms=timeout_ms)


def vector_store(settings: Settings) -> VectorStore:
    """The Qdrant server, if one is named; else the embedded store, which belongs to the process that first uses it."""
    if settings.qdrant_url is None:
        return EdgeVectorStore(settings.data_dir.resolve() / "vectors")
    from actors.vectors_qdrant import connect  # noqa: PLC0415 - its client takes a second of CPU time to import

    key = settings.qdrant_api_key
    return connect(settings.qdrant_url, key.get_secret_value() if key else None)
