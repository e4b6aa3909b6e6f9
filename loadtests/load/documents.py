"""What candidates send: CVs and jobs of `examples/`, gaps, and what they tell."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
INPUTS = {
    "context": "Work",
    "duration": "8 months",
    "tools": "kind, Helm",
    "achievement": "I moved five services into a cluster, wrote the charts and trained two colleagues.",
    "metrics": "Deployments went from 40 minutes to 6 minutes.",
}
MORE = INPUTS["metrics"]
TITLES = (
    ("Kubernetes", "CRITICAL"),
    ("Terraform", "HIGH"),
    ("Kafka", "HIGH"),
    ("Go", "NICE_TO_HAVE"),
    ("Prometheus", "IMPORTANT"),
    ("AWS", "IMPORTANT"),
    ("gRPC", "MEDIUM"),
    ("Redis", "MEDIUM"),
    ("Ansible", "LOW"),
    ("GraphQL", "NICE_TO_HAVE"),
)
GAPS = [{"title": title, "job_asks": f"{title} in production", "priority": priority} for title, priority in TITLES]


def documents(mark: str) -> dict[str, Any]:
    """A CV that nobody else has sent, for the mark it begins with, and the job that goes with it."""
    cv, job = random.choice(_pairs())  # noqa: S311 - a mix of users, not a secret
    return {"cv": f"Candidate {mark}\n{cv}", "job": job}


@cache
def _pairs() -> list[tuple[str, str]]:
    folders = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
    return [(next(one.glob("cv.*")).read_text("utf-8"), next(one.glob("job.*")).read_text("utf-8")) for one in folders]
