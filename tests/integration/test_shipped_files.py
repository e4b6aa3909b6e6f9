"""What stands where: no Ray below, the wheel whole, the shipped files as the settings make them."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from serve_app.http.guard import MAX_NESTING, _nesting
from serve_app.manifests import Kind, render
from serve_app.ray_environment import RAY_ENVIRONMENT
from serve_app.settings import Settings, table
from state.workflow import diagram

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def test_nothing_below_serve_app_and_no_route_loads_ray() -> None:
    code = (
        "import sys, state.session_actor, actors.generator, actors.evaluator, actors.retriever, "
        "actors.offline.provider, actors.prompted, actors.resilience.stack, actors.providers.openai, "
        "actors.providers.gemini, actors.judging.measurement, serve_app.http.app; sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_readme_s_state_diagram_is_the_table_s() -> None:
    assert f"```mermaid\n{diagram()}\n```" in README, "put `python -m state.workflow` into the README"


def test_the_readme_s_settings_are_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert table() in README, "put `python -m serve_app.settings` into the README"


@pytest.mark.parametrize(("kind", "name"), [(Kind.SERVE, "serve_config.yaml"), (Kind.CLUSTER, "ray_cluster.yaml")])
def test_the_shipped_files_are_what_the_default_settings_make(kind: Kind, name: str) -> None:
    assert (ROOT / name).read_text() == render(kind, Settings()), f"run `askwell config {kind} > {name}`"


def test_ray_s_own_schema_takes_the_cluster_file() -> None:
    validate_config(prepare_config(yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())))


def test_serve_s_own_schema_takes_the_serve_file() -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load((ROOT / "serve_config.yaml").read_text()))
    assert [one.name for one in config.applications[0].deployments] == [
        "Ingress",
        "Generator",
        "Evaluator",
        "Retriever",
    ]


def test_the_cluster_file_keeps_ports_off_public_addresses_and_wants_the_token() -> None:
    config = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    head, worker = config["head_start_ray_commands"][0], config["worker_start_ray_commands"][0]
    assert "--dashboard-host=127.0.0.1" in head
    assert "--ray-client-server-port=0" in head
    for command in (head, worker):
        assert "RAY_AUTH_MODE=token" in command
    assert RAY_ENVIRONMENT["RAY_AUTH_MODE"] == "token"
    serve = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    assert serve["http_options"]["host"] == "127.0.0.1"


@pytest.mark.timeout(300)
def test_the_wheel_holds_every_package_and_imports_from_another_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("askwell-*.whl")
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=True)
    python = clean / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    # The dependencies are lent by this environment; Askwell itself comes out of the wheel.
    lent = next(path for path in sys.path if path.endswith("site-packages"))
    code = (
        "import sys; sys.path.append(sys.argv[1]);"
        "import state.session_actor, serve_app.cli, serve_app.http.app, loadtests, actors.offline.provider;"
        "from actors.catalogue import load; from actors.offline.lexicon import Lexicon; import state.store;"
        "print(len(load().resources), len(Lexicon.shipped().skills), state.store.__file__)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [python, "-c", code, lent], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    resources, skills, place = run.stdout.split()
    assert int(resources) >= 120
    assert int(skills) >= 900
    assert place.startswith(str(clean))


@pytest.mark.parametrize(
    ("body", "depth"),
    [(b"{}", 1), (b'{"a": [1, {"b": []}]}', 4), (b'"[[[["', 0), (rb'{"a": "\"[[["}', 1), (b'["a\\\\", [1]]', 2)],
)
def test_nesting_counts_brackets_outside_of_strings(body: bytes, depth: int) -> None:
    assert _nesting(body) == depth
    assert _nesting(b"[" * 100_000) > MAX_NESTING
