"""`askwell judge`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from actors.judging.agreement import Estimate
from actors.judging.gold import load
from actors.judging.measurement import Agreement, Measurement, Plan, survey
from actors.judging.probes import PROBES, finding
from serve_app import judge
from serve_app.ports import free_port
from serve_app.settings import Settings
from state.errors import InvalidField
from state.model import CriterionName

KEY = "sk-secret-of-this-test"


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200, force_terminal=False)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return Settings()


def test_the_offline_judge_is_measured_and_the_file_holds_what_the_tables_show(
    console: Console, offline: Settings, tmp_path: Path
) -> None:
    output = tmp_path / "judge.json"
    code = judge.run(offline, console, items=8, seed=2, reruns=1, twice=False, output=output)
    work = survey(load(), Plan(items=8, seed=2, reruns=1))
    text = console.export_text()
    assert text.startswith(f"8 of 146 answers, 1 reruns, {len(PROBES)} probes: {work.judgements}")
    assert "weighted kappa of the total" in text
    written = json.loads(output.read_text("utf-8"))
    assert written["plan"] == {"items": 8, "seed": 2, "reruns": 1, "flags": {"advanced_quality_evaluation": False}}
    assert written["judgements"] == work.judgements
    assert [probe["name"] for probe in written["probes"]] == [probe.name for probe in PROBES]
    assert written["flips"]["value"] == 0
    assert len(written["items"]) == 8
    assert written["held"] is (code == judge.HELD)


def test_two_passes_are_announced_as_twice_the_completions(console: Console, offline: Settings) -> None:
    judge.run(offline, console, items=2, seed=1, reruns=0, twice=True, output=None)
    work = survey(load(), Plan(items=2, seed=1, reruns=0))
    assert f"{2 * work.judgements} completions" in console.export_text().splitlines()[0]


def test_a_provider_that_cannot_be_reached_measures_nothing_and_its_key_is_not_shown(
    console: Console, offline: Settings, tmp_path: Path
) -> None:
    settings = offline.model_copy(
        update={
            "openai_api_key": SecretStr(KEY),
            "openai_base_url": f"http://127.0.0.1:{free_port()}/v1",
            "llm_attempts": 1,
        }
    )
    output = tmp_path / "judge.json"
    assert judge.run(settings, console, items=1, seed=1, reruns=0, twice=False, output=output) == judge.MISSED
    text = console.export_text() + output.read_text("utf-8")
    assert "1 judgements failed: WorkUnavailable" in text
    assert "Nothing was scored" in text
    assert KEY not in text


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked_for(
    console: Console, offline: Settings, tmp_path: Path
) -> None:
    with pytest.raises(InvalidField, match="--output"):
        judge.run(offline, console, items=1, seed=1, reruns=0, twice=False, output=tmp_path / "none" / "judge.json")
    assert not console.export_text()


def test_a_probe_without_a_pair_is_not_measured_and_one_without_a_score_is_missed(console: Console) -> None:
    estimate = Estimate(value=0.5, low=0.4, high=0.6, n=9)
    part = Agreement(
        kappa=estimate,
        criteria=dict.fromkeys(CriterionName, estimate),
        verdicts=estimate,
        false_accepts=0,
        false_refusals=0,
        raters_accept=5,
        lenient=estimate,
        raters_kappa=estimate,
        raters_verdicts=0.9,
    )
    measurement = Measurement(
        judges={"openai:a": 9},
        judgements=9,
        failures={},
        agreement={"all": part},
        flips=None,
        probes=(finding(PROBES[0], [], unscored=0, seed=1), finding(PROBES[2], [], unscored=3, seed=1)),
        items=(),
    )
    judge.report(console, measurement)
    rows = {line for line in console.export_text().splitlines() if PROBES[0].about in line or PROBES[2].about in line}
    verdicts = {PROBES[n].name: next(row for row in rows if PROBES[n].about in row) for n in (0, 2)}
    assert "not measured" in verdicts[PROBES[0].name]
    assert "MISSED" not in verdicts[PROBES[0].name]
    assert "MISSED" in verdicts[PROBES[2].name]
    assert not measurement.held


def test_a_mixture_of_judges_is_pointed_out(console: Console) -> None:
    probe = finding(PROBES[0], [], unscored=2, seed=1)
    flips = Estimate(value=0.1, low=0.05, high=0.2, n=40)
    part = Measurement(
        judges={"openai:a": 3, "google:b": 1},
        judgements=6,
        failures={"StepTimedOut": 2},
        agreement={},
        flips=flips,
        probes=(probe,),
        items=(),
    )
    judge.report(console, part)
    text = console.export_text()
    assert "figures of the mixture" in text
    assert "2 judgements failed: StepTimedOut" in text
