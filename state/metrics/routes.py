"""The HTTP requests that are measured, each an operation: the one table that the metering and `/metrics` go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from state.metrics.labels import Operation


class Route(NamedTuple):
    method: str
    path: str


ROUTES: Mapping[Operation, Route] = {
    Operation.CREATE_SESSION: Route("POST", "/api/sessions"),
    Operation.GET_SESSION: Route("GET", "/api/sessions/{session_id}"),
    Operation.DELETE_SESSION: Route("DELETE", "/api/sessions/{session_id}"),
    Operation.REPLY_EXPERIENCE: Route("POST", "/api/sessions/{session_id}/questions/{question_id}/experience"),
    Operation.GIVE_INPUTS: Route("POST", "/api/sessions/{session_id}/questions/{question_id}/inputs"),
    Operation.GIVE_REFINEMENT: Route("POST", "/api/sessions/{session_id}/questions/{question_id}/refinement"),
    Operation.WRITE_QUESTIONS: Route("POST", "/api/questions/batch"),
    Operation.SEARCH_RESOURCES: Route("POST", "/api/learning-resources/search"),
    Operation.CREATE_PLAN: Route("POST", "/api/learning-plans"),
    Operation.LIST_PLANS: Route("GET", "/api/learning-plans"),
    Operation.MOVE_PLAN: Route("PATCH", "/api/learning-plans/{plan_id}"),
}
