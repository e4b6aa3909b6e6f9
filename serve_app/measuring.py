"""What a process records of itself, who merges it, and who reads it: decided by the settings alone."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping

from actors.monitoring.flushing import OFF, Deliver, Flushing, Recording
from actors.monitoring.health import Check, HealthChecks
from actors.monitoring.merging import Merger
from actors.monitoring.monitor import Monitor
from actors.monitoring.upkeep import Upkeep
from serve_app.settings import Settings
from serve_app.wiring import now_ms
from state.backend import Backend
from state.metrics.buffer import Buffer
from state.metrics.erasures import Erasures
from state.metrics.labels import Component
from state.metrics.reading import StoredWindows
from state.metrics.store import BucketStore


def recording(settings: Settings, deliver: Deliver) -> Recording:
    """This process's own, under a name that is new with every process; `deliver` takes it to the monitor."""
    if settings.recording == "off":
        return OFF
    buffer = Buffer(f"{os.getpid()}-{uuid.uuid4().hex}")
    return Recording(recorder=buffer, flushing=Flushing(buffer, deliver, now_ms=now_ms))


def windows(backend: Backend) -> StoredWindows:
    """What the reports are made of."""
    return StoredWindows(BucketStore(backend), now_ms=now_ms)


def erasures(backend: Backend) -> Erasures:
    return Erasures(backend, now_ms=now_ms)


def monitor(settings: Settings, backend: Backend, checks: Mapping[Component, Check]) -> Monitor:
    """The one that merges what all processes have recorded; `checks` as in `actors.monitoring.health`."""
    store = BucketStore(backend)
    merger = Merger(store, now_ms=now_ms)
    own = recording(settings, merger.take)
    health = HealthChecks(
        checks,
        completions=merger.recent_completions,
        recorder=own.recorder,
        now_ms=now_ms,
        clock_ns=time.perf_counter_ns,
    )
    upkeep = Upkeep(store, erasures(backend), now_ms=now_ms)
    return Monitor(merger=merger, upkeep=upkeep, health=health, recording=own, round_s=settings.health_every_s)
