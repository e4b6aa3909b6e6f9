"""The users of the load as Locust runs them by hand; `make load SCENARIO=...` runs a whole scenario.

    locust -f loadtests/locustfile.py --headless --users 10 --spawn-rate 5 --run-time 1m --host http://127.0.0.1:8000

Requests are real ones and carry an Idempotency-Key. A refusal with `Retry-After` is kept to, not counted as a
failure; anything else that is not a success is one. Tags: interview, events, batch; `--processes -1` uses all cores.
With `-f loadtests/locustfile.py,loadtests/load/shapes.py --scenario NAME` users come as that scenario has them.
"""

from __future__ import annotations

from typing import Any

from locust import events

from loadtests.load.users import BatchUser, Candidate, Reader

__all__ = ["BatchUser", "Candidate", "Reader"]


@events.init.add_listener  # type: ignore[untyped-decorator]
def _only_those_with_something_to_do(environment: Any, **_: Any) -> None:
    """Tags may leave a user without a task, which Locust takes for a mistake."""
    environment._filter_tasks_by_tags()
    environment.user_classes = [one for one in environment.user_classes if one.tasks]
