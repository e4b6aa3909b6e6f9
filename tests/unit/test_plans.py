"""Learning plans: laid out within the budget, moved along the allowed ways, honest about what has begun."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.errors import NotFound, StepNotOpen
from state.model import RankedResource, ResourceType
from state.plans import MOVES, ORDER, Plan, Progress, lay_out, progressed
from tests.fakes import a_resource

ranked = st.builds(
    lambda number, kind, days, score: RankedResource(resource=a_resource(number, kind, days), score=score, match=0.5),
    st.integers(0, 10_000),
    st.sampled_from(ResourceType),
    st.integers(1, 12),
    st.floats(0, 100),
)


def a_plan(**changes: object) -> Plan:
    items = lay_out([RankedResource(resource=a_resource(), score=1, match=1)], budget_days=5)
    given = {
        "id": "p1",
        "fingerprint": "a request",
        "tenant": "acme",
        "user": "ada",
        "need": "x",
        "items": items,
        "created_ms": 1,
        "updated_ms": 1,
    }
    return Plan(**{**given, **changes})


@given(st.lists(ranked, max_size=8), st.integers(1, 10))
def test_a_plan_runs_day_by_day_within_its_budget_in_the_order_of_types(
    resources: list[RankedResource], budget_days: int
) -> None:
    items = lay_out(resources, budget_days=budget_days)
    day = 1
    for item in items:
        assert item.first_day == day
        day = item.last_day + 1
        assert item.last_day - item.first_day + 1 == item.resource.duration_days
    assert day - 1 <= budget_days
    types = [ORDER.index(item.resource.type) for item in items]
    assert types == sorted(types)


@pytest.mark.parametrize("start", Progress)
@pytest.mark.parametrize("target", Progress)
def test_only_the_moves_of_the_table_are_made(start: Progress, target: Progress) -> None:
    way = {
        Progress.SUGGESTED: (),
        Progress.IN_PROGRESS: (Progress.IN_PROGRESS,),
        Progress.COMPLETED: (Progress.IN_PROGRESS, Progress.COMPLETED),
        Progress.ABANDONED: (Progress.ABANDONED,),
    }
    plan = a_plan()
    for move in way[start]:
        plan = progressed(plan, "r1", move, now_ms=2)
    if target is start:
        assert progressed(plan, "r1", target, now_ms=3) is plan
    elif target in MOVES[start]:
        assert progressed(plan, "r1", target, now_ms=3).items[0].progress is target
    else:
        with pytest.raises(StepNotOpen, match=start.value):
            progressed(plan, "r1", target, now_ms=3)


def test_a_resume_line_appears_only_once_the_learning_has_started() -> None:
    plan = a_plan()
    assert plan.items[0].resume_line is None
    started = progressed(plan, "r1", Progress.IN_PROGRESS, now_ms=7)
    assert started.items[0].resume_line == "Currently learning: Resource 1 (Provider)"
    assert started.items[0].started_ms == 7
    ended = progressed(started, "r1", Progress.COMPLETED, now_ms=9)
    assert ended.items[0].resume_line == "Completed: Resource 1 (Provider)"
    given_up = progressed(plan, "r1", Progress.ABANDONED, now_ms=9)
    assert given_up.items[0].resume_line is None


def test_a_resource_that_is_not_in_the_plan_is_not_found() -> None:
    with pytest.raises(NotFound):
        progressed(a_plan(), "other", Progress.IN_PROGRESS, now_ms=2)
