"""HTTP to Gemini over the google-genai SDK.

The SDK's public methods validate and convert every request and every chunk of a stream several times over,
and give no raw stream (`python -m loadtests.sdk_cost`). So this takes the SDK's API client, which its own
methods stand on: it builds the request, keeps the aiohttp session, and raises the SDK's errors. That client
is not promised to stay: `GeminiConnection._opened` is the only place that knows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import aiohttp
from google import genai
from google.genai import errors, types
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from actors.providers.addresses import GEMINI_URL
from actors.providers.port import Fault, ProviderError
from actors.providers.retry_after import bounded, retry_after_s
from actors.providers.statuses import fault_of

PROVIDER = "google"

API_VERSION = "v1beta"
"""The SDK would say v1, whose published definition (google/ai/generativelanguage/v1) has neither a system
instruction nor a response schema nor a thinking budget; v1beta has all of them."""

WIRE = ConfigDict(alias_generator=to_camel)
"""Gemini's JSON writes names in camel case."""


class GeminiConnection:
    """Sends whatever requests come, side by side, over connections that are kept open.

    Proxies are taken from the environment, redirects are not followed, and nothing is tried again: without
    `retry_options` the SDK would wait 1 to 10 s after a lost connection and send the request once more.
    """

    provider = PROVIDER

    def __init__(self, *, api_key: str, base_url: str | None, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url or GEMINI_URL,
                api_version=API_VERSION,
                retry_options=types.HttpRetryOptions(attempts=1),
                async_client_args={"allow_redirects": False},
            ),
        )

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
            failure = _failed(Fault.LATE, model)
        except errors.APIError as error:
            failure = refused(error.code, error.details, model, _headers(error))
        except (_Unreadable, aiohttp.ClientResponseError):
            failure = _failed(Fault.GARBLED, model)
        except aiohttp.ClientError:
            failure = _failed(Fault.UNREACHABLE, model)
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        await self._client.aio.aclose()
        self._client.close()

    async def _send(self, path: str, body: Mapping[str, object], took: Callable[[bytes], None]) -> None:
        response = await self._opened(path, body)
        try:
            async for chunk in response.content.iter_any():
                took(chunk)
        finally:
            response.release()

    async def _opened(self, path: str, body: Mapping[str, object]) -> aiohttp.ClientResponse:
        """A reply of status 200 whose body is still to come."""
        api = self._client._api_client
        request = api._build_request("post", path, dict(body))
        try:
            reply = await api._async_request(request, stream=True)
        except ValueError as error:
            raise _Unreadable from error
        return cast(aiohttp.ClientResponse, reply.response_stream)


def resource(model: str) -> str:
    """The path of a model, which Gemini lists as 'models/NAME'."""
    return model if "/" in model else f"models/{model}"


class _Unreadable(Exception):
    """The body of an error is not what its headers say; the SDK reads it to raise its own."""


# The wire: what is read of an error.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Violation:
    __pydantic_config__ = WIRE
    quota_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detail:
    __pydantic_config__ = WIRE
    reason: str = ""
    retry_delay: str = ""
    violations: tuple[_Violation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    status: str = ""
    details: tuple[_Detail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    error: _Error


_REFUSAL = TypeAdapter(_Refusal)


def refused(status: int, body: object, model: str, headers: Mapping[str, str]) -> ProviderError:
    """What Gemini says with a status other than success; a quota of a day does not come back in a minute."""
    try:
        error = _REFUSAL.validate_python(body).error
    except ValidationError:
        error = _Error()
    details = error.details
    delays = [bounded(detail.retry_delay.removesuffix("s")) for detail in details]
    wishes = [wish for wish in (retry_after_s(headers), *delays) if wish is not None]
    spent = any("PerDay" in violation.quota_id for detail in details for violation in detail.violations)
    fault = fault_of(status, quota_spent=spent)
    if fault is Fault.UNFIT and _is_of_the_account(error):
        fault = Fault.TURNED_DOWN
    return ProviderError(
        fault,
        provider=PROVIDER,
        model=model,
        status=status,
        retry_after_s=next(iter(wishes), None),
    )


def _is_of_the_account(error: _Error) -> bool:
    """Gemini answers 400 to a key that is wrong or has expired too, and to a region or an account it does not serve."""
    return error.status == "FAILED_PRECONDITION" or any(detail.reason == "API_KEY_INVALID" for detail in error.details)


def _failed(fault: Fault, model: str) -> ProviderError:
    return ProviderError(fault, provider=PROVIDER, model=model)


def _headers(error: errors.APIError) -> Mapping[str, str]:
    """Those of a reply over aiohttp, which find their names in any case."""
    return error.response.headers if isinstance(error.response, aiohttp.ClientResponse) else {}
