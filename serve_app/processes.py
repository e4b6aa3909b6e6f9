"""What each of the service's processes does first. Imports no Ray."""

from __future__ import annotations

import logging
import os

import structlog

from serve_app import tracing
from serve_app.settings import Settings

BEHIND = 19
"""Steps of niceness: the last there is. Ray's own processes and the ingress have none."""


def begin(settings: Settings, part: str) -> None:
    """What every process of the service does first."""
    configure_logs()
    tracing.begin(settings, part)


def step_back() -> None:
    """Let the ingress go first where the processor is short: a refusal is to take milliseconds, work takes seconds."""
    os.nice(BEHIND)


def configure_logs() -> None:
    """Structured lines on standard error, which Ray files under the process's name.

    The clients' own line for each HTTP request says nothing that a record or an error does not.
    """
    for client in ("httpx", "httpx2"):
        logging.getLogger(client).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
