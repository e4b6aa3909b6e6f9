"""A trace goes from a request through everything that is done for it, and holds no text of anybody's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span

from actors.providers.port import Fault
from actors.resilience.traced import Traced as TracedProvider
from serve_app.http.app import TELEMETRY
from state.tracing import carried, continued, span
from tests.fake_provider import TARGET, Fails, FakeProvider, Says, a_call, fault_of

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
KEPT = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    """OpenTelemetry has one for a process, which cannot be taken back."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(KEPT))
    trace.set_tracer_provider(provider)


@pytest.fixture(autouse=True)
def kept(provider: None) -> Iterator[InMemorySpanExporter]:
    KEPT.clear()
    yield KEPT
    KEPT.clear()


def root() -> AbstractContextManager[Span]:
    """As a request begins a trace."""
    return trace.get_tracer("test").start_as_current_span("request", record_exception=False)


def spans() -> dict[str, ReadableSpan]:
    return {found.name: found for found in KEPT.get_finished_spans()}


def attributes(name: str) -> dict[str, Any]:
    return dict(spans()[name].attributes or {})


def ids(found: ReadableSpan) -> tuple[int, int]:
    context = found.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


def test_what_no_request_asked_for_is_not_traced() -> None:
    with span("a probe") as probe:
        assert not probe.is_recording()
        assert carried() == ""
    assert spans() == {}


def test_a_part_in_another_process_is_of_the_same_trace() -> None:
    with root(), span("asked"):
        sent = carried()
    with continued(sent), span("answered"):
        pass
    found = spans()
    assert len({ids(one)[0] for one in found.values()}) == 1
    assert found["request"].parent is None
    answered, asked = found["answered"], found["asked"]
    assert answered.parent is not None
    assert answered.parent.span_id == ids(asked)[1]


async def test_work_that_is_begun_in_a_task_of_its_own_belongs_to_its_request() -> None:
    async def work() -> None:
        with span("work"):
            await asyncio.sleep(0)

    with root():
        task = asyncio.create_task(work())
    await task
    found = spans()["work"]
    assert found.parent is not None
    assert found.parent.span_id == ids(spans()["request"])[1]


@pytest.mark.parametrize("sent", ["", "nonsense", "00-00-00-00", CALLER[:-4]])
def test_what_is_no_traceparent_belongs_to_no_trace(sent: str) -> None:
    with continued(sent), span("work"):
        pass
    assert spans() == {}


def test_an_error_is_told_by_its_kind_alone() -> None:
    with pytest.raises(ValueError, match="Ada Nowak"), root(), span("work"):
        raise ValueError("Ada Nowak")
    found = spans()["work"]
    assert dict(found.attributes or {}) == {"error.type": "ValueError"}
    assert found.events == ()
    assert "Ada" not in found.to_json()


async def requested(path: str, status: int = 200, traceparent: str = "") -> None:
    """A request to an application that answers with the status and has a part of its own to trace."""
    app = FastAPI(telemetry=TELEMETRY)

    @app.get("/api/sessions/{session_id}", status_code=status)
    @app.get("/api/learning-plans", status_code=status)
    @app.get("/api/metrics/health", status_code=status)
    @app.get("/metrics", status_code=status)
    @app.get("/health/ready", status_code=status)
    async def answer() -> None:
        with span("inside"):
            return

    headers = {"traceparent": traceparent} if traceparent else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get(path, headers=headers)).status_code == status


@pytest.mark.parametrize(("status", "is_error"), [(200, False), (409, False), (503, True)])
async def test_a_request_has_a_span_which_is_wrong_only_where_the_service_failed(status: int, is_error: bool) -> None:
    await requested("/api/sessions/s17", status)
    found = spans()["GET /api/sessions/{session_id}"]
    assert attributes(found.name)["http.response.status_code"] == status
    assert (found.status.status_code is trace.StatusCode.ERROR) == is_error
    inside = spans()["inside"]
    assert inside.parent is not None
    assert inside.parent.span_id == ids(found)[1]


async def test_a_request_goes_on_with_its_caller_s_trace() -> None:
    await requested("/api/sessions/s17", traceparent=CALLER)
    found = spans()["GET /api/sessions/{session_id}"]
    assert f"{ids(found)[0]:032x}" == CALLER.split("-")[1]
    assert found.parent is not None
    assert f"{found.parent.span_id:016x}" == CALLER.split("-")[2]


@pytest.mark.parametrize(
    "path", ["/health/ready", "/metrics", "/api/metrics/health", "/api/learning-plans?user=ada-nowak"]
)
async def test_looking_after_the_service_and_a_query_that_names_somebody_are_not_traced(path: str) -> None:
    await requested(path)
    assert spans() == {}


async def test_a_call_to_a_model_tells_its_tokens_and_nothing_of_what_was_said() -> None:
    with root():
        await TracedProvider(FakeProvider(Says(text="I led Ada's team.")), target=TARGET).call(
            a_call(task="Praise Ada.")
        )
    name = f"chat {TARGET.model}"
    told = attributes(name)
    assert told["gen_ai.provider.name"] == TARGET.provider
    assert told["gen_ai.usage.input_tokens"] > 0
    assert told["gen_ai.usage.output_tokens"] > 0
    assert "Ada" not in spans()[name].to_json()


async def test_a_call_that_failed_tells_the_fault() -> None:
    provider = TracedProvider(FakeProvider(Fails(fault=Fault.THROTTLED)), target=TARGET)
    with root():
        await fault_of(provider, a_call())
    assert attributes(f"chat {TARGET.model}")["askwell.fault"] == Fault.THROTTLED
    assert spans()[f"chat {TARGET.model}"].status.status_code is trace.StatusCode.ERROR
