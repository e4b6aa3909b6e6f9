"""What one call to a provider costs its caller in CPU: `python -m loadtests.sdk_cost`.

Every way to make the same call is measured in one run, in rounds that take turns, against a server in
another process that does next to nothing; the figure is the median of the rounds. Ratios are to the floor:
aiohttp without an SDK, with the request built and the reply read by hand.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

import aiohttp
import httpx2
import typer
import uvicorn
from google import genai
from google.genai import types
from openai import AsyncOpenAI, DefaultAioHttpClient

from actors.llm import schema
from actors.providers.gemini import GeminiProvider
from actors.providers.openai import OpenAIProvider
from actors.providers.port import Call
from state.model import Answer

OPENAI_MODEL = "gpt-5-mini"
GEMINI_MODEL = "gemini-2.5-flash-lite"
PIECE = "and thirty characters of text "
PIECES = 40
FLOOR = "aiohttp, no SDK"
ADAPTER = "our adapter"
JSON = {"content-type": "application/json"}

CALL = Call(
    operation="write_answer",
    prompt="write_answer/1",
    kind="Answer",
    schema=schema(Answer),
    system="s" * 4_000,
    context="c" * 6_000,
    task="t" * 1_000,
)
STREAMED = replace(CALL, heard=lambda piece: None)

OPENAI_BODY: Mapping[str, Any] = {
    "model": OPENAI_MODEL,
    "messages": [
        {"role": "system", "content": CALL.system},
        {"role": "user", "content": CALL.context},
        {"role": "user", "content": CALL.task},
    ],
    "response_format": {"type": "json_schema", "json_schema": {"name": "Answer", "schema": CALL.schema}},
    "max_completion_tokens": 4096,
}
OPENAI_STREAM: Mapping[str, Any] = {**OPENAI_BODY, "stream": True, "stream_options": {"include_usage": True}}
GEMINI_CONTENTS = [{"role": "user", "parts": [{"text": CALL.context}, {"text": CALL.task}]}]
GEMINI_BODY: Mapping[str, Any] = {
    "systemInstruction": {"parts": [{"text": CALL.system}]},
    "contents": GEMINI_CONTENTS,
    "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": CALL.schema},
}
GEMINI_CONFIG: Mapping[str, Any] = {
    "system_instruction": CALL.system,
    "response_mime_type": "application/json",
    "response_json_schema": CALL.schema,
    "max_output_tokens": 4096,
}

Ways = Mapping[str, Callable[[], Awaitable[object]]]


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; the median of them is shown.", min=1)] = 5,
    calls: Annotated[int, typer.Option(help="Calls of each way in a round.", min=1)] = 150,
    concurrency: Annotated[int, typer.Option(help="Calls open at once.", min=1)] = 16,
) -> None:
    """Print, for each provider, whole and streamed, the CPU-ms per call of every way to make it."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(listening,), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        asyncio.run(_report(url, rounds, calls, concurrency))
    finally:
        server.terminate()
        server.join()


async def _report(url: str, rounds: int, calls: int, concurrency: int) -> None:
    async with _openai(url) as whole:
        _show("OpenAI, whole reply", await _measure(whole, rounds, calls, concurrency))
    async with _openai_streamed(url) as streamed:
        _show(f"OpenAI, {PIECES} pieces", await _measure(streamed, rounds, calls, concurrency))
    async with _gemini(url) as whole:
        _show("Gemini, whole reply", await _measure(whole, rounds, calls, concurrency))
    async with _gemini_streamed(url) as streamed:
        _show(f"Gemini, {PIECES} pieces", await _measure(streamed, rounds, calls, concurrency))


async def _measure(ways: Ways, rounds: int, calls: int, concurrency: int) -> Mapping[str, float]:
    """CPU-ms of this process per call, by way: the median of the rounds, after one that does not count."""
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.process_time()
            await _drive(way, calls if number else concurrency, concurrency)
            if number:
                figures[name].append((time.process_time() - started) / calls * 1000)
    return {name: statistics.median(taken) for name, taken in figures.items()}


async def _drive(way: Callable[[], Awaitable[object]], calls: int, concurrency: int) -> None:
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await way()

    await asyncio.gather(*(work() for _ in range(concurrency)))


def _show(title: str, figures: Mapping[str, float]) -> None:
    print(f"\n| {title} | CPU-ms | of the floor |\n| --- | ---: | ---: |")
    for name, figure in figures.items():
        print(f"| {name} | {figure:.2f} | {figure / figures[FLOOR]:.1f} x |")


@asynccontextmanager
async def _openai(url: str) -> AsyncIterator[Ways]:
    base = f"{url}/v1"
    plain: Any = AsyncOpenAI(api_key="k", base_url=base, max_retries=0)
    over_aiohttp: Any = AsyncOpenAI(api_key="k", base_url=base, max_retries=0, http_client=DefaultAioHttpClient())
    adapter = OpenAIProvider(api_key="k", base_url=base, model=OPENAI_MODEL, is_openai=True)

    async def raw(client: Any) -> None:
        json.loads((await client.chat.completions.with_raw_response.create(**OPENAI_BODY)).content)

    async def post(client: Any) -> None:
        reply = await client.post("/chat/completions", body=OPENAI_BODY, cast_to=httpx2.Response)
        json.loads(reply.content)

    async with aiohttp.ClientSession() as session:
        yield {
            FLOOR: lambda: _post(session, f"{base}/chat/completions", OPENAI_BODY),
            "create, default client": lambda: plain.chat.completions.create(**OPENAI_BODY),
            "create, aiohttp client": lambda: over_aiohttp.chat.completions.create(**OPENAI_BODY),
            "create with raw response, default client": lambda: raw(plain),
            "create with raw response, aiohttp client": lambda: raw(over_aiohttp),
            "post for a raw response, default client": lambda: post(plain),
            "post for a raw response, aiohttp client": lambda: post(over_aiohttp),
            ADAPTER: lambda: adapter.call(CALL),
        }
    for client in (plain, over_aiohttp):
        await client.close()
    await adapter.aclose()


@asynccontextmanager
async def _openai_streamed(url: str) -> AsyncIterator[Ways]:
    base = f"{url}/v1"
    plain: Any = AsyncOpenAI(api_key="k", base_url=base, max_retries=0)
    over_aiohttp: Any = AsyncOpenAI(api_key="k", base_url=base, max_retries=0, http_client=DefaultAioHttpClient())
    adapter = OpenAIProvider(api_key="k", base_url=base, model=OPENAI_MODEL, is_openai=True)

    async def follow(client: Any) -> None:
        async for _ in await client.chat.completions.create(**OPENAI_STREAM):
            pass

    async with aiohttp.ClientSession() as session:
        yield {
            FLOOR: lambda: _follow(session, f"{base}/chat/completions", OPENAI_STREAM),
            "create, default client": lambda: follow(plain),
            "create, aiohttp client": lambda: follow(over_aiohttp),
            ADAPTER: lambda: adapter.call(STREAMED),
        }
    for client in (plain, over_aiohttp):
        await client.close()
    await adapter.aclose()


@asynccontextmanager
async def _gemini(url: str) -> AsyncIterator[Ways]:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, api_version="v1beta"))
    models: Any = client.aio.models
    adapter = GeminiProvider(api_key="k", base_url=url, model=GEMINI_MODEL)

    def generate(**config: Any) -> Awaitable[object]:
        asked: Awaitable[object] = models.generate_content(
            model=GEMINI_MODEL, contents=GEMINI_CONTENTS, config=types.GenerateContentConfig(**GEMINI_CONFIG, **config)
        )
        return asked

    async with aiohttp.ClientSession() as session:
        yield {
            FLOOR: lambda: _post(session, f"{url}/v1beta/models/{GEMINI_MODEL}:generateContent", GEMINI_BODY),
            "generate_content": generate,
            "generate_content with raw response": lambda: generate(should_return_http_response=True),
            ADAPTER: lambda: adapter.call(CALL),
        }
    await client.aio.aclose()
    await adapter.aclose()


@asynccontextmanager
async def _gemini_streamed(url: str) -> AsyncIterator[Ways]:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, api_version="v1beta"))
    models: Any = client.aio.models
    adapter = GeminiProvider(api_key="k", base_url=url, model=GEMINI_MODEL)
    path = f"{url}/v1beta/models/{GEMINI_MODEL}:streamGenerateContent?alt=sse"

    async def follow() -> None:
        config = types.GenerateContentConfig(**GEMINI_CONFIG)
        async for _ in await models.generate_content_stream(
            model=GEMINI_MODEL, contents=GEMINI_CONTENTS, config=config
        ):
            pass

    async with aiohttp.ClientSession() as session:
        yield {
            FLOOR: lambda: _follow(session, path, GEMINI_BODY),
            "generate_content_stream": follow,
            ADAPTER: lambda: adapter.call(STREAMED),
        }
    await client.aio.aclose()
    await adapter.aclose()


async def _post(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> None:
    async with session.post(url, data=json.dumps(body).encode(), headers=JSON) as reply:
        json.loads(await reply.read())


async def _follow(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> None:
    async with session.post(url, data=json.dumps(body).encode(), headers=JSON) as reply:
        async for line in reply.content:
            if line.startswith(b"data: {"):
                json.loads(line[6:])


# The server: a fixed reply for each path, and nothing of the request looked at but whether it wants a stream.


def _serve(listening: socket.socket) -> None:
    config = uvicorn.Config(_app, log_level="error", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


async def _app(scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    openai = "chat" in scope["path"]
    stream = b'"stream":' in body if openai else "stream" in scope["path"]
    kind = b"text/event-stream" if stream else b"application/json"
    parts = (OPENAI_EVENTS if openai else GEMINI_EVENTS) if stream else [OPENAI_REPLY if openai else GEMINI_REPLY]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


def _openai_chunk(**changes: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": OPENAI_MODEL, **changes}


def _openai_choice(finish: str | None = None, **delta: str) -> dict[str, Any]:
    return _openai_chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}], usage=None)


def _gemini_reply(text: str, **changes: str) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **changes}
    usage = {"promptTokenCount": 2_500, "candidatesTokenCount": 240, "totalTokenCount": 2_740}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": GEMINI_MODEL, "responseId": "r"}


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


_OPENAI_USAGE = {
    "prompt_tokens": 2_500,
    "completion_tokens": 240,
    "total_tokens": 2_740,
    "prompt_tokens_details": {"cached_tokens": 2_304},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_OPENAI_MESSAGE = {"role": "assistant", "content": PIECE * PIECES, "refusal": None}
OPENAI_REPLY = json.dumps(
    {
        **_openai_chunk(object="chat.completion", usage=_OPENAI_USAGE),
        "choices": [{"index": 0, "finish_reason": "stop", "message": _OPENAI_MESSAGE}],
    }
).encode()
OPENAI_EVENTS = [
    *[_event(_openai_choice(content=PIECE)) for _ in range(PIECES)],
    _event(_openai_choice("stop")),
    _event(_openai_chunk(choices=[], usage=_OPENAI_USAGE)),
    b"data: [DONE]\n\n",
]
GEMINI_REPLY = json.dumps(_gemini_reply(PIECE * PIECES, finishReason="STOP")).encode()
GEMINI_EVENTS = [
    *[_event(_gemini_reply(PIECE)) for _ in range(PIECES - 1)],
    _event(_gemini_reply(PIECE, finishReason="STOP")),
]


if __name__ == "__main__":
    typer.run(main)
