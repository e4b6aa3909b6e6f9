"""What is known of the models behind the providers, by family, each fact with its source.

Data, not code: `data/models.json`. And how many tokens a text has, as far as that can be said without a
model's own tokenizer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from state.errors import RecordUnreadable

MODELS = Path(__file__).parent / "data" / "models.json"

CHARACTERS_PER_TOKEN_AT_MOST = 5.0
"""Of prompts, CVs and jobs: a text has at least a token for each 5 characters."""

CHARACTERS_PER_TOKEN_LIKELY = 4.4

MOST_MODELS = 256
"""Whose facts are kept once they are found: every call asks for its model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A family of models, named by how their names begin.

    `cache_minimum_tokens` is the shortest prefix that is cached, None where none is. `schema_in_prefix` tells
    whether the reply's schema is the beginning of what is cached, `breakpoints` whether a shorter prefix is
    found only where a call marked its end.
    `sources` says of every fact where it comes from.
    """

    family: str
    provider: str
    cache_minimum_tokens: Annotated[int, Field(ge=1)] | None
    schema_in_prefix: bool
    breakpoints: bool
    sources: Mapping[str, str]

    @property
    def minimum_characters(self) -> int | None:
        """As many characters as surely make a prefix that is cached."""
        if self.cache_minimum_tokens is None:
            return None
        return math.ceil(self.cache_minimum_tokens * CHARACTERS_PER_TOKEN_AT_MOST)


@lru_cache(maxsize=MOST_MODELS)
def facts_of(model: str) -> ModelFacts | None:
    """The facts of a model's family, the one with the longest name that fits; None for an unknown model.

    'models/gemini-2.5-flash' and 'gemini-2.5-flash' are one model.
    """
    name = model.rpartition("/")[2].lower()
    fitting = [facts for facts in families() if re.match(rf"{re.escape(facts.family)}(?!\w)", name)]
    return max(fitting, key=lambda facts: len(facts.family), default=None)


@cache
def families() -> tuple[ModelFacts, ...]:
    return load()


def load(path: Path = MODELS) -> tuple[ModelFacts, ...]:
    """Raises `RecordUnreadable` naming the file and the first entry and field that are wrong."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except OSError as error:
        raise RecordUnreadable(f"{path}: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordUnreadable(f"{path}: {where}: {first['msg']}.") from error


def tokens_at_least(characters: int) -> int:
    """A lower bound: what a prefix may be counted on to have."""
    return math.floor(characters / CHARACTERS_PER_TOKEN_AT_MOST)


def tokens_likely(characters: int) -> int:
    """The usual count, for estimates of cost."""
    return round(characters / CHARACTERS_PER_TOKEN_LIKELY)


_FILE = TypeAdapter(tuple[ModelFacts, ...])
