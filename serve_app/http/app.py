"""The FastAPI application: routes, guard and problems put together over a `Service`."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline

from serve_app.http import alerts, events, health, learning, metrics, problems, questions, scraping, sessions
from serve_app.http.guard import Guard
from serve_app.http.metering import Metered, operation_of
from serve_app.http.service import Service
from serve_app.http.tenants import bearer

SUMMARY = "Turns the gaps between a CV and a job description into questions, and the answers into true evidence."


def _untraced(scope: MutableMapping[str, Any]) -> bool:
    """All but the service's own work; and what has a query, which would be told, and may name a user."""
    return operation_of(scope.get("method", ""), scope["path"]) is None or bool(scope["query_string"])


TELEMETRY: TelemetryConfig = {"metrics": False, "logs": False, "operation_spans": False, "exclude": _untraced}
"""FastAPI's own: a span for each request, where `serve_app.tracing` has anywhere to send it."""


def create_app(service: Service) -> FastAPI:
    """The application over these ports; it holds nothing of its own but them, its docs page included."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.recording.start()
        yield
        await service.recording.aclose()

    app = FastAPIOffline(
        title="Askwell",
        version=version("askwell"),
        summary=SUMMARY,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=TELEMETRY,
    )
    app.state.service = service
    problems.install(app)
    app.add_middleware(Guard, settings=service.settings, probe=service.here)
    app.add_middleware(Metered, recorder=service.recording.recorder)
    routers = (sessions, events, questions, learning, metrics, alerts, scraping)
    for router in (part.router for part in routers):
        app.include_router(router, dependencies=[Depends(bearer)])
    app.include_router(health.router)
    app.add_api_route("/", _home, include_in_schema=False)
    return app


async def _home() -> RedirectResponse:
    return RedirectResponse("/docs")
