"""`askwell doctor`: what does not work is found by asking for it, and comes with its fix."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from actors.embeddings import Vectors
from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import Served, serving
from serve_app import doctor
from serve_app.doctor import Finding, State
from serve_app.ports import free_port
from serve_app.settings import Settings, variable
from state.messages import NOBODY, Origin
from tests.virtual_time import on_virtual_time

KEY = SecretStr("sk-secret-of-this-test")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
async def stub() -> AsyncIterator[Served]:
    async with serving(Stub(StubConfig())) as served:
        yield served


async def found(part: str, tmp_path: Path, **given: Any) -> Finding:
    """The finding on one part, of a service that does not run."""
    settings = Settings(**{"port": free_port(), "data_dir": tmp_path, **given})
    (finding,) = [one for one in await doctor.examine(settings) if one.part == part]
    assert KEY.get_secret_value() not in f"{finding}"
    return finding


async def test_the_offline_embedder_embeds(tmp_path: Path) -> None:
    finding = await found("embeddings", tmp_path)
    assert (finding.state, finding.detail) == (State.OK, "wordllama-l2-256, 256 dimensions")


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_a_provider_that_embeds_is_ok(stub: Served, tmp_path: Path, provider: str) -> None:
    url = stub.openai_url if provider == "openai" else stub.url
    given = {"embeddings": provider, f"{provider}_api_key": KEY, f"{provider}_base_url": url}
    finding = await found("embeddings", tmp_path, openai_dialect="openai", **given)
    assert (finding.state, finding.fix) == (State.OK, "")


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_an_embedder_that_cannot_be_reached_has_failed(tmp_path: Path, provider: str) -> None:
    given = {f"{provider}_api_key": KEY, f"{provider}_base_url": f"http://127.0.0.1:{free_port()}/v1"}
    finding = await found("embeddings", tmp_path, embeddings=provider, **given)
    assert finding.state is State.FAILED
    assert "unreachable" in finding.detail
    for name in (f"{provider.upper()}_BASE_URL", "ASKWELL_EMBEDDING_MODEL", "ASKWELL_EMBEDDINGS=offline"):
        assert name in finding.fix


async def test_a_model_of_another_dimension_has_failed_and_the_fix_names_its_own(stub: Served, tmp_path: Path) -> None:
    given = {"openai_api_key": KEY, "openai_base_url": stub.openai_url, "openai_dialect": "compatible"}
    finding = await found("embeddings", tmp_path, embeddings="openai", **given)
    assert finding.state is State.FAILED
    assert "ASKWELL_EMBEDDING_DIMENSION=1536" in finding.fix
    fixed = await found("embeddings", tmp_path, embeddings="openai", embedding_dimension=1536, **given)
    assert fixed.state is State.OK


@dataclass(slots=True)
class Silent:
    """Never embeds anything."""

    name: str = "silent-1"
    dimension: int = 1
    floor: float = 0.5
    closed: bool = False

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        await asyncio.Event().wait()
        raise AssertionError

    async def aclose(self) -> None:
        self.closed = True


@on_virtual_time
async def test_an_embedder_that_is_silent_is_given_up_and_closed() -> None:
    silent = Silent()
    finding = await doctor.asked_to_embed(silent, Settings())
    assert (finding.state, finding.detail) == (State.FAILED, "silent-1 does not answer within 5 s")
    assert silent.closed


async def test_prices_that_can_be_read_are_named(tmp_path: Path) -> None:
    assert (await found("prices", tmp_path)).state is State.OK
    prices = tmp_path / "prices.json"
    prices.write_text('{"openai:": {"input_per_million": 1, "output_per_million": 1}}')
    finding = await found("prices", tmp_path, prices=prices)
    assert finding.state is State.OK
    assert f"{prices}" in finding.detail


async def test_a_file_of_prices_that_broke_since_the_settings_were_read_has_failed(tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text("{}")
    settings = Settings(port=free_port(), data_dir=tmp_path, prices=prices)
    prices.write_text('{"openai:": ')
    (finding,) = [one for one in await doctor.examine(settings) if one.part == "prices"]
    assert finding.state is State.FAILED
    assert "ASKWELL_PRICES" in finding.detail
    assert finding.fix


def test_a_bad_file_of_prices_is_reported_and_ends_the_command_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"gpt-5": {}}')
    monkeypatch.setenv("ASKWELL_PRICES", f"{prices}")
    monkeypatch.setenv("ASKWELL_DATA_DIR", f"{tmp_path}")
    monkeypatch.setenv("ASKWELL_PORT", f"{free_port()}")
    console = Console(record=True, width=300, force_terminal=False)
    assert doctor.run(console) == 1
    assert "ASKWELL_PRICES" in console.export_text()
