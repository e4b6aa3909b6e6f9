"""HTTP to OpenAI, or to a server that speaks its protocol, over the openai SDK.

The SDK's typed methods cost more CPU than everything else in a call together: they transform the request
and build a model of the reply that nobody reads (`python -m loadtests.sdk_cost`). So this asks for the raw
response, by the SDK's own way to do that, over its aiohttp transport, with the body as bytes and the URL whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import aiohttp
import httpx2
import msgspec
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AsyncStream, DefaultAioHttpClient

from actors.providers import addresses
from actors.providers.port import Fault, ProviderError
from actors.providers.retry_after import retry_after_s
from actors.providers.statuses import fault_of

SPENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Errors that a payment mends, and no wait."""

_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=30.0)


class OpenAIConnection:
    """Sends whatever requests come, side by side, over connections that are kept open.

    `is_openai` tells whether the server is OpenAI itself, which takes parameters that others refuse and has
    known prices; None judges by the host of `base_url`. Proxies are taken from the environment, redirects
    are not followed, and nothing is tried again.
    """

    def __init__(self, *, api_key: str, base_url: str | None, timeout_s: float, is_openai: bool | None = None) -> None:
        url = base_url or addresses.OPENAI_URL
        self.is_openai = addresses.is_openai(url) if is_openai is None else is_openai
        self.provider = "openai" if self.is_openai else "openai-compatible"
        self._timeout_s = timeout_s
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=url,
            max_retries=0,
            timeout=None,
            http_client=DefaultAioHttpClient(limits=_LIMITS, timeout=None, follow_redirects=False),
        )
        self._base_url = str(self._client.base_url).rstrip("/")

    async def read(self, path: str, body: Mapping[str, object], *, model: str) -> bytes:
        """The body of the reply to a POST. Raises `ProviderError` in the name of `model`."""
        chunks: list[bytes] = []
        await self.follow(path, body, model=model, took=chunks.append)
        return b"".join(chunks)

    async def follow(self, path: str, body: Mapping[str, object], *, model: str, took: Callable[[bytes], None]) -> None:
        """The same, chunk by chunk as it comes; within `timeout_s` from the start to the last byte."""
        failure = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(path, body, took)
        except TimeoutError:
            failure = self._failed(Fault.LATE, model)
        except APIStatusError as error:
            failure = self._refused(error, model)
        except (APIConnectionError, httpx2.TransportError):
            failure = self._failed(Fault.UNREACHABLE, model)
        except (httpx2.DecodingError, aiohttp.ClientResponseError):
            failure = self._failed(Fault.GARBLED, model)
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        await self._client.close()

    async def _send(self, path: str, body: Mapping[str, object], took: Callable[[bytes], None]) -> None:
        response = cast(
            httpx2.Response,
            await self._client.post(
                self._base_url + path,
                content=msgspec.json.encode(body),
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=AsyncStream[object],
            ),
        )
        try:
            async for chunk in response.aiter_bytes():
                took(chunk)
        finally:
            await response.aclose()

    def _refused(self, error: APIStatusError, model: str) -> ProviderError:
        status = error.status_code
        spent = not SPENT_CODES.isdisjoint((str(error.code), str(error.type)))
        return ProviderError(
            fault_of(status, quota_spent=spent),
            provider=self.provider,
            model=model,
            status=status,
            retry_after_s=retry_after_s(error.response.headers),
        )

    def _failed(self, fault: Fault, model: str) -> ProviderError:
        return ProviderError(fault, provider=self.provider, model=model)
