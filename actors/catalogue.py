"""The catalogue of learning resources: data in a JSON file, validated when it is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from state.errors import RecordUnreadable
from state.model import Resource

CATALOGUE = Path(__file__).parent / "data" / "catalogue.json"


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """`about` says where the entries come from and what their figures are worth."""

    about: str
    resources: Annotated[tuple[Resource, ...], Field(min_length=1)]

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits of the entries and of what is embedded of them: any change is another catalogue."""
        embedded = "\n".join(text(resource) for resource in self.resources)
        return hashlib.sha256(_ENTRIES.dump_json(self.resources) + embedded.encode()).hexdigest()[:12]

    @cached_property
    def by_id(self) -> Mapping[str, Resource]:
        return {resource.id: resource for resource in self.resources}


def load(path: Path = CATALOGUE) -> Catalogue:
    """Raises `RecordUnreadable` naming the file and the first entry and field that are wrong."""
    try:
        catalogue = _FILE.validate_json(path.read_bytes())
    except OSError as error:
        raise RecordUnreadable(f"{path}: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordUnreadable(f"{path}: {where}: {first['msg']}.") from error
    if len(catalogue.by_id) != len(catalogue.resources):
        raise RecordUnreadable(f"{path}: two resources have the same id.")
    return catalogue


def text(resource: Resource) -> str:
    """What is embedded of a resource. The field's name helps those with a terse title."""
    field = resource.field.replace("-", " ")
    return f"{resource.title}. {field}. {', '.join(resource.skills)}. {resource.description}"


_FILE = TypeAdapter(Catalogue)
_ENTRIES = TypeAdapter(tuple[Resource, ...])
