"""Traces of requests, by OpenTelemetry's API: what was done, where, how long it took and how it ended.

    HTTP request ──> session actor ──> pools ──> provider
         └───────────────┴──────────────┴──> Redis          one trace, carried along as a W3C `traceparent`

A request begins a trace; all else belongs to one, or to none and is then not traced. Without an SDK that is set up
nobody begins any. Spans name operations, and hold no text of anybody's: neither content nor an error's message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACEPARENT = "traceparent"
Attributes = Mapping[str, str | int | bool]
_W3C = TraceContextTextMapPropagator()


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None) -> Iterator[Span]:
    """A part of what is being traced; where nothing is, a span that keeps nothing. It ends with the kind of the error
    that ended it, whose message may hold anything."""
    if not trace.get_current_span().get_span_context().is_valid:
        yield INVALID_SPAN
        return
    tracer = trace.get_tracer("askwell")
    with tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as begun:
        try:
            yield begun
        except BaseException as error:
            begun.set_attribute("error.type", type(error).__name__)
            begun.set_status(Status(StatusCode.ERROR))
            raise


def carried() -> str:
    """What tells another process which trace this is; '' where it is none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get(_TRACEPARENT, "")


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Go on with the trace of another process; one that cannot be read is none."""
    if not traceparent:
        yield
        return
    token = context.attach(_W3C.extract({_TRACEPARENT: traceparent}))
    try:
        yield
    finally:
        context.detach(token)
