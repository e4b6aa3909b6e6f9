"""Which learning resources fit a need: how near each is, and how good.

Nearness is measured against the catalogue itself, because cosines of one embedder mean nothing for
another: the median resource, which has nothing to do with the need, is 0, and the nearest is 1. What
is less than half-way there is not near enough, however good. The rest is ordered by rank x
nearness squared, so that of two resources the one 0.7 times as near would have to rank twice as high
to come first. Nearness is measured
before the budget and the types are applied: where everything near is too long, nothing is chosen
rather than something irrelevant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from state.messages import FindResources
from state.model import Cost, Difficulty, RankedResource, Resource, ResourceType

DIFFICULTY_POINTS = (30.0, 20.0, 10.0)
"""By the number of steps between the wanted and the resource's difficulty."""
RATING_POINTS = 25.0
MAX_RATING = 5.0
TYPE_POINTS: Mapping[ResourceType, float] = {
    ResourceType.PROJECT: 20.0,
    ResourceType.COURSE: 18.0,
    ResourceType.CERTIFICATION: 15.0,
}
CERTIFICATE_POINTS = 15.0
COST_POINTS: Mapping[Cost, float] = {Cost.FREE: 10.0, Cost.FREEMIUM: 5.0, Cost.PAID: 0.0}
NEAR_ENOUGH = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A resource and its cosine similarity to the need."""

    resource: Resource
    match: float


def rank(resource: Resource, wanted: Difficulty) -> float:
    """How good a resource is, of 100, whatever it is about."""
    levels = list(Difficulty)
    steps = abs(levels.index(resource.difficulty) - levels.index(wanted))
    return (
        DIFFICULTY_POINTS[steps]
        + resource.rating * RATING_POINTS / MAX_RATING
        + TYPE_POINTS[resource.type]
        + (CERTIFICATE_POINTS if resource.certificate else 0.0)
        + COST_POINTS[resource.cost]
    )


def choose(matches: Sequence[Match], request: FindResources, *, floor: float = 0.0) -> tuple[RankedResource, ...]:
    """At most `request.limit` resources, best first, each of which fits the budget on its own.

    `matches` must hold the whole catalogue, in any order, or the median is not the typical one. A
    cosine below `floor` is no match at all: for a need that the catalogue knows nothing of, none is
    better than the nearest.
    """
    if not matches:
        return ()
    cosines = [match.match for match in matches]
    typical, nearest = median(cosines), max(cosines)
    chosen = []
    for match in matches:
        nearness = _nearness(match.match, typical, nearest)
        if match.match >= floor and nearness >= NEAR_ENOUGH and _fits(match.resource, request):
            score = rank(match.resource, request.difficulty)
            ranked = RankedResource(resource=match.resource, score=score, match=match.match)
            chosen.append((-score * nearness**2, match.resource.id, ranked))
    return tuple(ranked for _, _, ranked in sorted(chosen, key=lambda entry: entry[:2])[: request.limit])


def _nearness(cosine: float, typical: float, nearest: float) -> float:
    """0 for the median resource, 1 for the nearest; 1 for all where none stands out."""
    return (cosine - typical) / (nearest - typical) if nearest > typical else 1.0


def _fits(resource: Resource, request: FindResources) -> bool:
    return resource.duration_days <= request.budget_days and (not request.types or resource.type in request.types)
