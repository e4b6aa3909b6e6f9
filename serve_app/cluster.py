"""A Ray cluster on this machine: started, given the application, stopped. Import after `ray_environment.prepare`."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from serve_app.deployments import build
from serve_app.pools import APPLICATION, within
from serve_app.settings import Settings

OBJECT_STORE_BYTES = 128 * 1024 * 1024
"""Messages are small and travel inline; Ray's default would claim 30 % of the memory."""


def start_ray(settings: Settings) -> None:
    """Start Ray's processes on loopback, with the dashboard; their files are this user's alone."""
    ray_directory().mkdir(mode=0o700, exist_ok=True)
    ray_directory().chmod(0o700)
    ray.init(
        address="local",
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=settings.dashboard_port,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(ray_directory()),
        object_store_memory=OBJECT_STORE_BYTES,
        namespace=APPLICATION,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )


def start_application(settings: Settings) -> None:
    """Start Serve and deploy Askwell on it; returns when every deployment is healthy."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(
        http_options=HTTPOptions(host=settings.host, port=settings.port),
        logging_config=_quiet(),
    )
    serve.run(build(within(settings, os.cpu_count() or 1)), name=APPLICATION, route_prefix="/", logging_config=_quiet())


def stop() -> None:
    """End the application and every process `start_ray` began."""
    try:
        if ray.is_initialized():
            serve.shutdown()
    finally:
        ray.shutdown()


def ray_directory() -> Path:
    """Short, because Ray puts sockets below it, whose paths may have 107 characters."""
    return Path(tempfile.gettempdir()) / f"askwell-ray-{os.getuid()}"


def _quiet() -> LoggingConfig:
    return LoggingConfig(log_level="WARNING", enable_access_log=False)
