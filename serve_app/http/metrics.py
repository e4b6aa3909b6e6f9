"""Routes of what is measured: six reports over a window that ends now, the same from every replica."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from serve_app.http.problems import documented
from serve_app.http.service import Service
from serve_app.http.tenants import Askwell, Tenant
from state.errors import RecordUnreadable
from state.metrics.buckets import LONGEST_WINDOW, Window
from state.metrics.labels import NONE, Operation
from state.metrics.reports import (
    CacheReport,
    CostsReport,
    DashboardReport,
    Filter,
    HealthReport,
    PerformanceReport,
    QualityReport,
    cache_report,
    costs_report,
    dashboard_report,
    health_report,
    performance_report,
    quality_report,
)
from state.metrics.spend import only
from state.model import Priority

router = APIRouter(prefix="/api/metrics", tags=["metrics"])
_PROBLEMS = documented(RecordUnreadable)
_UNSET = BeforeValidator(lambda value: value or None)
"""A filter that is empty lets all through."""


class Asked(BaseModel):
    """What a report is to be about."""

    model_config = ConfigDict(extra="forbid")

    time_window_minutes: int = Field(
        60, ge=1, le=LONGEST_WINDOW, description="The current minute, as far as it has gone, and so many before it."
    )
    operation: Annotated[Operation | None, _UNSET] = Field(None, description="Only what is counted under it.")
    gap_priority: Annotated[Priority | None, _UNSET] = Field(None, description="Only what is about gaps of it.")

    @property
    def filter(self) -> Filter:
        return Filter(operation=self.operation, priority=self.gap_priority)


Wanted = Annotated[Asked, Query()]


@router.get("/dashboard", operation_id="dashboardMetrics", response_model=DashboardReport, responses=_PROBLEMS)
async def dashboard(asked: Wanted, askwell: Askwell, tenant: Tenant) -> Response:
    """The first look: the sums of the other five."""
    return await _answered(askwell, tenant, asked, dashboard_report)


@router.get("/performance", operation_id="performanceMetrics", response_model=PerformanceReport, responses=_PROBLEMS)
async def performance(asked: Wanted, askwell: Askwell, tenant: Tenant) -> Response:
    """How many, how fast (average, p50, p95, p99, within 0.5 %) and with which errors."""
    return await _answered(askwell, tenant, asked, performance_report)


@router.get("/costs", operation_id="costMetrics", response_model=CostsReport, responses=_PROBLEMS)
async def costs(asked: Wanted, askwell: Askwell, tenant: Tenant) -> Response:
    """What calls to providers used and cost, by the providers' own counts, and where that leads in a day and a month.

    Other tenants and sessions are named to operators alone; what they cost is in the sums.
    """
    return await _answered(askwell, tenant, asked, costs_report)


@router.get("/quality", operation_id="qualityMetrics", response_model=QualityReport, responses=_PROBLEMS)
async def quality(asked: Wanted, askwell: Askwell, tenant: Tenant) -> Response:
    """How answers were scored, and how many passed at once."""
    return await _answered(askwell, tenant, asked, quality_report)


@router.get("/cache", operation_id="cacheMetrics", response_model=CacheReport, responses=_PROBLEMS)
async def cache(asked: Wanted, askwell: Askwell, tenant: Tenant) -> Response:
    """What was found in the embedding caches, in providers' prefix caches, and among calls under way."""
    return await _answered(askwell, tenant, asked, cache_report)


@router.get("/health", operation_id="healthMetrics", response_model=HealthReport, responses=_PROBLEMS)
async def health(asked: Wanted, askwell: Askwell, tenant: Tenant) -> Response:
    """How each component is, since when, and what it failed with last; no filter applies."""
    return await _answered(askwell, tenant, asked, _health_report)


def _health_report(window: Window, _: Filter) -> HealthReport:
    return health_report(window)


_KINDS = (DashboardReport, PerformanceReport, CostsReport, QualityReport, CacheReport, HealthReport)
_WRITERS: Mapping[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _KINDS}


async def _answered(
    askwell: Service, tenant: str, asked: Asked, report: Callable[[Window, Filter], object]
) -> Response:
    window = await askwell.windows.window(asked.time_window_minutes)
    if not askwell.settings.is_operator(tenant):
        window = _as_seen_by(tenant, window)
    answer = report(window, asked.filter)
    return Response(_WRITERS[type(answer)].dump_json(answer), media_type="application/json")


def _as_seen_by(tenant: str, window: Window) -> Window:
    """Whose the sessions are is not known here, so that none is named."""
    cells = window.cells
    named = replace(cells, tenants=only(cells.tenants, tenant), sessions=only(cells.sessions, NONE))
    return replace(window, cells=named)
