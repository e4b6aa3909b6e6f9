"""Which adapter stands behind which port, decided by the settings alone."""

from __future__ import annotations

import time
from functools import cache

from redis.asyncio import Redis

from actors.catalogue import Catalogue
from actors.catalogue import load as load_catalogue
from actors.embeddings import WordLlamaEmbedder
from actors.llm import LLM
from actors.offline.lexicon import Lexicon
from actors.offline.provider import OfflineLLM
from actors.openai_llm import OpenAILLM
from actors.vectors import VectorStore
from actors.vectors_qdrant import connect as connect_qdrant
from serve_app.settings import Settings
from state.errors import InvalidField
from state.store import connect as connect_redis


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def llm(settings: Settings) -> LLM:
    """OpenAI where its key is set, else the offline provider."""
    if settings.openai_api_key is None:
        return offline_llm()
    return OpenAILLM(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        timeout_s=settings.step_deadline_s,
    )


@cache
def offline_llm() -> OfflineLLM:
    """One for the process: the lexicon and the embeddings are read once."""
    return OfflineLLM(lexicon=Lexicon.shipped(), embedder=embedder())


@cache
def embedder() -> WordLlamaEmbedder:
    """One for the process, loaded before the first request needs it."""
    model = WordLlamaEmbedder()
    model.embed(["ready"])
    return model


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


def redis(settings: Settings) -> Redis:
    """Raises `InvalidField` where neither a server is named nor the embedded one was started."""
    if settings.redis_url is None:
        raise InvalidField(field="REDIS_URL", fix="name a Redis server, or start the service with 'askwell up'")
    return connect_redis(settings.redis_url.get_secret_value())


def qdrant(settings: Settings) -> VectorStore | None:
    """The Qdrant server, if one is named."""
    if settings.qdrant_url is None:
        return None
    key = settings.qdrant_api_key
    return connect_qdrant(settings.qdrant_url, key.get_secret_value() if key else None)
