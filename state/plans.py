"""Learning plans: resources laid out day by day, and how far the candidate has come with each.

    suggested ──> in_progress ──> completed
        └────────────┴──────────> abandoned

A resume line exists only for what has been started, and says no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from state.backend import Backend
from state.calls import derived_id
from state.codec import pack, unpack
from state.errors import Fenced, KeyReused, NotFound, StepNotOpen, StoreUnavailable
from state.model import RankedResource, Resource, ResourceType
from state.store import Commit, RecordStore

ORDER = (ResourceType.COURSE, ResourceType.PROJECT, ResourceType.CERTIFICATION)
MAX_ATTEMPTS = 20


class Progress(StrEnum):
    SUGGESTED = "suggested"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


MOVES: Mapping[Progress, frozenset[Progress]] = {
    Progress.SUGGESTED: frozenset({Progress.IN_PROGRESS, Progress.ABANDONED}),
    Progress.IN_PROGRESS: frozenset({Progress.COMPLETED, Progress.ABANDONED}),
    Progress.COMPLETED: frozenset(),
    Progress.ABANDONED: frozenset({Progress.IN_PROGRESS}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One resource, from its first to its last day (counted from 1, both included)."""

    resource: Resource
    first_day: int
    last_day: int
    progress: Progress = Progress.SUGGESTED
    started_ms: int | None = None

    @property
    def resume_line(self) -> str | None:
        """What a resume may say of it; None until it has been started."""
        if self.progress is Progress.IN_PROGRESS:
            return f"Currently learning: {self.resource.title} ({self.resource.provider})"
        if self.progress is Progress.COMPLETED:
            return f"Completed: {self.resource.title} ({self.resource.provider})"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`fingerprint` is the hash of the request that made it."""

    id: str
    fingerprint: str
    tenant: str
    user: str
    need: str
    items: tuple[PlanItem, ...]
    created_ms: int
    updated_ms: int

    @property
    def days(self) -> int:
        return max((item.last_day for item in self.items), default=0)


def lay_out(resources: Iterable[RankedResource], *, budget_days: int) -> tuple[PlanItem, ...]:
    """The best resources that fit into the budget together, courses first, then projects, then
    certifications; within a type by rank. What does not fit any more is left out."""
    chosen: list[Resource] = []
    left = budget_days
    for ranked in sorted(resources, key=lambda ranked: -ranked.score):
        if ranked.resource.duration_days <= left:
            chosen.append(ranked.resource)
            left -= ranked.resource.duration_days
    items: list[PlanItem] = []
    day = 1
    for resource in sorted(chosen, key=lambda resource: ORDER.index(resource.type)):
        last = day + resource.duration_days - 1
        items.append(PlanItem(resource=resource, first_day=day, last_day=last))
        day = last + 1
    return tuple(items)


def progressed(plan: Plan, resource_id: str, progress: Progress, *, now_ms: int) -> Plan:
    """The plan with one item moved on. Repeating the present state changes nothing.

    Raises `NotFound` for a resource that is not in the plan and `StepNotOpen` for a move that
    `MOVES` does not hold.
    """
    item = next((item for item in plan.items if item.resource.id == resource_id), None)
    if item is None:
        raise NotFound
    if item.progress is progress:
        return plan
    if progress not in MOVES[item.progress]:
        raise StepNotOpen(step=item.progress.value, accepts=tuple(sorted(MOVES[item.progress])))
    started_ms = item.started_ms
    if progress is Progress.IN_PROGRESS and started_ms is None:
        started_ms = now_ms
    moved = replace(item, progress=progress, started_ms=started_ms)
    items = tuple(moved if old is item else old for old in plan.items)
    return replace(plan, items=items, updated_ms=now_ms)


class PlanBook:
    """Plans in Redis: a record each in `store`, found by id, and an index for each user that expires with them."""

    def __init__(
        self,
        *,
        store: RecordStore,
        backend: Backend,
        now_ms: Callable[[], int],
        ttl_s: float,
    ) -> None:
        self._store = store
        self._backend = backend
        self._now_ms = now_ms
        self._ttl_ms = int(ttl_s * 1000)

    async def create(self, plan: Plan) -> Plan:
        """Keep a new plan; if the same request has made it already, that one. Indexed before it is returned.

        Raises `KeyReused` if another request has made a plan of this id.
        """
        try:
            await self._commit(plan, version=0)
        except Fenced:
            known = (await self._read(plan.tenant, plan.id))[0]
            if known.fingerprint != plan.fingerprint:
                raise KeyReused from None
            plan = known
        await self._index(plan)
        return plan

    async def list(self, tenant: str, user: str, *, limit: int) -> tuple[Plan, ...]:
        """The user's plans that have not expired, newest first."""
        ids: list[bytes] = await self._backend.read("plans.lua", [_index_key(tenant, user)], [self._now_ms(), limit])
        found = await asyncio.gather(*(self._store.read(id_.decode()) for id_ in ids))
        plans = [unpack(Plan, stored.state) for stored in found if stored is not None]
        own = (plan for plan in plans if (plan.tenant, plan.user) == (tenant, user))
        return tuple(sorted(own, key=lambda plan: -plan.created_ms))

    async def move(self, tenant: str, plan_id: str, resource_id: str, progress: Progress) -> Plan:
        """Move one item on. Two at once both count: the later one is applied to the earlier one's result."""
        for _ in range(MAX_ATTEMPTS):
            plan, version = await self._read(tenant, plan_id)
            moved = progressed(plan, resource_id, progress, now_ms=self._now_ms())
            if moved is plan:
                return plan
            try:
                await self._commit(moved, version=version)
            except Fenced:
                continue
            await self._index(moved)
            return moved
        raise StoreUnavailable("The plan is being changed by too many requests at once.")

    async def _read(self, tenant: str, plan_id: str) -> tuple[Plan, int]:
        stored = await self._store.read(plan_id)
        if stored is None:
            raise NotFound
        plan = unpack(Plan, stored.state)
        if plan.tenant != tenant:
            raise NotFound
        return plan, stored.version

    async def _commit(self, plan: Plan, *, version: int) -> None:
        state = pack(plan)
        await self._store.commit(
            Commit(record_id=plan.id, tenant=plan.tenant, epoch=1, version=version, state=state, ttl_ms=self._ttl_ms)
        )

    async def _index(self, plan: Plan) -> None:
        key, ends_ms = _index_key(plan.tenant, plan.user), plan.updated_ms + self._ttl_ms
        await self._backend.write("index_plan.lua", [key], [plan.id, ends_ms, self._ttl_ms])


def _index_key(tenant: str, user: str) -> str:
    return f"askwell:{{plans:{derived_id('plans', tenant, user)}}}:index"
