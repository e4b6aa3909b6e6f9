"""Routes of learning resources and learning plans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from serve_app.http.bodies import PlanBody, ProgressBody, SearchBody
from serve_app.http.idempotency import fingerprint
from serve_app.http.problems import documented
from serve_app.http.service import Service
from serve_app.http.tenants import Askwell, Key, Tenant
from serve_app.http.views import PlansView, PlanView, ResourcesView
from state.calls import derived_id
from state.errors import KeyReused, NotFound, StepNotOpen, StillRunning, WorkUnavailable
from state.messages import FindResources, Origin
from state.model import RankedResource
from state.plans import Plan, lay_out

router = APIRouter(prefix="/api", tags=["learning"])
_ONCE = documented(StillRunning, KeyReused, WorkUnavailable)


@router.post(
    "/learning-resources/search", operation_id="searchResources", response_model=ResourcesView, responses=_ONCE
)
async def search_resources(
    request: Request, body: SearchBody, askwell: Askwell, tenant: Tenant, key: Key = None
) -> Response:
    """At most five resources near the need, each within the budget of days, best first."""

    async def work() -> bytes:
        found = await askwell.retriever.find_resources(body.search(tenant))
        return ResourcesView(resources=list(found)).model_dump_json().encode()

    reply = await askwell.calls.once(tenant, key, fingerprint(request, body), work)
    return Response(reply, media_type="application/json")


@router.post(
    "/learning-plans",
    status_code=201,
    operation_id="createPlan",
    response_model=PlanView,
    responses=documented(NotFound, StillRunning, KeyReused, WorkUnavailable),
)
async def create_plan(request: Request, body: PlanBody, askwell: Askwell, tenant: Tenant, key: Key = None) -> Response:
    """Lay resources out day by day: courses, then projects, then certifications."""
    plan_id = askwell.new_id() if key is None else derived_id("plan", tenant, key)

    async def work() -> bytes:
        user, need, resources = await _wanted(askwell, tenant, body)
        now_ms = askwell.now_ms()
        plan = Plan(
            id=plan_id,
            fingerprint=fingerprint(request, body),
            tenant=tenant,
            user=user,
            need=need,
            items=lay_out(resources, budget_days=body.budget_days),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        return PlanView.of(await askwell.plans.create(plan)).model_dump_json().encode()

    reply = await askwell.calls.once(tenant, key, fingerprint(request, body), work)
    return Response(reply, status_code=201, media_type="application/json")


@router.get("/learning-plans", operation_id="listPlans", responses=documented())
async def list_plans(
    askwell: Askwell,
    tenant: Tenant,
    user: Annotated[str, Query(max_length=128)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> PlansView:
    """The user's plans, newest first."""
    plans = await askwell.plans.list(tenant, user, limit=limit)
    return PlansView(plans=[PlanView.of(plan) for plan in plans])


@router.patch("/learning-plans/{plan_id}", operation_id="movePlan", responses=documented(NotFound, StepNotOpen))
async def move_plan(
    plan_id: Annotated[str, Path(max_length=64)], body: ProgressBody, askwell: Askwell, tenant: Tenant
) -> PlanView:
    """Say how far a resource has come. A resume line appears once the learning has started."""
    return PlanView.of(await askwell.plans.move(tenant, plan_id, body.resource_id, body.state))


async def _wanted(askwell: Service, tenant: str, body: PlanBody) -> tuple[str, str, tuple[RankedResource, ...]]:
    """Whose plan, for which need, out of which resources."""
    if body.session_id is not None and body.question_id is not None:
        session = await askwell.sessions.read(tenant, body.session_id)
        question = session.require(body.question_id)
        return session.user, session.gap(question.gap_id).title, question.resources
    need = body.need or ""
    search = FindResources(
        need=need, budget_days=body.budget_days, difficulty=body.difficulty, origin=Origin(tenant=tenant)
    )
    return body.user, need, await askwell.retriever.find_resources(search)
