"""What a reply has to look like, and the way from a reply's text to a result.

The schemas keep to what OpenAI's strict mode and Gemini's `response_json_schema` both take: objects that
are closed and require all of their properties, arrays, strings, numbers, enums and bounds, without
references. Models write properties in the order of the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, assert_never, cast

from pydantic_core import from_json

from actors.llm import RESULTS, Judgement, R, Result, schema, validated
from actors.prompts.markup import seen
from state.errors import BrokenReply
from state.messages import FoundGaps, WrittenPrompts, WrittenQuestion
from state.model import Answer, BulletKind, CriterionName, PromptType

_KEPT = ("type", "enum", "minimum", "maximum", "minItems", "maxItems")
"""Keywords that say what JSON is allowed. Titles and descriptions go: a docstring is for readers of the
code and must not steer a model."""

_LEFT_OUT = frozenset({(kind.__name__, "by") for kind in RESULTS.values()} | {("Claim", "quote")})
"""Properties that code fills in: who gave a result, and the words of a source that a claim quotes."""

_ORDER: Mapping[str, tuple[str, ...]] = {"Criterion": ("name", "quote", "reason", "score")}
"""Where not that of the type: a score is to follow from its reason, and the reason from the words it rests on."""

_BOUNDS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("Gap", "skills"): {"maxItems": 4},
    ("Prompt", "options"): {"maxItems": 6},
    ("Bullet", "claims"): {"maxItems": 4},
    ("Judgement", "criteria"): {"minItems": len(CriterionName), "maxItems": len(CriterionName)},
    ("Judgement", "issues"): {"maxItems": 3},
    ("Judgement", "strengths"): {"maxItems": 2},
    ("Judgement", "suggestions"): {"maxItems": 3},
    ("Suggestion", "examples"): {"maxItems": 2},
}
"""How many a model may write, where the types allow more: output is what costs most."""

WITH_OPTIONS = frozenset({PromptType.SELECT, PromptType.MULTISELECT})


def _strict(loose: Mapping[str, Any], definitions: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """One node of a JSON schema, with everything it refers to in place. `owner` is the type it describes."""
    if "$ref" in loose:
        owner = loose["$ref"].rpartition("/")[2]
        return _strict(definitions[owner], definitions, owner)
    strict = {key: loose[key] for key in _KEPT if key in loose}
    if "items" in loose:
        strict["items"] = _strict(loose["items"], definitions, owner)
    if "properties" in loose:
        names = [name for name in _ORDER.get(owner, loose["properties"]) if (owner, name) not in _LEFT_OUT]
        strict["properties"] = {
            name: _strict(loose["properties"][name], definitions, owner) | _BOUNDS.get((owner, name), {})
            for name in names
        }
        strict |= {"required": names, "additionalProperties": False}
    return strict


def _strict_schema(kind: type[Result]) -> dict[str, Any]:
    loose = schema(kind)
    return _strict(loose, loose.get("$defs", {}), kind.__name__)


SCHEMAS: Mapping[type[Result], dict[str, Any]] = {kind: _strict_schema(kind) for kind in RESULTS.values()}
"""By result type. Never changed: a schema is the beginning of the prefix that is cached."""


def parsed(kind: type[R], text: str) -> R:
    """A reply's text as a `kind`.

    Claims come with an empty `quote`, a judgement's criteria in their usual order, and options only where
    there is something to choose. Raises `BrokenReply` naming the first wrong field ('Judgement.criteria:
    too_short'), never what stands in it.
    """
    result = validated(kind, _completed(kind, _read(kind, text)))
    for field, fault in _faults(result):
        raise BrokenReply(f"{kind.__name__}.{field}: {fault}")
    return cast(R, _tidied(result))


def wire(schema: Mapping[str, Any]) -> str:
    """A schema as short as it can be written."""
    return json.dumps(schema, separators=(",", ":"))


def expected(kind: str, field: str) -> Mapping[str, Any]:
    """What the schema says of a field, without what lies deeper; of the nearest one above, where it has none."""
    node = next((found for result, found in SCHEMAS.items() if result.__name__ == kind), {})
    for part in field.split(".")[1:]:
        inner = node.get("items") if part.isdigit() else node.get("properties", {}).get(part)
        if inner is None:
            break
        node = inner
    shallow = {key: node[key] for key in (*_KEPT, "required") if key in node}
    return shallow | ({"items": {"type": node["items"]["type"]}} if "items" in node else {})


def _read(kind: type[R], text: str) -> Any:
    try:
        from_json(text, allow_inf_nan=False)  # turns down NaN, halves of surrogate pairs, nesting without end
        return json.loads(text, object_pairs_hook=_unique)
    except _Twice:
        raise BrokenReply(f"{kind.__name__}: a key given twice") from None
    except ValueError:
        raise BrokenReply(f"{kind.__name__}: no JSON") from None


class _Twice(ValueError):
    """An object has a key two times; which of the two is meant nobody knows."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _completed(kind: type[R], fields: Any) -> Any:
    """Without control characters, without a provenance of the model's own making, with quotes to be filled."""
    fields = _legible(fields)
    if isinstance(fields, dict):
        fields.pop("by", None)
    if kind is Answer:
        for bullet in _dicts_in(fields, "bullets"):
            for claim in _dicts_in(bullet, "claims"):
                claim["quote"] = ""
    return fields


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return seen(value, " ")
    if isinstance(value, list):
        return [_legible(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _legible(inner) for name, inner in value.items()}
    return value


def _dicts_in(fields: Any, name: str) -> list[dict[str, Any]]:
    found = fields.get(name) if isinstance(fields, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _faults(result: Result) -> Iterator[tuple[str, str]]:
    """What no schema can forbid, by field, in the order it stands there."""
    match result:
        case FoundGaps(gaps=gaps):
            yield from _empty((f"gaps.{n}.title", gap.title) for n, gap in enumerate(gaps))
        case WrittenQuestion(text=text):
            yield from _empty([("text", text)])
        case WrittenPrompts():
            yield from _faults_of_prompts(result)
        case Answer(title=title, bullets=bullets):
            yield from _empty([("title", title)])
            if [bullet.kind for bullet in bullets] != list(BulletKind):
                yield "bullets", "not each kind once and in order"
            yield from _empty((f"bullets.{n}.text", bullet.text) for n, bullet in enumerate(bullets))
        case Judgement(criteria=criteria):
            if sorted(found.name for found in criteria) != sorted(CriterionName):
                yield "criteria", "not each criterion once"
        case _:
            assert_never(result)


def _faults_of_prompts(written: WrittenPrompts) -> Iterator[tuple[str, str]]:
    ids: set[str] = set()
    for n, prompt in enumerate(written.prompts):
        yield from _empty([(f"prompts.{n}.id", prompt.id), (f"prompts.{n}.question", prompt.question)])
        if prompt.id in ids:
            yield f"prompts.{n}.id", "the id of another prompt"
        ids.add(prompt.id)
        if prompt.type in WITH_OPTIONS and (len(set(prompt.options)) < 2 or not all(map(str.strip, prompt.options))):
            yield f"prompts.{n}.options", "fewer than two options to choose from"


def _empty(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((field, "empty") for field, text in texts if not text.strip())


def _tidied(result: Result) -> Result:
    match result:
        case Judgement(criteria=criteria):
            usual = list(CriterionName)
            return replace(result, criteria=tuple(sorted(criteria, key=lambda found: usual.index(found.name))))
        case WrittenPrompts(prompts=prompts):
            chosen = (prompt.options if prompt.type in WITH_OPTIONS else () for prompt in prompts)
            kept = (replace(prompt, options=options) for prompt, options in zip(prompts, chosen, strict=True))
            return replace(result, prompts=tuple(kept))
        case _:
            return result
