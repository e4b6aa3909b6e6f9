"""What a call costs in US dollars: by genai-prices' list, and before it by an operator's own file.

    {"openai:gpt-5-mini": {"input_per_million": 0.25, "cached_per_million": 0.025, "output_per_million": 2},
     "openai-compatible:": {"input_per_million": 0, "output_per_million": 0}}

A key is a provider and the beginning of a model's name; the longest one that fits is taken. The list is
the installed package's, never one from the network. A model that neither holds has no known price, which
is not the same as costing nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from state.errors import InvalidField
from state.spending import NO_USAGE, Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

VARIABLE = "ASKWELL_PRICES"
MILLION = 1_000_000
MAX_PER_MILLION = 1_000_000
MAX_FLAT = 256
"""Models whose rates are kept; there are no more in use at once."""
SOME_OF_EVERYTHING = Usage(input_tokens=7_919, cached_tokens=1_009, cache_write_tokens=101, output_tokens=503)

Dollars = Annotated[Decimal, Field(ge=0, le=MAX_PER_MILLION)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars per million tokens. Input that is read from a cache, or written to it, costs what input
    does unless it has a price of its own."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    input_per_million: Dollars
    output_per_million: Dollars
    cached_per_million: Dollars | None = None
    cache_write_per_million: Dollars | None = None

    def price(self, usage: Usage) -> Decimal:
        """US dollars, exact."""
        cached = self.input_per_million if self.cached_per_million is None else self.cached_per_million
        written = self.input_per_million if self.cache_write_per_million is None else self.cache_write_per_million
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        total = (
            plain * self.input_per_million
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * self.output_per_million
        )
        return total / MILLION


class Prices:
    """`overrides` are by 'PROVIDER:BEGINNING OF A MODEL', as `read_overrides` gives them."""

    def __init__(self, overrides: Mapping[str, Rates] | None = None) -> None:
        longest_first = sorted((overrides or {}).items(), key=lambda override: -len(override[0]))
        self._overrides = [(*key.partition(":")[::2], rates) for key, rates in longest_first]

    def load(self) -> None:
        """Read the list now, which takes 0.3 s, instead of at the first price."""
        self.exact("openai", "gpt-5-mini", NO_USAGE)

    def price(self, provider: str, model: str, usage: Usage, *, at_ms: int | None = None) -> float | None:
        """As `exact`, rounded to the nearest float."""
        exact = self.exact(provider, model, usage, at_ms=at_ms)
        return None if exact is None else float(exact)

    def exact(self, provider: str, model: str, usage: Usage, *, at_ms: int | None = None) -> Decimal | None:
        """US dollars for a call at `at_ms` (Unix; None is now).

        None where the model has no known price, or where the counts contradict each other.
        """
        if not _consistent(usage):
            return None
        for named, beginning, rates in self._overrides:
            if provider == named and model.startswith(beginning):
                return rates.price(usage)
        return _listed(provider, model, usage, at_ms)


def prices_from(path: Path | None) -> Prices:
    """Prices with the overrides of a file, if one is named. Raises `InvalidField`."""
    return Prices() if path is None else Prices(read_overrides(path))


def read_overrides(path: Path) -> Mapping[str, Rates]:
    """The file's rates by key. Raises `InvalidField` naming the file, the key and the fix."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidField(field=_where(path), fix=f"the file cannot be read ({reason})") from None
    except ValueError as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidField(field=_where(path), fix=f"write the file as JSON{place}") from None
    if not isinstance(held, dict):
        fix = 'write one object of the form {"provider:model": {"input_per_million": 0.25, ...}}'
        raise InvalidField(field=_where(path), fix=fix)
    return {key: _rates(path, key, value) for key, value in held.items()}


def uncached(usage: Usage) -> Usage:
    """The same tokens where nothing is read from a cache and nothing is written to one."""
    return replace(usage, cached_tokens=0, cache_write_tokens=0)


def _listed(provider: str, model: str, usage: Usage, at_ms: int | None) -> Decimal | None:
    """By genai-prices, or by its rates as they are kept where they are the same for every call."""
    flat = _flat(provider, model)
    if flat is not None:
        return flat.price(usage)
    found = _calculated(provider, model, usage, at_ms)
    return None if found is None else found.total_price


@lru_cache(maxsize=MAX_FLAT)
def _flat(provider: str, model: str) -> Rates | None:
    """The rates of a model whose list has no tiers and no dates: with them a price takes a fortieth of the list's time.

    Taken only where they give what the list does for a usage that has some of everything.
    """
    found = _calculated(provider, model, SOME_OF_EVERYTHING, None)
    if found is None or isinstance(found.model.prices, list):
        return None
    listed = found.model_price
    told = {
        "input_per_million": listed.input_mtok,
        "output_per_million": listed.output_mtok,
        "cached_per_million": listed.cache_read_mtok,
        "cache_write_per_million": listed.cache_write_mtok,
    }
    try:
        rates = _RATES.validate_python(told)
    except ValidationError:
        return None  # of tiers, or without a price
    return rates if rates.price(SOME_OF_EVERYTHING) == found.total_price else None


def _calculated(provider: str, model: str, usage: Usage, at_ms: int | None) -> PriceCalculation | None:
    """The list's own calculation. Its search for a provider is too generous ('openai-compatible' is OpenAI to it),
    so that only a provider of exactly this name counts."""
    from genai_prices import Usage as Counted  # noqa: PLC0415 - takes 0.1 s, and 0.2 s more at its first price
    from genai_prices import calc_price  # noqa: PLC0415

    counted = Counted(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    at = None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
    try:
        found = calc_price(counted, model.removeprefix("models/"), provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    if found.provider.id != provider or found.model_price.input_mtok is None:
        return None
    if found.model_price.output_mtok is None and usage.output_tokens:
        return None  # an embedding model has no output, and no price for one
    return found


def _consistent(usage: Usage) -> bool:
    """No count is negative, and none is above the one that includes it."""
    counts = (usage.cached_tokens, usage.cache_write_tokens, usage.thinking_tokens)
    return (
        min(counts) >= 0
        and usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
        and usage.thinking_tokens <= usage.output_tokens
    )


_RATES: TypeAdapter[Rates] = TypeAdapter(Rates)


def _rates(path: Path, key: str, value: Any) -> Rates:
    provider, colon, _ = key.partition(":")
    if not provider or not colon:
        fix = "write the key as 'provider:model', for example 'openai:gpt-5-mini'"
        raise InvalidField(field=_where(path, key), fix=fix)
    if not isinstance(value, dict):
        raise InvalidField(field=_where(path, key), fix="write an object with input_per_million and output_per_million")
    if flags := [name for name, rate in value.items() if isinstance(rate, bool)]:
        raise InvalidField(field=_where(path, key, flags[0]), fix=_A_RATE)
    try:
        return _RATES.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidField(field=_where(path, key, *first["loc"]), fix=_FIXES.get(first["type"], _A_RATE)) from None


_KNOWN = ", ".join(field.name for field in fields(Rates))
_A_RATE = f"write US dollars per million tokens, a number from 0 to {MAX_PER_MILLION}"
_FIXES = {
    "missing": "is missing; input_per_million and output_per_million are needed",
    "unexpected_keyword_argument": f"is not known here; known are {_KNOWN}",
}


def _where(path: Path, *keys: str | int) -> str:
    return f"{VARIABLE} ({path})" + "".join(f" {json.dumps(str(key))}" for key in keys)
