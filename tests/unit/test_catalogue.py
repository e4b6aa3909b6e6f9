"""The catalogue that is shipped, and what its loader refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.catalogue import CATALOGUE, Catalogue, load, text
from state.errors import RecordUnreadable
from state.model import ResourceType


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


def test_the_shipped_catalogue_is_broad(catalogue: Catalogue) -> None:
    assert len(catalogue.resources) >= 120
    assert len({resource.field for resource in catalogue.resources}) >= 12
    assert catalogue.about


def test_ids_and_urls_are_unique_and_urls_are_https(catalogue: Catalogue) -> None:
    urls = {resource.url for resource in catalogue.resources}
    assert len(catalogue.by_id) == len(urls) == len(catalogue.resources)
    assert all(url.startswith("https://") for url in urls)


def test_every_field_has_more_than_one_type(catalogue: Catalogue) -> None:
    types: dict[str, set[ResourceType]] = defaultdict(set)
    for resource in catalogue.resources:
        types[resource.field].add(resource.type)
    assert {field for field, found in types.items() if len(found) < 2} == set()


def test_every_field_has_something_for_the_default_budget(catalogue: Catalogue) -> None:
    short = {resource.field for resource in catalogue.resources if resource.duration_days <= 10}
    assert short == {resource.field for resource in catalogue.resources}


def test_any_change_is_another_catalogue(catalogue: Catalogue) -> None:
    first, *others = catalogue.resources
    changed = replace(catalogue, resources=(replace(first, rating=first.rating - 0.1), *others))
    assert changed.digest != catalogue.digest == load().digest
    assert len(catalogue.digest) == 12


def test_the_digest_is_the_same_in_every_process(catalogue: Catalogue) -> None:
    program = "from actors.catalogue import load; print(load().digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {catalogue.digest}


def test_what_is_embedded_names_the_field_and_the_skills(catalogue: Catalogue) -> None:
    resource = next(resource for resource in catalogue.resources if "-" in resource.field)
    embedded = text(resource)
    assert resource.field.replace("-", " ") in embedded
    assert all(skill in embedded for skill in resource.skills)


def test_a_wrong_entry_is_named_by_its_field(tmp_path: Path) -> None:
    path = _changed(tmp_path, rating=7)
    with pytest.raises(RecordUnreadable, match=r"resources\.1\.rating"):
        load(path)


def test_two_entries_with_one_id_are_refused(tmp_path: Path) -> None:
    first = json.loads(CATALOGUE.read_text())["resources"][0]
    with pytest.raises(RecordUnreadable, match="same id"):
        load(_changed(tmp_path, id=first["id"]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordUnreadable, match=r"none\.json"):
        load(tmp_path / "none.json")


def _changed(folder: Path, **values: Any) -> Path:
    """The shipped file with the second entry changed."""
    data = json.loads(CATALOGUE.read_text())
    data["resources"][1].update(values)
    path = folder / "catalogue.json"
    path.write_text(json.dumps(data))
    return path
