"""Prefixes against what models cache, and the report on it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from actors.models import ModelFacts, facts_of, families, load, tokens_at_least, tokens_likely
from actors.prompts import OPERATIONS, WORDINGS, context_of
from actors.prompts.__main__ import BEGIN, END, main
from actors.prompts.prefixes import (
    DEFAULT_MODELS,
    REPORTED_MODELS,
    USUAL_CONTEXT_CHARACTERS,
    markdown,
    report,
)
from state.errors import RecordUnreadable
from state.model import Document

ROOT = Path(__file__).parents[2]
OPENAI, GEMINI = DEFAULT_MODELS


def known(model: str) -> ModelFacts:
    facts = facts_of(model)
    assert facts is not None
    return facts


class TestModels:
    def test_every_fact_has_its_source(self) -> None:
        facts = {field.name for field in fields(ModelFacts)} - {"family", "provider", "sources"}
        for family in families():
            assert set(family.sources) == facts
            assert all(family.sources.values())

    @pytest.mark.parametrize(
        ("model", "family", "minimum"),
        [
            ("gpt-5-mini", "gpt-5", 1_024),
            ("gpt-5.6-luna", "gpt-5.6", 1_024),
            ("gpt-4o-mini", "gpt-4o", 1_024),
            ("gpt-4-turbo", "gpt-4", None),
            ("gemini-2.5-flash-lite", "gemini-2.5", 2_048),
            ("models/Gemini-2.5-Pro", "gemini-2.5", 2_048),
            ("gemini-3-flash-preview", "gemini-3", 4_096),
            ("gemini-3.1-pro-preview", "gemini-3.1", 4_096),
            ("gemini-2.0-flash", "gemini-2.0", None),
        ],
    )
    def test_a_model_has_the_facts_of_its_family(self, model: str, family: str, minimum: int | None) -> None:
        assert known(model).family == family
        assert known(model).cache_minimum_tokens == minimum

    @pytest.mark.parametrize("model", ["", "llama-3.3", "gpt-50", "gpt-oss-20b", "my-gpt-5"])
    def test_nothing_is_known_of_other_models(self, model: str) -> None:
        assert facts_of(model) is None

    def test_families_are_named_once(self) -> None:
        assert len({family.family for family in families()}) == len(families())

    def test_as_many_characters_as_it_says_are_enough_tokens(self) -> None:
        assert known(OPENAI).minimum_characters == 5_120
        assert known("gpt-4").minimum_characters is None
        assert tokens_at_least(5_120) == 1_024
        assert tokens_at_least(5_119) == 1_023
        assert tokens_likely(4_400) == 1_000

    @pytest.mark.parametrize("text", [None, "[]]", '[{"family": "x"}]'])
    def test_a_broken_file_is_named(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "models.json"
        if text is not None:
            path.write_text(text)
        with pytest.raises(RecordUnreadable, match=r"models\.json"):
            load(path)


class TestPrefixes:
    def test_a_usual_cv_and_job_are_those_of_the_examples(self) -> None:
        contexts = [
            context_of(*(Document(text=next(folder.glob(f"{name}.*")).read_text()) for name in ("cv", "job")))
            for folder in sorted((ROOT / "examples").iterdir())
        ]
        assert min(map(len, contexts)) == USUAL_CONTEXT_CHARACTERS

    def test_every_stable_prefix_is_long_enough_for_openai_by_itself(self) -> None:
        rows = report(OPENAI)
        assert [row.prompt for row in rows] == [WORDINGS[operation].label for operation in OPERATIONS.values()]
        assert all(row.cacheable and row.stable >= 1_024 for row in rows)

    def test_no_stable_prefix_is_longer_than_it_has_to_be(self) -> None:
        assert all(row.stable <= 1.6 * 1_024 for row in report(OPENAI))

    def test_every_prefix_with_a_usual_cv_and_job_is_long_enough_for_gemini_2_5(self) -> None:
        assert all(row.cacheable_with_context and row.usual >= 2_048 for row in report(GEMINI))

    def test_prefixes_too_short_are_reported_as_uncacheable(self) -> None:
        assert not any(row.cacheable for row in report(GEMINI))
        assert not any(row.cacheable or row.cacheable_with_context for row in report("gemini-3.5-flash"))

    def test_nothing_is_called_cacheable_where_nothing_is_known_or_cached(self) -> None:
        for model in ("llama-3.3", "gpt-4", "gemini-2.0-flash"):
            assert not any(row.cacheable or row.cacheable_with_context for row in report(model))
            assert {row.minimum for row in report(model)} == {None}

    def test_the_schema_counts_only_where_it_is_known_to_be_cached(self) -> None:
        for with_schema, without in zip(report(OPENAI), report(GEMINI), strict=True):
            assert with_schema.stable > without.stable

    def test_the_lower_bound_lies_below_the_likely_count(self) -> None:
        for row in report(OPENAI):
            assert row.stable < row.stable_likely < row.usual_likely
            assert row.stable < row.usual < row.usual_likely


class TestReport:
    def test_the_page_holds_the_current_report(self) -> None:
        page = (ROOT / "docs" / "prompts.md").read_text()
        assert page.partition(BEGIN)[2].partition(END)[0].strip() == markdown()

    def test_it_speaks_of_every_prompt_and_model(self) -> None:
        told = markdown()
        assert all(f"### {model}" in told for model in REPORTED_MODELS)
        assert set(DEFAULT_MODELS) < set(REPORTED_MODELS)
        for wording in WORDINGS.values():
            assert f"| {wording.label} |" in told
            assert wording.because in told
            assert wording.changes in told

    def test_it_replaces_the_report_in_a_page_and_nothing_else(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")
        main([str(page)])
        assert page.read_text() == f"Before.\n{BEGIN}\n\n{markdown()}\n\n{END}\nAfter.\n"

    def test_without_a_page_it_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        main([])
        assert capsys.readouterr().out == markdown() + "\n"

    def test_the_facts_are_plain_data(self) -> None:
        assert len(json.loads((ROOT / "actors" / "data" / "models.json").read_text())) == len(families())
