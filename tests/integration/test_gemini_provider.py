"""What is particular to Gemini's adapter."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from google.genai import types
from provider_wires import KEY, GeminiWire
from scripted_server import ScriptedServer, Stream, respond_json

from actors.providers.gemini import ENDINGS, GeminiProvider
from actors.providers.port import Call, Fault, ProviderError, Turn
from state.messages import Origin
from state.spending import Usage

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

WIRE = GeminiWire()
CALL = Call(
    operation="write_question",
    prompt="write_question/3",
    kind="WrittenQuestion",
    schema={
        "type": "object",
        "properties": {"gap": {"$ref": "#/$defs/Gap"}, "minutes": {"type": "integer", "minimum": 1, "maximum": 5}},
        "required": ["gap", "minutes"],
        "additionalProperties": False,
        "$defs": {"Gap": {"enum": ["a", "b"], "type": "string"}},
    },
    system="rules",
    context="<cv/>",
    task="<gap/>",
    max_output_tokens=900,
    origin=Origin(tenant="acme", session_id="s-4711"),
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would lead the SDK elsewhere."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v1")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://elsewhere.invalid")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer().serving() as serving:
        serving.script(respond_json(WIRE.whole("{}")))
        yield serving


def a_provider(server: ScriptedServer, **options: Any) -> GeminiProvider:
    return GeminiProvider(api_key=KEY, base_url=server.url, **{"model": "gemini-2.5-flash-lite", **options})


async def body(server: ScriptedServer, call: Call = CALL, **options: Any) -> dict[str, Any]:
    """The body that the server gets for one call."""
    provider = a_provider(server, **options)
    await provider.call(call)
    await provider.aclose()
    sent: dict[str, Any] = server.received[-1].body
    return sent


async def test_the_whole_request_whatever_the_environment_says(server: ScriptedServer) -> None:
    assert await body(server) == {
        "systemInstruction": {"parts": [{"text": "rules"}]},
        "contents": [{"role": "user", "parts": [{"text": "<cv/>"}, {"text": "<gap/>"}]}],
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": CALL.schema,
            "maxOutputTokens": 900,
        },
    }
    received = server.received[0]
    assert received.target == "/v1beta/models/gemini-2.5-flash-lite:generateContent"
    assert received.headers["x-goog-api-key"] == KEY
    assert received.headers["content-type"] == "application/json"


async def test_a_streamed_request_differs_in_its_path_alone(server: ScriptedServer) -> None:
    whole = await body(server)
    server.script(Stream(parts=tuple(WIRE.events(["{}"]))))
    assert await body(server, replace(CALL, heard=lambda piece: None)) == whole
    assert server.received[1].target == "/v1beta/models/gemini-2.5-flash-lite:streamGenerateContent?alt=sse"


async def test_a_thinking_budget_is_sent_where_one_is_set(server: ScriptedServer) -> None:
    config = (await body(server, thinking_budget=0))["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingBudget": 0}


async def test_turns_go_on_after_the_task(server: ScriptedServer) -> None:
    turns = (Turn(role="assistant", text="{}"), Turn(role="user", text="The gap is missing."))
    assert (await body(server, replace(CALL, turns=turns)))["contents"][1:] == [
        {"role": "model", "parts": [{"text": "{}"}]},
        {"role": "user", "parts": [{"text": "The gap is missing."}]},
    ]


async def test_a_model_may_be_named_the_way_gemini_lists_it(server: ScriptedServer) -> None:
    await body(server, model="models/gemini-2.5-flash")
    assert server.received[0].target == "/v1beta/models/gemini-2.5-flash:generateContent"


async def test_thoughts_are_charged_and_not_taken_for_the_reply(server: ScriptedServer) -> None:
    reply = WIRE.whole("{}")
    reply["candidates"][0]["content"]["parts"].insert(0, {"text": "Let me see.", "thought": True})
    reply["usageMetadata"] = {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 90}
    server.script(respond_json(reply))
    provider = a_provider(server)
    done = await provider.call(CALL)
    await provider.aclose()
    assert done.text == "{}"
    assert done.usage == Usage(input_tokens=10, output_tokens=94, thinking_tokens=90)


async def test_the_usage_of_a_stream_is_that_of_its_last_event(server: ScriptedServer) -> None:
    first = {**WIRE.whole("{", finish=None), "usageMetadata": {"promptTokenCount": 10}}
    last = {**WIRE.whole("}"), "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2}}
    growing = [b"data: %s\r\n\r\n" % json.dumps(event).encode() for event in (first, last)]
    server.script(Stream(parts=tuple(growing)))
    provider = a_provider(server)
    done = await provider.call(replace(CALL, heard=lambda piece: None))
    await provider.aclose()
    assert done.usage == Usage(input_tokens=10, output_tokens=2)


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("RECITATION", Fault.DECLINED),
        ("SPII", Fault.DECLINED),
        ("PUP_LIMITED_DISABLED", Fault.TURNED_DOWN),
        ("MALFORMED_RESPONSE", Fault.GARBLED),
        ("OTHER", Fault.GARBLED),
        ("SOMETHING_NEW", Fault.GARBLED),
    ],
)
async def test_an_end_is_the_fault_of_its_reason(server: ScriptedServer, reason: str, fault: Fault) -> None:
    reply = WIRE.whole("{}")
    reply["candidates"][0]["finishReason"] = reason
    assert (await _fault(server, respond_json(reply))).fault is fault


def test_every_known_reason_is_one_of_the_sdks() -> None:
    assert set(ENDINGS) <= {reason.value for reason in types.FinishReason}


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("27s", 27.0), ("27.5s", 27.5), ("0.25s", 0.25), ("soon", None), ("", None), (7, None), ("infs", None)],
)
async def test_the_delay_in_an_errors_details_is_the_wish(
    server: ScriptedServer, delay: Any, seconds: float | None
) -> None:
    details = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://ai.google.dev"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    reply = respond_json({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}, status=429)
    error = await _fault(server, reply)
    assert (error.fault, error.retry_after_s) == (Fault.THROTTLED, seconds)


async def test_a_header_counts_before_the_details(server: ScriptedServer) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27s"}]
    reply = respond_json({"error": {"code": 429, "details": details}}, status=429, retry_after="3")
    assert (await _fault(server, reply)).retry_after_s == 3.0


async def test_a_daily_quota_is_spent_though_a_delay_is_named(server: ScriptedServer) -> None:
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27s"},
    ]
    error = await _fault(server, respond_json({"error": {"code": 429, "details": details}}, status=429))
    assert (error.fault, error.retry_after_s) == (Fault.QUOTA_SPENT, 27.0)


INVALID_KEY = {
    "code": 400,
    "message": "API key not valid. Please pass a valid API key.",
    "status": "INVALID_ARGUMENT",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        },
        {
            "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
            "locale": "en-US",
            "message": "API key not valid.",
        },
    ],
}


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (INVALID_KEY, Fault.TURNED_DOWN),
        ({"code": 400, "status": "FAILED_PRECONDITION"}, Fault.TURNED_DOWN),
        ({"code": 400, "status": "INVALID_ARGUMENT"}, Fault.UNFIT),
        ({"code": 400, "details": [{"reason": "SOMETHING_ELSE"}]}, Fault.UNFIT),
    ],
)
async def test_a_400_for_the_key_is_told_from_one_for_the_request(
    server: ScriptedServer, error: dict[str, Any], fault: Fault
) -> None:
    raised = await _fault(server, respond_json({"error": error}, status=400))
    assert (raised.fault, raised.status) == (fault, 400)


async def test_errors_in_an_array_are_read_too(server: ScriptedServer) -> None:
    """What `streamGenerateContent` sends where it does not speak in events."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "5s"}]
    reply = respond_json([{"error": {"code": 429, "details": details}}], status=429)
    assert (await _fault(server, reply)).retry_after_s == 5.0


async def _fault(server: ScriptedServer, reply: Any) -> ProviderError:
    provider = a_provider(server)
    server.script(reply)
    with pytest.raises(ProviderError) as raised:
        await provider.call(CALL)
    await provider.aclose()
    assert len(server.received) == 1
    return raised.value
