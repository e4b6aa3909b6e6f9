"""The pools and how far each of them scales: one readable table, made from the settings.

`askwell up`, the Serve config file and the tests all take it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from serve_app.settings import Settings

APPLICATION = "askwell"
INGRESS = "Ingress"
GENERATOR = "Generator"
EVALUATOR = "Evaluator"
RETRIEVER = "Retriever"

# A pool scales on what its own replicas have in hand: up within seconds, down slowly.
UPSCALE_DELAY_S = 0.5
DOWNSCALE_DELAY_S = 60.0
LOOK_BACK_PERIOD_S = 4.0
METRICS_INTERVAL_S = 2.0
"""Every process that calls a pool reports this often; more often costs each of them CPU time for nothing."""
TARGET_SHARE = 0.5
POLICY = "serve_app.scaling:by_own_work"
MAX_QUEUED = 2_000
"""Far above what admission lets in, so that nobody who was let in is refused here; a bound all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """`concurrency` is what one replica works on at once; at half of it on average the pool grows. Where the least and
    the most are the same nobody has to report what there is to do."""

    name: str
    min_replicas: int
    max_replicas: int
    concurrency: int

    def options(self) -> dict[str, Any]:
        """As Serve's deployment options, and, key for key, as a Serve config file's."""
        return {
            "name": self.name,
            "max_ongoing_requests": self.concurrency,
            "max_queued_requests": MAX_QUEUED,
            **self._size(),
            "ray_actor_options": {"num_cpus": 0},
            "graceful_shutdown_timeout_s": 10.0,
        }

    def _size(self) -> dict[str, Any]:
        if self.min_replicas == self.max_replicas:
            return {"num_replicas": self.min_replicas}
        scaling = {
            "min_replicas": self.min_replicas,
            "max_replicas": self.max_replicas,
            "target_ongoing_requests": max(1.0, self.concurrency * TARGET_SHARE),
            "upscale_delay_s": UPSCALE_DELAY_S,
            "downscale_delay_s": DOWNSCALE_DELAY_S,
            "look_back_period_s": LOOK_BACK_PERIOD_S,
            "metrics_interval_s": METRICS_INTERVAL_S,
            "policy": {"policy_function": POLICY},
        }
        return {"autoscaling_config": scaling}


def within(settings: Settings, cores: int) -> Settings:
    """For one machine with so many cores: more replicas would only take turns. A pool does a third of what a
    question takes, so that two cores are used up before one replica is. What an operator has asked for is kept."""
    enough = max(1, cores // 2)
    most = {
        f"{pool}_max": max(getattr(settings, f"{pool}_min"), min(getattr(settings, f"{pool}_max"), enough))
        for pool in ("generator", "evaluator")
        if f"{pool}_max" not in settings.model_fields_set
    }
    return settings.model_copy(update=most)


def pools(settings: Settings, *, shared: bool) -> tuple[Pool, ...]:
    """`shared` says that the vector store is a server: the embedded one belongs to one retriever, which stays alone."""
    return (
        Pool(
            name=GENERATOR,
            min_replicas=settings.generator_min,
            max_replicas=settings.generator_max,
            concurrency=settings.generator_concurrency,
        ),
        Pool(
            name=EVALUATOR,
            min_replicas=settings.evaluator_min,
            max_replicas=settings.evaluator_max,
            concurrency=settings.evaluator_concurrency,
        ),
        Pool(
            name=RETRIEVER,
            min_replicas=settings.retriever_min if shared else 1,
            max_replicas=settings.retriever_max if shared else 1,
            concurrency=settings.retriever_concurrency,
        ),
    )


def ingress_options(settings: Settings) -> dict[str, Any]:
    """The ingress keeps a fixed number of replicas; its own admission stands below Serve's limits."""
    return {
        "name": INGRESS,
        "num_replicas": settings.ingress_replicas,
        "max_ongoing_requests": 4 * settings.max_in_flight,
        "max_queued_requests": -1,
        "ray_actor_options": {"num_cpus": 0},
        "graceful_shutdown_timeout_s": 10.0,
    }
