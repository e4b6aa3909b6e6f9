"""The environment that Ray's processes start in; it has to be set before Ray is imported.

One table for `askwell up`, the cluster launcher's file and the tests. Imports no Ray.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

RAY_ENVIRONMENT: Mapping[str, str] = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers begin as nice as other processes, not last: all but the ingress step back by themselves.
    "RAY_worker_niceness": "0",
    # A dead session actor is noticed within a second, not ten.
    "RAY_SERVE_DEPLOYMENT_ACTOR_HEALTH_CHECK_PERIOD_S": "1",
    # As `pools.METRICS_INTERVAL_S`, which Ray reads until it reads these.
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
    # The controller looks after everything four times a second, not ten.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",
    # What Prometheus fetches every few seconds is brought together every two, not ten times a second by each process.
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
    # CVs travel through handles as one message each; 4 MiB would do, headers and batches want more.
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(64 * 1024 * 1024),
}

LOOPBACK_ONLY: Mapping[str, str] = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""With a node address of 127.0.0.1, keeps a single machine's Ray on loopback."""


def prepare(data_dir: Path, proxy: Mapping[str, str]) -> Path:
    """Set the environment for a cluster on this machine and its `proxy`; the file with its access token.

    The token is drawn once, readable by its owner only. Python's byte code is kept, because Ray would
    otherwise compile its modules again in every process it starts (26 s instead of 11).
    """
    token_file = data_dir.resolve() / "ray-token"
    if not token_file.exists():
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    os.environ.update(RAY_ENVIRONMENT)
    os.environ.update(LOOPBACK_ONLY)
    os.environ.update(proxy)
    os.environ.pop("RAY_AUTH_TOKEN", None)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file)
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(data_dir.resolve() / "pycache"))
    return token_file
