"""The rank of 100, point by point, and how it and nearness choose."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ranking import Match, choose, rank
from state.messages import FindResources
from state.model import Cost, Difficulty, RankedResource, Resource, ResourceType

PLAIN = Resource(
    id="plain",
    field="cloud",
    title="A course",
    description="",
    type=ResourceType.COURSE,
    provider="",
    url="",
    duration_days=2,
    difficulty=Difficulty.BEGINNER,
    cost=Cost.PAID,
    skills=(),
    rating=0,
    certificate=False,
)
NEED = FindResources(need="containers")

resources = st.builds(
    Resource,
    id=st.uuids().map(str),
    field=st.just("cloud"),
    title=st.just("t"),
    description=st.just("d"),
    type=st.sampled_from(ResourceType),
    provider=st.just("p"),
    url=st.just("u"),
    duration_days=st.integers(1, 20),
    difficulty=st.sampled_from(Difficulty),
    cost=st.sampled_from(Cost),
    skills=st.just(()),
    rating=st.floats(0, 5),
    certificate=st.booleans(),
)
matches = st.builds(Match, resource=resources, match=st.floats(-1, 1))
requests = st.builds(
    FindResources,
    need=st.just("n"),
    budget_days=st.integers(1, 10),
    limit=st.integers(1, 5),
    difficulty=st.sampled_from(Difficulty),
    types=st.lists(st.sampled_from(ResourceType), unique=True).map(tuple),
)


def test_the_best_possible_resource_ranks_100() -> None:
    best = dataclasses.replace(PLAIN, type=ResourceType.PROJECT, cost=Cost.FREE, rating=5, certificate=True)
    assert rank(best, Difficulty.BEGINNER) == 100


@pytest.mark.parametrize(
    ("found", "wanted", "points"),
    [
        (Difficulty.BEGINNER, Difficulty.BEGINNER, 30),
        (Difficulty.INTERMEDIATE, Difficulty.BEGINNER, 20),
        (Difficulty.INTERMEDIATE, Difficulty.ADVANCED, 20),
        (Difficulty.ADVANCED, Difficulty.BEGINNER, 10),
        (Difficulty.BEGINNER, Difficulty.ADVANCED, 10),
    ],
)
def test_difficulty_loses_ten_points_a_step_either_way(found: Difficulty, wanted: Difficulty, points: float) -> None:
    assert rank(dataclasses.replace(PLAIN, difficulty=found), wanted) == points + 18


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({"rating": 5.0}, 25),
        ({"rating": 4.4}, 22),
        ({"type": ResourceType.PROJECT}, 2),
        ({"type": ResourceType.CERTIFICATION}, -3),
        ({"certificate": True}, 15),
        ({"cost": Cost.FREE}, 10),
        ({"cost": Cost.FREEMIUM}, 5),
    ],
)
def test_each_quality_adds_its_points(change: dict[str, object], points: float) -> None:
    changed = dataclasses.replace(PLAIN, **change)  # type: ignore[arg-type]
    assert rank(changed, Difficulty.BEGINNER) - rank(PLAIN, Difficulty.BEGINNER) == pytest.approx(points)


@given(resources, st.sampled_from(Difficulty))
def test_a_rank_lies_between_25_and_100(resource: Resource, wanted: Difficulty) -> None:
    assert 25 <= rank(resource, wanted) <= 100


def test_an_irrelevant_resource_is_not_chosen_however_good() -> None:
    best = dataclasses.replace(PLAIN, id="best", type=ResourceType.PROJECT, cost=Cost.FREE, rating=5, certificate=True)
    near = [dataclasses.replace(PLAIN, id=f"near{n}") for n in range(2)]
    chosen = choose([*_crowd(), _match(best, 0.25), *(_match(resource, 0.6) for resource in near)], NEED)
    assert _ids(chosen) == ["near0", "near1"]


def test_the_rank_orders_what_is_about_as_near() -> None:
    good = dataclasses.replace(PLAIN, id="good", rating=4.8, certificate=True)
    chosen = choose([*_crowd(), _match(PLAIN, 0.62), _match(good, 0.6)], NEED)
    assert _ids(chosen) == ["good", "plain"]
    assert [ranked.match for ranked in chosen] == [0.6, 0.62]
    assert chosen[0].score == rank(good, Difficulty.BEGINNER)


def test_a_better_rank_does_not_make_up_for_being_half_as_near() -> None:
    good = dataclasses.replace(PLAIN, id="good", rating=4.0, cost=Cost.FREE)
    chosen = choose([*_crowd(), _match(PLAIN, 0.7), _match(good, 0.4)], NEED)
    assert _ids(chosen) == ["plain", "good"]


def test_nothing_is_chosen_where_everything_near_exceeds_the_budget() -> None:
    long = dataclasses.replace(PLAIN, id="long", duration_days=11)
    assert choose([*_crowd(), _match(long, 0.8)], NEED) == ()


def test_nothing_is_chosen_for_a_need_the_catalogue_knows_nothing_of() -> None:
    matches = [*_crowd(), _match(PLAIN, 0.2)]
    assert _ids(choose(matches, NEED)) == ["plain"]
    assert choose(matches, NEED, floor=0.25) == ()


def test_only_the_wanted_types_are_chosen() -> None:
    project = dataclasses.replace(PLAIN, id="project", type=ResourceType.PROJECT)
    request = dataclasses.replace(NEED, types=(ResourceType.PROJECT,))
    assert _ids(choose([*_crowd(), _match(PLAIN, 0.7), _match(project, 0.6)], request)) == ["project"]


def test_an_empty_catalogue_has_nothing_to_choose() -> None:
    assert choose([], NEED) == ()


@given(st.lists(matches, max_size=30, unique_by=lambda match: match.resource.id), requests)
def test_a_choice_keeps_the_budget_the_types_and_the_limit_in_any_order(
    found: list[Match], request: FindResources
) -> None:
    chosen = choose(found, request)
    assert len(chosen) <= request.limit
    assert all(ranked.resource.duration_days <= request.budget_days for ranked in chosen)
    assert all(not request.types or ranked.resource.type in request.types for ranked in chosen)
    assert chosen == choose(found[::-1], request)


def _crowd() -> list[Match]:
    """The rest of a catalogue, about other things."""
    return [_match(dataclasses.replace(PLAIN, id=f"other{n}"), n / 100) for n in range(9)]


def _match(resource: Resource, match: float) -> Match:
    return Match(resource=resource, match=match)


def _ids(chosen: tuple[RankedResource, ...]) -> list[str]:
    return [ranked.resource.id for ranked in chosen]
