"""The grounding check held against drafts with an invention and against true ones.

    python -m loadtests.grounding_drill [--seed 1] [--drafts 500]

Exit code 1 where an invention is accepted, or where more than 2 % of the true drafts are refused. 'Held
out' are base texts and wordings of inventions that no rule was written for when they were added.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from actors.grounding import RULES, Rules, sources_of, unborne, ungrounded
from actors.grounding.claims import faults_of
from loadtests.drafts import Draft, adversarial_drafts, true_drafts

MOST_REFUSED = 0.02
DRAFTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`wrong` of `drafts` were accepted (inventions) or refused (true drafts)."""

    what: str
    held_out: bool
    drafts: int
    wrong: int


def invented(drafts: Iterable[Draft], rules: Rules = RULES) -> list[Row]:
    """By kind of invention: how many drafts were accepted."""
    return _counted(drafts, lambda draft: not _refused(draft, rules))


def true(drafts: Iterable[Draft], rules: Rules = RULES) -> list[Row]:
    """By wording: how many drafts were refused."""
    return _counted(drafts, lambda draft: _refused(draft, rules))


def sole_defenders(drafts: Iterable[Draft], rules: Rules = RULES) -> Counter[str]:
    """By rule: how many of the drafts no other rule refuses, so that they are accepted without it."""
    alone: Counter[str] = Counter()
    for draft in drafts:
        refusing = _refusing(draft, rules)
        if len(refusing) == 1:
            alone[refusing[0]] += 1
    return alone


def _counted(drafts: Iterable[Draft], is_wrong: Callable[[Draft], bool]) -> list[Row]:
    counts: Counter[tuple[str, bool]] = Counter()
    wrong: Counter[tuple[str, bool]] = Counter()
    for draft in drafts:
        counts[draft.kind, draft.held_out] += 1
        wrong[draft.kind, draft.held_out] += is_wrong(draft)
    return [
        Row(what=kind, held_out=held_out, drafts=count, wrong=wrong[kind, held_out])
        for (kind, held_out), count in sorted(counts.items())
    ]


def _refused(draft: Draft, rules: Rules) -> bool:
    return bool(ungrounded(draft.answer, draft.inputs, draft.cv, rules=rules))


def _refusing(draft: Draft, rules: Rules) -> list[str]:
    answer, inputs, cv = draft.answer, draft.inputs, draft.cv
    found = [rule.name for rule in rules.claims if any(True for _ in faults_of(answer.bullets, inputs, cv, (rule,)))]
    sources = sources_of(inputs, cv)
    texts = (answer.title, *(bullet.text for bullet in answer.bullets))
    found += [rule.name for rule in rules.facts if any(unborne(text, sources, extractors=(rule,)) for text in texts)]
    return found


def _shown(title: str, rows: Sequence[Row], wrong: str) -> Table:
    table = Table("kind", "held out", "drafts", wrong, title=title)
    for row in rows:
        table.add_row(row.what, "yes" if row.held_out else "", str(row.drafts), str(row.wrong or ""))
    for held_out in (False, True):
        some = [row for row in rows if row.held_out is held_out]
        drafts, bad = sum(row.drafts for row in some), sum(row.wrong for row in some)
        table.add_row("all held out" if held_out else "all others", "", str(drafts), f"{bad} ({bad / drafts:.1%})")
    return table


def main() -> int:
    """The process's exit code."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--drafts", type=int, default=DRAFTS)
    options = arguments.parse_args()
    inventions = invented(adversarial_drafts(options.seed, options.drafts))
    truths = true(true_drafts())
    console = Console()
    console.print(_shown("Drafts with an invention", inventions, "accepted"))
    console.print(_shown("True drafts", truths, "refused"))
    accepted = sum(row.wrong for row in inventions)
    refused = sum(row.wrong for row in truths) / sum(row.drafts for row in truths)
    console.print(f"{accepted} inventions accepted, {refused:.2%} of the true drafts refused")
    return int(accepted > 0 or refused > MOST_REFUSED)


if __name__ == "__main__":
    sys.exit(main())
