"""Settings are checked at start, by the variable's name, and keep their secrets."""

from __future__ import annotations

import pytest

from serve_app.pools import pools, within
from serve_app.settings import Settings, is_loopback, load, table, variable
from state.errors import InvalidField

KEY = "a-long-enough-key-1"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("ASKWELL_PORT", "http", "integer"),
        ("ASKWELL_PORT", "0", "greater"),
        ("ASKWELL_SESSION_TTL_S", "5", "greater"),
        ("ASKWELL_SESSION_TTL_S", "inf", "finite"),
        ("ASKWELL_SESSION_TTL_S", "1e18", "less"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("QDRANT_URL", "localhost:6333", "http://"),
        ("OPENAI_BASE_URL", "localhost", "http://"),
        ("ASKWELL_API_KEYS", '{"acme": "schl\u00fcssel-schl\u00fcssel"}', "header"),
        ("ASKWELL_API_KEYS", "acme=1", "JSON"),
        ("ASKWELL_API_KEYS", '{"acme": "short"}', "shorter"),
        ("ASKWELL_API_KEYS", f'{{"acme": "{KEY}", "other": "{KEY}"}}', "share"),
        ("ASKWELL_API_KEYS", f'{{"(service)": "{KEY}"}}', "the service's own"),
        ("ASKWELL_PRICES", "/no/such/file.json", "ASKWELL_PRICES"),
        ("ASKWELL_EMBEDDINGS", "word2vec", "openai"),
        ("GEMINI_BASE_URL", "localhost", "http://"),
        ("ASKWELL_OPENAI_DIALECT", "esperanto", "compatible"),
        ("ASKWELL_LLM_HEDGE_SHARE", "2", "less"),
        ("ASKWELL_ROLLOUTS", '{"no_such_flag": 5}', "unknown"),
        ("ASKWELL_ROLLOUTS", '{"advanced_quality_evaluation": 101}', "less"),
    ],
)
def test_a_bad_value_is_refused_with_the_variable_s_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fix: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidField, match=fix) as refused:
        load()
    assert refused.value.field == name
    assert KEY not in str(refused.value)


def test_a_providers_embeddings_want_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKWELL_EMBEDDINGS", "gemini")
    with pytest.raises(InvalidField, match="GEMINI_API_KEY"):
        load()
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert load().embeddings == "gemini"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "example.com", "::"])
def test_without_keys_only_loopback_is_listened_on(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ASKWELL_HOST", host)
    with pytest.raises(InvalidField, match="ASKWELL_API_KEYS"):
        load()
    monkeypatch.setenv("ASKWELL_API_KEYS", f'{{"acme": "{KEY}"}}')
    assert load().host == host


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "REDIS_URL", "QDRANT_URL"):
        monkeypatch.setenv(name, "")
    settings = load()
    assert (settings.openai_api_key, settings.redis_url, settings.qdrant_url) == (None, None, None)


def test_a_minimum_above_its_maximum_is_refused() -> None:
    with pytest.raises(InvalidField, match="ASKWELL_GENERATOR_MIN"):
        load(generator_min=5, generator_max=2)


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "REDIS_URL", "QDRANT_API_KEY"):
        monkeypatch.setenv(name, "redis://:hunter2-hunter2@localhost/0")
    monkeypatch.setenv("ASKWELL_API_KEYS", f'{{"acme": "{KEY}"}}')
    shown = repr(load()) + str(load()) + table()
    assert "hunter2" not in shown
    assert KEY not in shown


def test_rollouts_change_the_defaults_they_name_and_no_others() -> None:
    rollouts = load(rollouts={"advanced_quality_evaluation": 0}).flag_rollouts
    assert rollouts["advanced_quality_evaluation"] == 0
    assert rollouts["use_batch_generation"] == 100


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("a.b", False)]
)
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(("cores", "least", "most"), [(1, 1, 1), (2, 1, 1), (4, 1, 2), (64, 1, 4), (2, 3, 3)])
def test_one_machine_has_no_more_replicas_of_a_pool_than_half_its_cores_unless_asked_to(
    cores: int, least: int, most: int
) -> None:
    settings = within(Settings(generator_min=least), cores)
    assert (settings.generator_min, settings.generator_max) == (least, most)
    assert within(Settings(generator_max=4), cores).generator_max == 4


def test_before_the_embedded_store_there_is_one_retriever() -> None:
    settings = Settings(retriever_min=2, retriever_max=3)
    retriever = {shared: pools(settings, shared=shared)[-1] for shared in (False, True)}
    assert (retriever[False].min_replicas, retriever[False].max_replicas) == (1, 1)
    assert (retriever[True].min_replicas, retriever[True].max_replicas) == (2, 3)
    assert retriever[False].options()["num_replicas"] == 1
    assert "autoscaling_config" not in retriever[False].options()
    assert retriever[True].options()["autoscaling_config"]["max_replicas"] == 3


def test_operators_have_to_be_tenants_and_without_keys_everybody_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().is_operator("local")
    monkeypatch.setenv("ASKWELL_OPERATORS", '["nobody"]')
    with pytest.raises(InvalidField, match="no tenants"):
        load()
    monkeypatch.setenv("ASKWELL_API_KEYS", f'{{"nobody": "{KEY}", "other": "{KEY}2"}}')
    assert [load().is_operator(tenant) for tenant in ("nobody", "other")] == [True, False]
