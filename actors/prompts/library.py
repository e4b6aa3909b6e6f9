"""The prompts, read from `data/NAME.VERSION.md`: front matter, then the text in sections.

A prompt's text may take in shared parts, by name and version ('{{rules/1}}'). A changed part is a part of
another version, so every prompt that takes it in changes with it and gets a version of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from actors.llm import Request
from actors.prompts.schemas import SCHEMAS
from state.errors import InvalidField, RecordUnreadable
from state.messages import EvaluateAnswer, FindGaps, RefineAnswer, WriteAnswer, WritePrompts, WriteQuestion

DATA = Path(__file__).parent / "data"

OPERATIONS: Mapping[type[Request], str] = {
    FindGaps: "find_gaps",
    WriteQuestion: "write_question",
    WritePrompts: "write_prompts",
    WriteAnswer: "write_answer",
    RefineAnswer: "refine_answer",
    EvaluateAnswer: "evaluate_answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One version of a prompt. The bytes of `system` never change within a version.

    `task` are the last words of a call, with `$names` to fill in; `refused` the words before a former
    draft's refusal. `max_output_tokens` bounds a reply's JSON, and grows by `max_output_tokens_each` for
    every item that a request asks for; `because` is the reason for both. `result` is the name of the
    result type, '' for a prompt without one of its own. `changes` is this version's line of a changelog.
    """

    name: str
    version: Annotated[int, Field(ge=1)]
    operation: str
    result: str
    max_output_tokens: Annotated[int, Field(ge=0)]
    max_output_tokens_each: Annotated[int, Field(ge=0)] = 0
    because: Annotated[str, Field(min_length=1)]
    changes: Annotated[str, Field(min_length=1)]
    system: str
    task: Annotated[str, Field(min_length=1)]
    refused: str = ""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def label(self) -> str:
        """'write_answer/3'"""
        return f"{self.name}/{self.version}"

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of its result, {} where it has none of its own."""
        return next((schema for kind, schema in SCHEMAS.items() if kind.__name__ == self.result), {})

    @property
    def digest(self) -> str:
        """Twelve hex digits of everything a model is sent of it, and of its bounds."""
        sent = [self.schema, self.system, self.task, self.refused, self.max_output_tokens, self.max_output_tokens_each]
        return hashlib.sha256(json.dumps(sent).encode()).hexdigest()[:12]


def load(folder: Path = DATA, pinned: Mapping[str, int] | None = None) -> Mapping[str, Wording]:
    """Of each prompt the version that is `pinned` to its name, else the highest one, by operation.

    Raises `RecordUnreadable` naming the file, and the field or the part that is wrong, and `InvalidField`
    naming the versions there are, for a pin to another one.
    """
    wordings = every(folder)
    chosen = {wording.operation: wording for wording in wordings}
    for name, version in (pinned or {}).items():
        found = [wording for wording in wordings if (wording.name, wording.version) == (name, version)]
        if not found:
            raise InvalidField(field=f"{name}/{version}", fix=f"is no prompt; there are {_labels(wordings, name)}")
        chosen[found[0].operation] = found[0]
    return chosen


def every(folder: Path = DATA) -> tuple[Wording, ...]:
    """Every version of every prompt, the highest ones last. Raises `RecordUnreadable` as `load` does."""
    files = {path.name: _read(path) for path in sorted(folder.glob("*.md"))}
    parts = {f"{matter['name']}/{matter['version']}": body for matter, body in files.values()}
    wordings = [_wording(name, *file, parts) for name, file in files.items() if "operation" in file[0]]
    return tuple(sorted(wordings, key=lambda found: found.version))


def _labels(wordings: Iterable[Wording], name: str) -> str:
    """The versions of this prompt, or all there are where it is none."""
    wordings = tuple(wordings)
    own = [wording.label for wording in wordings if wording.name == name]
    return ", ".join(own or sorted(wording.label for wording in wordings))


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Front matter and body of one file, whose name has to be theirs."""
    try:
        _, matter, body = path.read_text(encoding="utf-8").split("---\n", 2)
        fields = yaml.safe_load(matter)
        named = f"{fields['name']}.{fields['version']}.md"
    except OSError as error:
        raise RecordUnreadable(f"{path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise RecordUnreadable(f"{path.name}: no front matter with name and version.") from error
    if named != path.name:
        raise RecordUnreadable(f"{path.name}: its front matter is that of {named}.")
    return fields, body.strip()


def _wording(file: str, matter: Mapping[str, Any], body: str, parts: Mapping[str, str]) -> Wording:
    before, *sections = _HEADING.split(body)
    texts = {heading.lower(): text.strip() for heading, text in zip(sections[::2], sections[1::2], strict=True)}
    if before.strip():
        raise RecordUnreadable(f"{file}: text before its first section.")
    try:
        texts["system"] = _PART.sub(lambda part: parts[part[1]], texts.get("system", ""))
        wording = _WORDING.validate_python({**matter, **texts})
    except KeyError as error:
        raise RecordUnreadable(f"{file}: there is no part {error.args[0]}.") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RecordUnreadable(f"{file}: {where}: {error.errors()[0]['msg']}.") from error
    if not Template(wording.task).is_valid():
        raise RecordUnreadable(f"{file}: task: a '$' without a name.")
    return wording


_HEADING = re.compile(r"^# (System|Task|Refused)$", re.MULTILINE)
_PART = re.compile(r"\{\{(\w+/\d+)\}\}")
_WORDING = TypeAdapter(Wording)

WORDINGS: Mapping[str, Wording] = load()
"""By operation; 'repair' stands beside the operations of `OPERATIONS`."""
