"""What a process records of itself, who merges it, and who reads it: decided by the settings alone."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping

from redis.asyncio import Redis

from actors.monitoring.alerting import Alerting
from actors.monitoring.channels import channels
from actors.monitoring.flushing import OFF, Flushing, Recording
from actors.monitoring.health import Check, HealthChecks
from actors.monitoring.keeping import KeptBook
from actors.monitoring.merging import Merger
from actors.monitoring.monitor import Monitor, Round
from actors.monitoring.upkeep import Upkeep
from serve_app import wiring
from serve_app.settings import Settings
from serve_app.wiring import now_ms
from state.alerts.rules import Rules
from state.backend import Backend, RedisBackend
from state.metrics.buffer import Buffer
from state.metrics.erasures import Erasures
from state.metrics.inbox import FlushInbox
from state.metrics.labels import Component
from state.metrics.reading import StoredWindows
from state.metrics.store import ALERTS, TOTALS, BucketStore
from state.versioned import VersionedRecord

COLLECTED_EVERY_S = 5.0
"""The bucket of the minute is written anew each time. An evaluation of the alerts collects for itself."""
STARTING_S = 30.0
"""What starts beside the monitor is not looked for before that: it would be down."""


def recording(settings: Settings, redis: Redis) -> Recording:
    """This process's own, under a name that is new with every process. What is on its way to a bucket need not be more
    durable than Redis's memory."""
    if settings.recording == "off":
        return OFF
    buffer = Buffer(f"{os.getpid()}-{uuid.uuid4().hex}")
    return Recording(recorder=buffer, flushing=Flushing(buffer, FlushInbox(RedisBackend(redis)).leave, now_ms=now_ms))


def windows(backend: Backend) -> StoredWindows:
    """What the reports are made of."""
    return StoredWindows(BucketStore(backend), VersionedRecord(backend, TOTALS), now_ms=now_ms)


def book(backend: Backend) -> KeptBook:
    """The alerts, as anybody may change them."""
    return KeptBook(VersionedRecord(backend, ALERTS), new_stamp=lambda: uuid.uuid4().hex)


def erasures(backend: Backend) -> Erasures:
    return Erasures(backend, now_ms=now_ms)


def monitor(settings: Settings, redis: Redis, checks: Mapping[Component, Check], rules: Rules) -> Monitor:
    """The one that merges what all processes have recorded, and tells of alerts; `checks` as in
    `actors.monitoring.health`."""
    backend = wiring.backend(settings, redis)
    store = BucketStore(backend)
    merger = Merger(store, FlushInbox(RedisBackend(redis)), now_ms=now_ms)
    own = recording(settings, redis)
    health = HealthChecks(
        checks,
        completions=merger.recent_completions,
        recorder=own.recorder,
        now_ms=now_ms,
        clock_ns=time.perf_counter_ns,
    )
    upkeep = Upkeep(store, VersionedRecord(backend, TOTALS), erasures(backend), now_ms=now_ms)
    alerting = Alerting(
        rules=rules,
        windows=windows(backend),
        book=book(backend),
        channels=channels(settings.channel_addresses, settings.alerts_file),
        health=health,
        me=f"{os.getpid()}-{uuid.uuid4().hex}",
        link=f"{settings.base_url}/api/metrics/dashboard",
        now_ms=now_ms,
    )
    rounds = [
        Round(settings.health_every_s, [health.check], STARTING_S),
        # collected first: what names an erased session is in a bucket when it is looked for
        Round(COLLECTED_EVERY_S, [merger.collect, upkeep.roll_up, upkeep.count, upkeep.forget]),
        Round(settings.alerts_every_s, [merger.collect, alerting.watch]),
    ]
    return Monitor(recording=own, rounds=rounds, alerting=alerting)
