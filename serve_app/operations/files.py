"""The files by their names, as text: what Prometheus scrapes, its rules and their tests, and the board."""

from __future__ import annotations

import json
from typing import Any

import yaml

from serve_app.operations.board import board
from serve_app.operations.recording import recording_rules
from serve_app.operations.rule_tests import RULES_FILE, rule_tests
from serve_app.settings import Settings
from state.alerts.prometheus import alerting_rules
from state.alerts.rules import rules_from

DISCOVERY = "/tmp/askwell-ray-0/prom_metrics_service_discovery.json"  # noqa: S108 - where Ray writes its addresses
"""Of the user with id 0; Prometheus knows no pattern for a folder."""
_MADE = "# Made by `python -m serve_app.operations`.\n"
_SCRAPE_HEADER = (
    _MADE
    + """\
# One target is enough for Askwell: every replica answers for all of them. With ASKWELL_API_KEYS it wants a key: add
# `authorization: {credentials_file: ...}` to the job. Ray's own metrics are beside it, at the addresses that Ray
# writes into a file on its head node; so run Prometheus there as the service's user, and put that user's id in.
"""
)


def files() -> dict[str, str]:
    """Everything but the README."""
    return {
        "prometheus.yml": _SCRAPE_HEADER + _yaml(scrape_config(Settings.model_fields["port"].default)),
        RULES_FILE: _MADE + _yaml(rules()),
        "askwell.tests.yml": _MADE + "# promtool test rules askwell.tests.yml\n" + _yaml(rule_tests()),
        "askwell.board.json": json.dumps(board(), indent=1) + "\n",
    }


def scrape_config(port: int, *, every_s: float = 15) -> dict[str, Any]:
    """As Prometheus's `prometheus.yml`."""
    return {
        "global": {"scrape_interval": f"{int(every_s * 1000)}ms", "evaluation_interval": f"{int(every_s * 1000)}ms"},
        "rule_files": [RULES_FILE],
        "scrape_configs": [
            {"job_name": "askwell", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
            {"job_name": "ray", "file_sd_configs": [{"files": [DISCOVERY]}]},
        ],
    }


def rules() -> dict[str, Any]:
    """Recording and alerting rules; these hold for the shipped alert rules, whatever ASKWELL_ALERTS names."""
    return {"groups": [recording_rules(), *alerting_rules(rules_from(None))["groups"]]}


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, width=110)
    return text
