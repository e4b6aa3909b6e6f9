"""How long the prefixes are that calls share, against what each model needs to cache one.

Counted as lower bounds, so that a prefix called cacheable is cacheable: a token for every 5 characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actors.models import ModelFacts, facts_of, tokens_at_least, tokens_likely
from actors.prompts.library import OPERATIONS, WORDINGS, Wording
from actors.prompts.schemas import wire

USUAL_CONTEXT_CHARACTERS = 5_427
"""Of a CV of one and a half pages and a job of one, tags and line numbers included: the shortest of `examples/`."""

DEFAULT_MODELS = ("gpt-5-mini", "gemini-2.5-flash-lite")
REPORTED_MODELS = (*DEFAULT_MODELS, "gpt-5.6-luna", "gemini-3.5-flash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt's prefixes with one model, in tokens: `stable` is what all calls of the operation share,
    `usual` what those of a session with a usual CV and job share. `minimum` is None where a model caches
    nothing, or is unknown."""

    prompt: str
    stable: int
    stable_likely: int
    usual: int
    usual_likely: int
    minimum: int | None

    @property
    def cacheable(self) -> bool:
        return self.minimum is not None and self.stable >= self.minimum

    @property
    def cacheable_with_context(self) -> bool:
        return self.minimum is not None and self.usual >= self.minimum


def report(model: str | ModelFacts) -> tuple[Row, ...]:
    """A row for each prompt with a prefix of its own."""
    return tuple(_row(wording, _facts(model)) for wording in _wordings())


def markdown(models: Iterable[str] = REPORTED_MODELS) -> str:
    """The prompts, and for each model their prefixes."""
    return "\n\n".join([_prompts_table(), *(_model_section(model) for model in models)])


def _wordings() -> list[Wording]:
    return [WORDINGS[operation] for operation in OPERATIONS.values()]


def _facts(model: str | ModelFacts) -> ModelFacts | None:
    return model if isinstance(model, ModelFacts) else facts_of(model)


def _row(wording: Wording, facts: ModelFacts | None) -> Row:
    stable = len(wording.system) + (len(wire(wording.schema)) if facts and facts.schema_in_prefix else 0)
    usual = stable + USUAL_CONTEXT_CHARACTERS
    return Row(
        prompt=wording.label,
        stable=tokens_at_least(stable),
        stable_likely=tokens_likely(stable),
        usual=tokens_at_least(usual),
        usual_likely=tokens_likely(usual),
        minimum=facts.cache_minimum_tokens if facts else None,
    )


def _prompts_table() -> str:
    rows = [
        (
            wording.label,
            wording.result or "as repaired",
            _bound(wording),
            wording.because,
            wording.changes,
        )
        for wording in WORDINGS.values()
    ]
    return _table(("Prompt", "Result", "Output tokens at most", "Why", "What is new"), sorted(rows))


def _bound(wording: Wording) -> str:
    if wording.max_output_tokens_each:
        return f"{wording.max_output_tokens:,} + {wording.max_output_tokens_each:,} a gap"
    return f"{wording.max_output_tokens:,}" if wording.max_output_tokens else "as repaired"


def _model_section(model: str) -> str:
    facts = facts_of(model)
    minimum = facts.cache_minimum_tokens if facts else None
    counted = "schema and system text" if facts and facts.schema_in_prefix else "system text"
    rows = [
        (
            row.prompt,
            f"{row.stable:,} ({row.stable_likely:,})",
            _yes(row.cacheable),
            f"{row.usual:,} ({row.usual_likely:,})",
            _yes(row.cacheable_with_context),
        )
        for row in report(model)
    ]
    head = ("Prompt", "Stable: at least (likely)", "Cacheable", "With CV and job: at least (likely)", "Cacheable")
    needed = f"Caches from {minimum:,} tokens." if minimum else "No minimum known."
    marks = " Only up to marks that the call sets." if facts and facts.breakpoints else ""
    return f"### {model}\n\n{needed}{marks} Counted: {counted}.\n\n{_table(head, rows)}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
