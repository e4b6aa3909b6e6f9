"""What is particular to OpenAI's adapter, and to other servers behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from provider_wires import KEY, OpenAIWire
from scripted_server import ScriptedServer, Stream, respond_json

from actors.providers.openai import CACHE_KEYS, THINKING_ROOM, OpenAIProvider, cache_key, least_effort
from actors.providers.port import Call, Fault, ProviderError
from state.messages import Origin
from state.spending import Usage

WIRE = OpenAIWire()
CALL = Call(
    operation="write_question",
    prompt="write_question/3",
    kind="WrittenQuestion",
    schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    system="rules",
    context="<cv/>",
    task="<gap/>",
    max_output_tokens=900,
    origin=Origin(tenant="acme", session_id="s-4711"),
)
REPLY = respond_json(WIRE.whole("{}"))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer().serving() as serving:
        yield serving


async def body(server: ScriptedServer, call: Call = CALL, **options: Any) -> dict[str, Any]:
    """The body that the server gets for one call."""
    options = {"is_openai": True, "model": "gpt-5-mini", **options}
    provider = OpenAIProvider(api_key=KEY, base_url=f"{server.url}/v1", **options)
    server.script(REPLY if call.heard is None else Stream(parts=tuple(WIRE.events(["{}"]))))
    await provider.call(call)
    await provider.aclose()
    sent: dict[str, Any] = server.received[-1].body
    return sent


async def test_the_whole_request(server: ScriptedServer) -> None:
    assert await body(server) == {
        "model": "gpt-5-mini",
        "messages": [
            {"role": "system", "content": "rules"},
            {"role": "user", "content": "<cv/>"},
            {"role": "user", "content": "<gap/>"},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "WrittenQuestion", "strict": True, "schema": CALL.schema},
        },
        "max_completion_tokens": 900 + THINKING_ROOM["minimal"],
        "reasoning_effort": "minimal",
        "prompt_cache_key": cache_key(CALL.origin),
    }
    received = server.received[0]
    assert received.target == "/v1/chat/completions"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"


async def test_a_streamed_request_asks_for_the_usage_too(server: ScriptedServer) -> None:
    whole = await body(server)
    streamed = await body(server, replace(CALL, heard=lambda piece: None))
    assert streamed == {**whole, "stream": True, "stream_options": {"include_usage": True}}


async def test_another_server_is_asked_for_what_all_servers_understand(server: ScriptedServer) -> None:
    sent = await body(server, is_openai=False, model="gpt-5-mini")
    assert sent["max_tokens"] == 900
    assert not {"max_completion_tokens", "prompt_cache_key", "reasoning_effort"} & set(sent)


async def test_a_chosen_effort_goes_to_every_server(server: ScriptedServer) -> None:
    assert (await body(server, reasoning_effort="high"))["reasoning_effort"] == "high"
    assert (await body(server, is_openai=False, reasoning_effort="high"))["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gpt-5", "minimal"),
        ("gpt-5-mini-2025-08-07", "minimal"),
        ("gpt-5.1", "none"),
        ("o4-mini", "low"),
        ("gpt-5-pro", None),
        ("gpt-5-chat-latest", None),
        ("gpt-4.1-mini", None),
        ("qwen3", None),
    ],
)
def test_the_least_effort_is_that_of_the_model(model: str, effort: str | None) -> None:
    assert least_effort(model) == effort


async def test_a_session_keeps_its_cache_key_and_sessions_share_a_few(server: ScriptedServer) -> None:
    first = (await body(server))["prompt_cache_key"]
    assert (await body(server, replace(CALL, task="<gap>2</gap>")))["prompt_cache_key"] == first
    assert "4711" not in first
    keys = {cache_key(Origin(tenant="acme", session_id=f"s-{number}")) for number in range(200)}
    assert len(keys) == CACHE_KEYS
    assert cache_key(Origin(tenant="acme")) in keys


async def test_from_gpt_5_6_on_the_ends_of_what_is_shared_are_marked(server: ScriptedServer) -> None:
    sent = await body(server, model="gpt-5.6-mini")
    marked = ["prompt_cache_breakpoint" in str(message["content"]) for message in sent["messages"]]
    assert marked == [True, True, False]
    assert sent["messages"][0]["content"][0]["text"] == "rules"


@pytest.mark.parametrize(("effort", "room"), [("none", 0), ("low", 2_048), ("medium", 8_192), ("xhigh", 24_576)])
async def test_thinking_has_room_beside_the_reply(server: ScriptedServer, effort: str, room: int) -> None:
    sent = await body(server, reasoning_effort=effort)
    assert sent["max_completion_tokens"] == 900 + room


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        (None, "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("http://localhost:11434/v1", "openai-compatible"),
        ("https://api.openai.com.example.org/v1", "openai-compatible"),
        ("https://notapi.openai.com/v1", "openai-compatible"),
    ],
)
async def test_only_openai_itself_goes_by_its_name(base_url: str | None, name: str) -> None:
    provider = OpenAIProvider(api_key=KEY, base_url=base_url, model="m")
    assert provider.provider == name
    await provider.aclose()


async def test_an_openai_url_of_the_environment_does_not_move_the_provider(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    await body(server)
    assert len(server.received) == 1


async def test_tokens_written_to_the_cache_are_counted(server: ScriptedServer) -> None:
    reply = WIRE.whole("{}")
    details = {"cached_tokens": 128, "cache_write_tokens": 1024}
    reply["usage"] = {"prompt_tokens": 1500, "completion_tokens": 7, "prompt_tokens_details": details}
    usage = await _usage(server, reply)
    assert usage == Usage(input_tokens=1500, cached_tokens=128, cache_write_tokens=1024, output_tokens=7)


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": 9, "completion_tokens": 4},
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None, "completion_tokens_details": None},
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": None}},
    ],
)
async def test_a_server_that_counts_little_is_taken_at_its_word(server: ScriptedServer, counts: dict[str, Any]) -> None:
    assert await _usage(server, {**WIRE.whole("{}"), "usage": counts}) == Usage(input_tokens=9, output_tokens=4)


@pytest.mark.parametrize("finish", ["tool_calls", "function_call", "abort"])
async def test_an_end_that_was_not_asked_for_is_garbled(server: ScriptedServer, finish: str) -> None:
    reply = WIRE.whole("{}")
    reply["choices"][0]["finish_reason"] = finish
    assert (await _fault(server, respond_json(reply))).fault is Fault.GARBLED


@pytest.mark.parametrize("choices", ["Imogen", [{"finish_reason": 7}], [{"message": {"content": ["Imogen"]}}], [7]])
async def test_choices_out_of_shape_are_garbled(server: ScriptedServer, choices: Any) -> None:
    assert (await _fault(server, respond_json({**WIRE.whole("{}"), "choices": choices}))).fault is Fault.GARBLED


async def test_a_model_with_an_endless_name_is_garbled(server: ScriptedServer) -> None:
    assert (await _fault(server, respond_json({**WIRE.whole("{}"), "model": "m" * 201}))).fault is Fault.GARBLED


async def test_only_the_first_choice_is_read(server: ScriptedServer) -> None:
    reply = WIRE.whole('{"n": 0}')
    reply["choices"].append({"index": 1, "finish_reason": "length", "message": {"content": '{"n": 1}'}})
    provider = _provider(server)
    server.script(respond_json(reply))
    assert (await provider.call(CALL)).text == '{"n": 0}'
    await provider.aclose()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"type": "insufficient_quota"}, Fault.QUOTA_SPENT),
        ({"code": "insufficient_quota"}, Fault.QUOTA_SPENT),
        ({"code": "billing_hard_limit_reached"}, Fault.QUOTA_SPENT),
        ({"code": "rate_limit_exceeded"}, Fault.THROTTLED),
        ({"code": {"Imogen": 1}, "type": ["Imogen"]}, Fault.THROTTLED),
        ("Imogen", Fault.THROTTLED),
    ],
)
async def test_every_way_to_say_that_the_quota_is_spent_is_known(
    server: ScriptedServer, error: Any, fault: Fault
) -> None:
    assert (await _fault(server, respond_json({"error": error}, status=429))).fault is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"code": "insufficient_quota"}, Fault.QUOTA_SPENT),
        ({"code": 429, "type": "insufficient_quota"}, Fault.QUOTA_SPENT),
        ({"message": "Imogen"}, Fault.FAILING),
        ({"code": 422}, Fault.UNFIT),
    ],
)
async def test_an_error_that_comes_with_status_200_is_a_fault(
    server: ScriptedServer, error: dict[str, Any], fault: Fault
) -> None:
    assert (await _fault(server, respond_json({"error": error}))).fault is fault


def test_the_sdk_is_loaded_with_the_adapter_and_with_nothing_else() -> None:
    heavy = ("openai", "google.genai")
    cheap = "import actors.providers.port, actors.retriever, actors.embeddings, actors.llm"
    loaded = f"import sys; print([name for name in {heavy} if name in sys.modules])"
    for code, expected in (
        (cheap, []),
        (f"{cheap}, actors.providers.openai", ["openai"]),
        (f"{cheap}, actors.providers.gemini", ["google.genai"]),
    ):
        told = subprocess.run([sys.executable, "-c", f"{code}\n{loaded}"], capture_output=True, text=True, check=True)
        assert json.loads(told.stdout.replace("'", '"')) == expected


def _provider(server: ScriptedServer) -> OpenAIProvider:
    return OpenAIProvider(api_key=KEY, base_url=f"{server.url}/v1", model="gpt-5-mini", is_openai=True)


async def _usage(server: ScriptedServer, reply: dict[str, Any]) -> Usage:
    provider = _provider(server)
    server.script(respond_json(reply))
    usage = (await provider.call(CALL)).usage
    await provider.aclose()
    return usage


async def _fault(server: ScriptedServer, reply: Any) -> ProviderError:
    provider = _provider(server)
    server.script(reply)
    with pytest.raises(ProviderError) as raised:
        await provider.call(CALL)
    await provider.aclose()
    assert "Imogen" not in str(raised.value)
    return raised.value
