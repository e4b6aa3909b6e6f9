"""The route that Prometheus scrapes: the cluster's merged figures, the same from every replica."""

from __future__ import annotations

from fastapi import APIRouter, Response

from serve_app.http.exposing import MEDIA_TYPE, exposed, exposed_without_store
from serve_app.http.problems import documented
from serve_app.http.tenants import Askwell
from state.errors import RecordUnreadable, StoreUnavailable

router = APIRouter(tags=["metrics"])


@router.get(
    "/metrics",
    operation_id="prometheusMetrics",
    response_class=Response,
    responses={
        **documented(RecordUnreadable),
        200: {"description": "Prometheus's text format.", "content": {"text/plain": {}}},
    },
)
async def prometheus(askwell: Askwell) -> Response:
    """Counters and histograms of all that was ever measured, by all replicas; `askwell_store_up` is 0, and the rest
    is missing, while Redis does not answer."""
    try:
        text = exposed(await askwell.windows.totals(), await askwell.book.read(), askwell.rules)
    except StoreUnavailable:
        text = exposed_without_store()
    return Response(text, media_type=MEDIA_TYPE)
