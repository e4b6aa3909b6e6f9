"""Which operation a call belongs to, told from the schema it asks for, and values for schemas nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtests.provider_stub.calls import Operation

_BY_NAME = {
    "FoundGaps": Operation.FIND_GAPS,
    "WrittenQuestion": Operation.WRITE_QUESTION,
    "WrittenPrompts": Operation.WRITE_PROMPTS,
    "Answer": Operation.WRITE_ANSWER,
    "Judgement": Operation.EVALUATE_ANSWER,
}
_BY_PROPERTIES = (
    ({"gaps"}, Operation.FIND_GAPS),
    ({"text", "minutes"}, Operation.WRITE_QUESTION),
    ({"prompts"}, Operation.WRITE_PROMPTS),
    ({"title", "bullets"}, Operation.WRITE_ANSWER),
    ({"criteria"}, Operation.EVALUATE_ANSWER),
)
_MAX_DEPTH = 8


def operation_of(name: str, schema: Mapping[str, Any] | None, told: str) -> Operation:
    """By the schema's name, or else by its properties. An answer that comes with an evaluation is a refined one."""
    operation = _BY_NAME.get(name) or _by_properties(schema or {})
    if operation is Operation.WRITE_ANSWER and "</evaluation>" in told:
        return Operation.REFINE_ANSWER
    return operation


def filled(schema: Mapping[str, Any]) -> Any:
    """A value of this JSON schema (or Gemini's dialect of it): every property, each list as short as it may be.

    Patterns and formats of strings are not followed.
    """
    return _filled(schema, schema, _MAX_DEPTH)


def _by_properties(schema: Mapping[str, Any]) -> Operation:
    properties = _resolved(schema, schema).get("properties") or {}
    fitting = (operation for wanted, operation in _BY_PROPERTIES if wanted <= properties.keys())
    return next(fitting, Operation.OTHER)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema`, or what its `$ref` points to within the root; an unknown one points to anything."""
    found: Any = schema
    for _ in range(_MAX_DEPTH):
        reference = found.get("$ref")
        if not isinstance(reference, str):
            break
        found = root
        for part in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(part, {}) if part else found
    return found if isinstance(found, Mapping) else {}


def _filled(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    fixed = [schema[name] for name in ("const", "default") if name in schema] or schema.get("enum")
    if fixed:
        return fixed[0]
    choices = [schema[name] for name in ("anyOf", "oneOf", "allOf") if schema.get(name)]
    if choices:
        return _filled(choices[0][0], root, depth - 1) if depth else None
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    value: Any = None
    match _type(schema):
        case "object":
            named = schema.get("properties", {}).items() if depth else ()
            value = {name: _filled(inner, root, depth - 1) for name, inner in named}
        case "array":
            length = int(schema.get("minItems", 0)) if depth else 0
            value = [_filled(schema.get("items", {}), root, depth - 1) for _ in range(length)]
        case "string":
            value = "text".ljust(int(schema.get("minLength", 0)), ".")[: schema.get("maxLength")]
        case "integer" | "number":
            least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
            value = min(least, schema.get("maximum", least))
        case "boolean":
            value = False
    return value


def _type(schema: Mapping[str, Any]) -> str:
    declared = schema.get("type", "object" if "properties" in schema else "null")
    if isinstance(declared, list):
        declared = next((name for name in declared if name != "null"), "null")
    return str(declared).lower()
