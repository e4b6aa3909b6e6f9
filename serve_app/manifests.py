"""The files for more than one machine, made from the same settings and tables as `askwell up`.

`serve` is what `serve deploy` takes, `cluster` what `ray up` takes. The project's root holds both as
they come out of the default settings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import yaml

from serve_app.pools import APPLICATION, ingress_options, pools
from serve_app.ray_environment import RAY_ENVIRONMENT
from serve_app.settings import Settings

TOKEN_FILE = "~/.ray/auth_token"  # noqa: S105 - where Ray keeps it, not what it is
HEAD_ADDRESS = "192.168.1.10"
WORKER_ADDRESSES = ("192.168.1.11", "192.168.1.12")

_SERVE_HEADER = """\
# Askwell for a running Ray cluster: `serve deploy serve_config.yaml` on its head node.
# Made by `askwell config serve`; the settings come from the environment of the Ray processes
# (REDIS_URL and QDRANT_URL are needed: the embedded stores belong to one machine).
# The HTTP address is a loopback one: put a proxy before it, or set ASKWELL_API_KEYS and ASKWELL_HOST.
"""
_CLUSTER_HEADER = """\
# Askwell's machines for Ray's cluster launcher: `ray up ray_cluster.yaml`, then
# `ray exec ray_cluster.yaml '~/askwell/.venv/bin/serve deploy ~/askwell/serve_config.yaml'`.
# Made by `askwell config cluster`. Put in your own addresses and user. On the machine that launches write
# one token of 32 or more characters into ~/.ray/auth_token, and into askwell.env beside this file, a
# NAME=VALUE a line, REDIS_URL, QDRANT_URL and whatever else the settings shall be.
# Dashboard and jobs listen on the head's loopback only (reach them by `ray dashboard ray_cluster.yaml`),
# the Ray client server is off, and every call inside the cluster needs the token. Keep the machines on a
# private network all the same.
"""


class Kind(StrEnum):
    SERVE = "serve"
    CLUSTER = "cluster"


def render(kind: Kind, settings: Settings) -> str:
    """The file's text, comments included."""
    if kind is Kind.SERVE:
        return _SERVE_HEADER + _yaml(serve_config(settings))
    return _CLUSTER_HEADER + _yaml(cluster_config())


def serve_config(settings: Settings) -> dict[str, Any]:
    """As `ray.serve.schema.ServeDeploySchema`."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": settings.host, "port": settings.port},
        "logging_config": {"log_level": "WARNING", "enable_access_log": False},
        "applications": [
            {
                "name": APPLICATION,
                "route_prefix": "/",
                "import_path": "serve_app.deployments:application",
                "args": {},
                "deployments": [ingress_options(settings), *(pool.options() for pool in pools(settings, shared=True))],
            }
        ],
    }


def cluster_config() -> dict[str, Any]:
    """As Ray's own `ray-schema.json`; machines of one's own, by address."""
    exports = " ".join(f"{name}={value}" for name, value in RAY_ENVIRONMENT.items())
    environment = f"set -a; . ~/askwell.env; set +a; export {exports};"
    return {
        "cluster_name": APPLICATION,
        "provider": {
            "type": "local",
            "head_ip": HEAD_ADDRESS,
            "worker_ips": list(WORKER_ADDRESSES),
        },
        "auth": {"ssh_user": "askwell"},
        "min_workers": len(WORKER_ADDRESSES),
        "max_workers": len(WORKER_ADDRESSES),
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "cluster_synced_files": [],
        "file_mounts": {TOKEN_FILE: TOKEN_FILE, "~/askwell": ".", "~/askwell.env": "./askwell.env"},
        "rsync_exclude": [".venv", ".askwell", ".git"],
        "setup_commands": [
            "chmod 600 ~/.ray/auth_token ~/askwell.env",
            "cd ~/askwell && make install",
        ],
        "head_start_ray_commands": [
            f"{environment} ~/askwell/.venv/bin/ray start --head --port=6379 --dashboard-host=127.0.0.1 "
            "--dashboard-port=8265 --ray-client-server-port=0 --autoscaling-config=~/ray_bootstrap_config.yaml"
        ],
        "worker_start_ray_commands": [f"{environment} ~/askwell/.venv/bin/ray start --address=$RAY_HEAD_IP:6379"],
    }


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, width=110)
    return text
