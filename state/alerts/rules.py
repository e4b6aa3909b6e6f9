"""The rules, as data: `rules.toml` beside this file, and an operator's own file of the same form over it.

[latency]
window_minutes = 10
critical.limit = 8.0

[daily_cost]
enabled = false
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from state.errors import InvalidField
from state.metrics.buckets import LONGEST_WINDOW

VARIABLE = "ASKWELL_ALERTS"
MINUTES_OF_A_WEEK = 7 * 24 * 60


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """1 for a warning, 2 for what is critical; what does not fire has 0."""
        return 2 if self is Severity.CRITICAL else 1


class Signal(StrEnum):
    """What a rule looks at (`state.alerts.readings`). Rates and shares are from 0 to 1."""

    REQUEST_P95_S = "request_p95_s"
    REQUEST_ERROR_RATE = "request_error_rate"
    HOURLY_COST_USD = "hourly_cost_usd"
    CACHE_HIT_RATE = "cache_hit_rate"
    PROJECTED_DAY_USD = "projected_day_usd"
    QUALITY_MEAN = "quality_mean"
    REFINEMENT_RATE = "refinement_rate"
    FIRST_PASS_RATE = "first_pass_rate"  # noqa: S105 - no password
    REDIS_DOWN_SHARE = "redis_down_share"
    QDRANT_DOWN_SHARE = "qdrant_down_share"
    COMPLETION_ERROR_RATE = "completion_error_rate"


class Worse(StrEnum):
    """The side of a limit on which things are bad."""

    ABOVE = "above"
    BELOW = "below"

    def than(self, value: float, limit: float) -> bool:
        return value > limit if self is Worse.ABOVE else value < limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`cooldown_minutes` is how long after a message no second one of this limit is sent."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    limit: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cooldown_minutes: Annotated[int, Field(ge=0, le=MINUTES_OF_A_WEEK)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`causes` are likely ones, `actions` what to do. `min_samples` are requests, calls, lookups, evaluations or
    checks, whatever `signal` is made of."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    title: Annotated[str, Field(min_length=1)]
    signal: Signal
    worse: Worse
    unit: str
    window_minutes: Annotated[int, Field(ge=1, le=LONGEST_WINDOW)]
    min_samples: Annotated[int, Field(ge=1)]
    causes: Annotated[tuple[str, ...], Field(min_length=1)]
    actions: Annotated[tuple[str, ...], Field(min_length=1)]
    warning: Limit | None = None
    critical: Limit | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.warning is None and self.critical is None:
            raise ValueError("give a warning or a critical limit, or disable the rule with enabled = false")
        if self.warning and self.critical and not self.worse.than(self.critical.limit, self.warning.limit):
            raise ValueError(f"the critical limit has to be {self.worse} the warning's")
        return self

    def limit_of(self, severity: Severity) -> Limit | None:
        return self.critical if severity is Severity.CRITICAL else self.warning

    def severity_of(self, value: float) -> Severity | None:
        """The worst severity whose limit the value passes."""
        for severity in (Severity.CRITICAL, Severity.WARNING):
            limit = self.limit_of(severity)
            if limit is not None and self.worse.than(value, limit.limit):
                return severity
        return None


Rules = Mapping[str, Rule]
"""By name, in the order of the file."""


def rules_from(path: Path | None) -> Rules:
    """The rules that are enabled, with the overrides of a file, if one is named. Raises `InvalidField`."""
    tables = tomllib.loads((files("state.alerts") / "rules.toml").read_text(encoding="utf-8"))
    overrides = {} if path is None else _read(path)
    for name, fields in overrides.items():
        where = f"{VARIABLE} ({path}): {name}"
        if name not in tables:
            raise InvalidField(field=where, fix=f"name one of the rules {', '.join(tables)}")
        if not isinstance(fields, dict):
            raise InvalidField(field=where, fix=f"write a table: [{name}]")
        tables[name] = _laid_over(tables[name], fields)
    return {
        name: _rule(name, fields, f"{VARIABLE} ({path}): {name}")
        for name, fields in tables.items()
        if _enabled(fields, f"{VARIABLE} ({path}): {name}.enabled")
    }


def _read(path: Path) -> dict[str, Any]:
    where = f"{VARIABLE} ({path})"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidField(field=where, fix=f"the file cannot be read ({reason})") from None
    except ValueError as error:
        raise InvalidField(field=where, fix=f"write the file as TOML ({error})") from None


def _laid_over(fields: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Tables are laid over each other field by field; anything else is replaced."""
    laid = dict(fields)
    for name, value in overrides.items():
        under = laid.get(name)
        laid[name] = {**under, **value} if isinstance(under, dict) and isinstance(value, dict) else value
    return laid


def _enabled(fields: dict[str, Any], where: str) -> bool:
    enabled = fields.pop("enabled", True)
    if not isinstance(enabled, bool):
        raise InvalidField(field=where, fix="write true or false")
    return enabled


def _rule(name: str, fields: dict[str, Any], where: str) -> Rule:
    try:
        return _ADAPTER.validate_python({**fields, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join([where, *map(str, first["loc"])])
        raise InvalidField(field=field, fix=_fix(first["type"], first["msg"])) from None


_FIXES = {
    "extra_forbidden": "leave it out: a rule has no such field",
    "missing": "give it a value",
    "unexpected_keyword_argument": "leave it out: a rule has no such field",
}


def _fix(kind: str, message: str) -> str:
    return _FIXES.get(kind, message.removeprefix("Value error, "))


_ADAPTER = TypeAdapter(Rule)
