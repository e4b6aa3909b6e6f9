"""The provider stub as the real SDKs see it, over real sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import openai
import psutil
import pytest
from google import genai
from google.genai import errors, types
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from actors.grounding import ungrounded
from actors.llm import validated
from loadtests.provider_stub import Served, Stub, StubConfig, in_process_of_its_own, serving
from loadtests.provider_stub.calls import CallRecord
from loadtests.provider_stub.faults import Fault, FaultPlan
from loadtests.provider_stub.latency import Latency
from loadtests.provider_stub.report import Report
from loadtests.provider_stub.tokens import tokens_of
from state.model import Answer, Document

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # genai's

MODEL = "gpt-5-mini"
FLASH = "gemini-2.5-flash-lite"
INPUTS = {"tools": "Helm, Argo CD", "achievement": "Moved 12 services to one cluster.", "metrics": "3 releases a week"}
TASK = "<inputs>\n" + "\n".join(f'<input id="{name}">{value}</input>' for name, value in INPUTS.items()) + "\n</inputs>"
ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "bullets": {"type": "array", "items": {"type": "object"}}},
}
LONG = "Write plainly, and invent nothing about anyone. " * 300


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
async def served(stub: Stub) -> AsyncIterator[Served]:
    async with serving(stub) as at:
        yield at


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="key", base_url=served.openai_url, max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def gemini(served: Served) -> AsyncIterator[genai.client.AsyncClient]:
    options = types.HttpOptions(base_url=served.url, retry_options=types.HttpRetryOptions(attempts=1))
    async with genai.Client(api_key="key", http_options=options).aio as sdk:
        yield sdk


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url) as plain:
        yield plain


def chat(system: str = "Be true.", task: str = TASK, **more: Any) -> dict[str, Any]:
    return {
        "model": MODEL,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": task}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "Answer", "strict": True, "schema": ANSWER}},
        **more,
    }


async def complete(client: AsyncOpenAI, **more: Any) -> ChatCompletion:
    completion: ChatCompletion = await client.chat.completions.create(**chat(**more))
    return completion


async def streamed(client: AsyncOpenAI, heard: list[str]) -> None:
    """`heard` holds what was said even if the stream breaks."""
    async for chunk in await client.chat.completions.create(**chat(stream=True)):
        heard.append(chunk.choices[0].delta.content or "")


def gemini_config(**more: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        system_instruction="Be true.", response_mime_type="application/json", response_json_schema=ANSWER, **more
    )


async def generate(gemini: genai.client.AsyncClient, task: str = TASK) -> types.GenerateContentResponse:
    return await gemini.models.generate_content(model=FLASH, contents=task, config=gemini_config())


async def generated_stream(gemini: genai.client.AsyncClient) -> list[types.GenerateContentResponse]:
    stream = await gemini.models.generate_content_stream(model=FLASH, contents=TASK, config=gemini_config())
    return [chunk async for chunk in stream]


def is_grounded_answer(text: str | None) -> bool:
    fields = json.loads(text or "")
    for bullet in fields["bullets"]:
        for claim in bullet["claims"]:
            claim["quote"] = INPUTS[claim["source"].removeprefix("input:")]
    return not ungrounded(validated(Answer, fields), INPUTS, Document(text=""))


class Watched(Report):
    """A report that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.came, self.left = asyncio.Event(), asyncio.Event()

    def add(self, call: CallRecord) -> None:
        super().add(call)
        self.came.set()

    def abandon(self, call: CallRecord) -> None:
        super().abandon(call)
        self.left.set()


def always(fault: Fault) -> StubConfig:
    return StubConfig(faults={"*": FaultPlan(shares={fault: 1.0})}, retry_after_s=7)


# OpenAI


async def test_openai_gets_an_answer_and_a_full_usage_block(client: AsyncOpenAI) -> None:
    completion = await complete(client)
    assert is_grounded_answer(completion.choices[0].message.content)
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == MODEL
    usage = completion.usage
    assert usage is not None
    assert usage.completion_tokens == tokens_of(len((completion.choices[0].message.content or "").encode()))
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (0, 0)
    assert completion._request_id == "req_write_answer_1"


async def test_openais_stream_says_the_same_as_the_plain_reply(client: AsyncOpenAI) -> None:
    plain = await complete(client)
    stream = await client.chat.completions.create(**chat(stream=True, stream_options={"include_usage": True}))
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == plain.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].usage == plain.usage


async def test_a_stream_without_include_usage_ends_without_usage(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(**chat(stream=True))
    assert [chunk.usage async for chunk in stream if chunk.usage or not chunk.choices] == []


async def test_openai_embeds_alike_as_floats_and_as_base64(client: AsyncOpenAI) -> None:
    texts = ["ran a night ward", "kept a ward at night"]
    packed = await client.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=64)
    floats = await client.embeddings.create(
        model="text-embedding-3-small", input=texts, dimensions=64, encoding_format="float"
    )
    assert [len(item.embedding) for item in packed.data] == [64, 64]
    for one, other in zip(packed.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == sum(tokens_of(len(text)) for text in texts)
    whole = await client.embeddings.create(model="text-embedding-3-small", input="ward")
    assert len(whole.data[0].embedding) == 1536


async def test_openais_models_are_those_configured(client: AsyncOpenAI, stub: Stub) -> None:
    assert [model.id async for model in client.models.list()] == list(stub.config.models)


async def test_a_token_limit_cuts_the_completion(client: AsyncOpenAI) -> None:
    completion = await complete(client, max_completion_tokens=20)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.completion_tokens <= 20


async def test_reasoning_is_part_of_the_completion_tokens(client: AsyncOpenAI, stub: Stub) -> None:
    without = (await complete(client)).usage
    stub.configure(StubConfig(reasoning_tokens=200))
    with_it = (await complete(client)).usage
    assert without is not None
    assert with_it is not None
    assert with_it.completion_tokens == without.completion_tokens + 200
    assert with_it.completion_tokens_details is not None
    assert with_it.completion_tokens_details.reasoning_tokens == 200


async def test_a_wrong_request_is_told_which_field_is_wrong(client: AsyncOpenAI, stub: Stub) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=MODEL, messages=[])
    assert refused.value.param == "messages"
    assert stub.report.as_json()["turned_down"] == {"openai 400": 1}


async def test_calls_without_a_key_are_turned_down(http: httpx.AsyncClient) -> None:
    missing = await http.post("/v1/chat/completions", json=chat())
    wrong = await http.post("/v1/chat/completions", json=chat(), headers={"x-goog-api-key": "key"})
    assert (missing.status_code, wrong.status_code) == (401, 401)
    assert missing.json()["error"]["type"] == "invalid_request_error"
    body = {"contents": [{"parts": [{"text": "Hello"}]}]}
    refused = await http.post(f"/v1beta/models/{FLASH}:generateContent", json=body)
    assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    allowed = await http.post(f"/v1beta/models/{FLASH}:generateContent?key=key", json=body)
    assert allowed.status_code == 200


async def test_an_unknown_path_is_not_found(http: httpx.AsyncClient) -> None:
    paths = ["/v1/completions", "/v1beta/nothing", f"/v1/models/{FLASH}:countTokens"]
    replies = [await http.post(path, json={}, headers={"x-goog-api-key": "key"}) for path in paths]
    assert [reply.status_code for reply in replies] == [404, 404, 404]
    assert replies[1].json()["error"]["status"] == "NOT_FOUND"


# Gemini


async def test_gemini_gets_an_answer_and_its_usage_metadata(gemini: genai.client.AsyncClient) -> None:
    response = await generate(gemini)
    assert is_grounded_answer(response.text)
    usage = response.usage_metadata
    assert usage is not None
    assert usage.prompt_token_count == tokens_of(len(f"Be true.\x1euser\n{TASK}"))
    assert usage.candidates_token_count == tokens_of(len((response.text or "").encode()))
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert response.model_version == FLASH


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_geminis_own_schema_dialect_is_understood(version: str, served: Served) -> None:
    options = types.HttpOptions(base_url=served.url, api_version=version)
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=ANSWER)
    async with genai.Client(api_key="key", http_options=options).aio as sdk:
        response = await sdk.models.generate_content(model=FLASH, contents=TASK, config=config)
    assert is_grounded_answer(response.text)


async def test_geminis_stream_says_the_same_as_the_plain_reply(gemini: genai.client.AsyncClient) -> None:
    plain, chunks = await generate(gemini), await generated_stream(gemini)
    assert len(chunks) > 3
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    assert chunks[-1].usage_metadata == plain.usage_metadata
    endings = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
    assert endings == [None] * (len(chunks) - 1) + [types.FinishReason.STOP]


async def test_geminis_thoughts_are_counted_beside_its_candidates(gemini: genai.client.AsyncClient, stub: Stub) -> None:
    stub.configure(StubConfig(reasoning_tokens=50))
    usage = (await generate(gemini)).usage_metadata
    assert usage is not None
    assert usage.thoughts_token_count == 50
    counts = (usage.prompt_token_count or 0) + (usage.candidates_token_count or 0) + 50
    assert usage.total_token_count == counts


async def test_gemini_embeds_one_text_and_many(gemini: genai.client.AsyncClient, http: httpx.AsyncClient) -> None:
    config = types.EmbedContentConfig(output_dimensionality=32, task_type="RETRIEVAL_QUERY")
    batch = await gemini.models.embed_content(model="gemini-embedding-001", contents=["a ward", "b"], config=config)
    assert [len(item.values or []) for item in batch.embeddings or []] == [32, 32]
    body = {"content": {"parts": [{"text": "a ward"}]}, "outputDimensionality": 32}
    one = await http.post("/v1/models/gemini-embedding-001:embedContent?key=key", json=body)
    assert one.json()["embedding"]["values"] == (batch.embeddings or [])[0].values


async def test_gemini_wants_json_named_where_a_schema_is_given(http: httpx.AsyncClient) -> None:
    body = {"contents": [{"parts": [{"text": "Hello"}]}], "generationConfig": {"responseSchema": ANSWER}}
    refused = await http.post(f"/v1/models/{FLASH}:generateContent?key=key", json=body)
    assert refused.json()["error"]["status"] == "INVALID_ARGUMENT"


# Faults


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error", "status", "code"),
    [
        (Fault.RATE_LIMITED, openai.RateLimitError, 429, "rate_limit_exceeded"),
        (Fault.INSUFFICIENT_QUOTA, openai.RateLimitError, 429, "insufficient_quota"),
        (Fault.SERVER_ERROR, openai.InternalServerError, 500, None),
        (Fault.UNAVAILABLE, openai.InternalServerError, 503, None),
    ],
)
async def test_openai_errors_have_their_status_and_code(
    *,
    client: AsyncOpenAI,
    stub: Stub,
    stream: bool,
    fault: Fault,
    error: type[openai.APIStatusError],
    status: int,
    code: str,
) -> None:
    stub.configure(always(fault))
    with pytest.raises(error) as raised:
        await complete(client, stream=stream)
    assert (raised.value.status_code, raised.value.code) == (status, code)
    assert raised.value.response.headers.get("retry-after") == ("7" if fault is Fault.RATE_LIMITED else None)
    assert raised.value.request_id == "req_write_answer_1"
    assert [(call.fault, call.status, call.usage.input_tokens) for call in stub.calls] == [(fault, status, 0)]


@pytest.mark.parametrize("ask", [generate, generated_stream])
@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault.RATE_LIMITED, 429, "RESOURCE_EXHAUSTED"),
        (Fault.INSUFFICIENT_QUOTA, 429, "RESOURCE_EXHAUSTED"),
        (Fault.SERVER_ERROR, 500, "INTERNAL"),
        (Fault.UNAVAILABLE, 503, "UNAVAILABLE"),
    ],
)
async def test_gemini_errors_have_their_code_and_status(
    *,
    gemini: genai.client.AsyncClient,
    stub: Stub,
    ask: Callable[[genai.client.AsyncClient], Awaitable[Any]],
    fault: Fault,
    code: int,
    status: str,
) -> None:
    stub.configure(always(fault))
    with pytest.raises(errors.APIError) as raised:
        await ask(gemini)
    assert (raised.value.code, raised.value.status) == (code, status)
    details = raised.value.details["error"].get("details", [])
    kinds = {Fault.RATE_LIMITED: ["RetryInfo"], Fault.INSUFFICIENT_QUOTA: ["QuotaFailure"]}
    assert [detail["@type"].rpartition(".")[2] for detail in details] == kinds.get(fault, [])
    assert [detail.get("retryDelay") for detail in details] == (["7s"] if fault is Fault.RATE_LIMITED else [None])[
        : len(details)
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [Fault.DISCONNECT, Fault.CUT_OFF])
async def test_a_broken_connection_is_one_to_openais_sdk(
    client: AsyncOpenAI, stub: Stub, stream: bool, fault: Fault
) -> None:
    stub.configure(always(fault))
    with pytest.raises(openai.APIConnectionError):
        await (streamed(client, []) if stream else complete(client))
    assert stub.calls[0].fault is fault
    assert (stub.calls[0].usage.output_tokens > 0) == (fault is Fault.CUT_OFF)


async def test_a_stream_that_is_cut_off_has_begun(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(always(Fault.CUT_OFF))
    heard: list[str] = []
    with pytest.raises(openai.APIConnectionError):
        await streamed(client, heard)
    said = "".join(heard)
    assert said.startswith('{"title":')
    assert not said.endswith("}")


@pytest.mark.parametrize("ask", [generate, generated_stream])
@pytest.mark.parametrize("fault", [Fault.DISCONNECT, Fault.CUT_OFF])
async def test_a_broken_connection_is_one_to_geminis_sdk(
    gemini: genai.client.AsyncClient,
    stub: Stub,
    ask: Callable[[genai.client.AsyncClient], Awaitable[Any]],
    fault: Fault,
) -> None:
    stub.configure(always(fault))
    with pytest.raises(aiohttp.ClientError):
        await ask(gemini)


async def test_a_stalled_call_ends_by_the_clients_timeout(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(always(Fault.STALL))
    stub.report = Watched()
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).chat.completions.create(**chat())
    await stub.report.left.wait()
    assert [call.fault for call in stub.calls] == [Fault.STALL]


async def test_a_stalled_call_does_not_hold_the_server_up() -> None:
    stub = Stub(always(Fault.STALL))
    stub.report = Watched()
    async with serving(stub) as at, AsyncOpenAI(api_key="key", base_url=at.openai_url, max_retries=0) as client:
        call = asyncio.create_task(complete(client))
        await stub.report.came.wait()
    with pytest.raises(openai.APIConnectionError):
        await call


async def test_a_client_that_leaves_while_it_waits_is_counted(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(StubConfig(latency={"*": Latency(median_ms=60_000)}))
    stub.report = Watched()
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).chat.completions.create(**chat())
    await stub.report.left.wait()
    assert stub.report.as_json()["totals"]["output_tokens"] > 0


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.MALFORMED])
async def test_spoilt_content_is_no_json(
    client: AsyncOpenAI, gemini: genai.client.AsyncClient, stub: Stub, fault: Fault
) -> None:
    stub.configure(always(fault))
    choice = (await complete(client)).choices[0]
    response = await generate(gemini)
    for text in (choice.message.content, response.text):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text or "")
    ending = response.candidates[0].finish_reason if response.candidates else None
    expected = ("length", "MAX_TOKENS") if fault is Fault.TRUNCATED else ("stop", "STOP")
    assert (choice.finish_reason, ending) == expected


async def test_a_schema_break_leaves_a_field_out(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(always(Fault.SCHEMA_BREAK))
    assert set(json.loads((await complete(client)).choices[0].message.content or "")) == {"title"}


async def test_a_refusal_is_told_in_each_providers_way(
    client: AsyncOpenAI, gemini: genai.client.AsyncClient, stub: Stub
) -> None:
    stub.configure(always(Fault.REFUSED))
    message = (await complete(client)).choices[0].message
    assert message.content is None
    assert message.refusal
    stream = await client.chat.completions.create(**chat(stream=True))
    deltas = [chunk.choices[0].delta async for chunk in stream]
    assert "".join(delta.refusal or "" for delta in deltas) == message.refusal
    assert not any(delta.content for delta in deltas)
    for response in (await generate(gemini), *await generated_stream(gemini)):
        assert response.text is None
        assert response.candidates is not None
        assert response.candidates[0].finish_reason is types.FinishReason.SAFETY


async def test_an_embedding_is_struck_by_faults_of_the_connection_alone(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(always(Fault.MALFORMED))
    assert (await client.embeddings.create(model="m", input="a")).data
    stub.configure(always(Fault.UNAVAILABLE))
    with pytest.raises(openai.InternalServerError):
        await client.embeddings.create(model="m", input="a")


async def test_a_script_strikes_one_operation_in_its_order(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(StubConfig(faults={"openai:write_answer": FaultPlan(script=(Fault.RATE_LIMITED, None))}))
    await client.embeddings.create(model="m", input="a")
    with pytest.raises(openai.RateLimitError):
        await complete(client)
    await complete(client)
    await complete(client)
    assert [call.fault for call in stub.calls] == [None, Fault.RATE_LIMITED, None, None]


# Caching


async def cached(client: AsyncOpenAI, **more: Any) -> int:
    usage = (await complete(client, **more)).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return usage.prompt_tokens_details.cached_tokens or 0


async def test_openai_caches_the_shared_prefix_by_key(client: AsyncOpenAI, stub: Stub) -> None:
    assert await cached(client, system=LONG, prompt_cache_key="one") == 0
    other_task = await cached(client, system=LONG, task="<inputs></inputs>", prompt_cache_key="one")
    assert other_task >= tokens_of(len(LONG)) - 128
    assert other_task % 128 == 0
    assert await cached(client, system=LONG, prompt_cache_key="two") == 0
    totals = stub.report.as_json()["totals"]
    assert (totals["eligible_calls"], totals["hits"], totals["cached_tokens"]) == (3, 1, other_task)


async def test_another_schema_is_another_prefix(client: AsyncOpenAI) -> None:
    other = {"type": "json_schema", "json_schema": {"name": "Other", "strict": True, "schema": ANSWER}}
    assert await cached(client, system=LONG) == 0
    assert await cached(client, system=LONG, response_format=other) == 0


async def test_a_short_prompt_is_never_cached(client: AsyncOpenAI, stub: Stub) -> None:
    assert [await cached(client) for _ in range(3)] == [0, 0, 0]
    assert stub.report.as_json()["totals"]["eligible_calls"] == 0


async def test_openais_concurrent_first_calls_all_miss(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(StubConfig(latency={"*": Latency(median_ms=100, first_token_share=1)}))
    assert await asyncio.gather(*(cached(client, system=LONG) for _ in range(4))) == [0, 0, 0, 0]
    assert await cached(client, system=LONG) > 0


async def test_cache_writes_are_told_of_where_a_model_charges_them(client: AsyncOpenAI, stub: Stub) -> None:
    stub.configure(StubConfig(openai_write_charging=("gpt-5.6",)))
    usual = (await complete(client, system=LONG)).usage
    charging = (await complete(client, system=LONG, model="gpt-5.6-mini")).usage
    for usage, charged in ((usual, False), (charging, True)):
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        written = usage.prompt_tokens_details.cache_write_tokens
        assert written == (usage.prompt_tokens // 128 * 128 if charged else None)


async def test_a_prefix_expires_by_the_stubs_clock() -> None:
    now_s = [0.0]
    stub = Stub(StubConfig(openai_idle_s=600), clock_s=lambda: now_s[0])
    async with serving(stub) as at, AsyncOpenAI(api_key="key", base_url=at.openai_url, max_retries=0) as client:
        await cached(client, system=LONG)
        now_s[0] += 599
        assert await cached(client, system=LONG) > 0
        now_s[0] += 600
        assert await cached(client, system=LONG) == 0


async def test_gemini_caches_without_a_key_and_counts_it_into_the_prompt(gemini: genai.client.AsyncClient) -> None:
    first, second = [(await generate(gemini, LONG + TASK)).usage_metadata for _ in range(2)]
    assert first is not None
    assert second is not None
    assert first.cached_content_token_count is None
    assert 2048 <= (second.cached_content_token_count or 0) <= (second.prompt_token_count or 0)
    assert second.total_token_count == first.total_token_count


async def test_gemini_gives_a_share_of_the_hits(gemini: genai.client.AsyncClient, stub: Stub) -> None:
    stub.configure(StubConfig(gemini_hit_share=0.5))
    for _ in range(40):
        await generate(gemini, LONG + TASK)
    assert 8 < stub.report.as_json()["totals"]["hits"] < 32


# Control


async def test_the_same_seed_repeats_a_run(client: AsyncOpenAI, stub: Stub) -> None:
    shares = {Fault.TRUNCATED: 0.2, Fault.MALFORMED: 0.2, Fault.REFUSED: 0.2}

    async def run(seed: int) -> list[Any]:
        stub.configure(StubConfig(seed=seed, faults={"*": FaultPlan(shares=shares)}, inventing_share=0.4))
        stub.reset()
        choices = [(await complete(client)).choices[0].message for _ in range(20)]
        return [*stub.calls, *choices]

    first = await run(1)
    assert await run(1) == first
    assert await run(2) != first


async def test_the_report_adds_up_what_the_usage_blocks_said(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    usages = [(await complete(client, system=LONG)).usage for _ in range(3)]
    report = (await http.get("/stub/report")).json()
    assert report["rows"] == [{"provider": "openai", "model": MODEL, "operation": "write_answer", **report["totals"]}]
    totals = report["totals"]
    assert (totals["calls"], totals["hits"]) == (3, 2)
    assert totals["input_tokens"] == sum(usage.prompt_tokens for usage in usages if usage)
    assert totals["output_tokens"] == sum(usage.completion_tokens for usage in usages if usage)


async def test_a_configuration_is_put_and_a_reset_forgets(
    client: AsyncOpenAI, http: httpx.AsyncClient, stub: Stub
) -> None:
    put = await http.put("/stub/config", json={"score_low": 5, "faults": {"*": {"script": ["refused"]}}})
    assert put.json()["score_low"] == (await http.get("/stub/config")).json()["score_low"] == 5
    assert (await complete(client)).choices[0].message.refusal
    assert (await http.post("/stub/reset")).json()["totals"]["calls"] == 0
    assert len(stub.calls) == 0
    assert (await complete(client)).choices[0].message.refusal
    refused = await http.put("/stub/config", json={"score_low": 11})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "config.score_low")
    assert stub.config.score_low == 5


async def test_calls_are_kept_without_their_text(client: AsyncOpenAI, stub: Stub) -> None:
    await complete(client)
    assert "Argo" not in repr(stub.calls)
    assert stub.calls.maxlen is not None


# Processes


def test_a_stub_in_a_process_of_its_own_ends_with_its_context() -> None:
    with in_process_of_its_own(StubConfig(models=("one",))) as at:
        reply = httpx.get(f"{at.openai_url}/models", headers={"authorization": "Bearer key"})
        assert [model["id"] for model in reply.json()["data"]] == ["one"]
        assert at.pid is not None
        assert psutil.pid_exists(at.pid)
    assert not psutil.pid_exists(at.pid)


def test_a_wrong_configuration_ends_the_command_with_a_reason() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "loadtests.provider_stub", "--port", "0", "--config", "-"],
        input=b'{"sede": 1}\n',
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 2
    assert b"config.sede" in ended.stderr


def test_the_bench_prints_calls_a_second_and_cpu_a_call() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "loadtests.provider_stub", "bench", "--seconds", "0.2"], capture_output=True, check=True
    )
    assert b" calls/s over 16 connections, " in ended.stdout
    assert b" CPU-ms a call " in ended.stdout
