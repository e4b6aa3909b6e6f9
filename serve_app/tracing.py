"""Where this process's spans go: to the collector of `ASKWELL_OTLP_ENDPOINT`, or nowhere. Imports no Ray."""

from __future__ import annotations

import os
from importlib.metadata import version

from serve_app.settings import Settings

EXPORT_EVERY_MS = 1_000
"""A process that is killed takes the spans of its last second along."""


def begin(settings: Settings, part: str) -> None:
    """Have the spans of this process, which is `part` of the service, exported from a thread of its own."""
    if settings.otlp_endpoint is None:
        return
    # here, because most services have no collector, and these take a tenth of a second in each process
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create(
        {
            "service.name": "askwell",
            "service.version": version("askwell"),
            "service.instance.id": f"{part}-{os.getpid()}",
        }
    )
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_MS))
    trace.set_tracer_provider(provider)
