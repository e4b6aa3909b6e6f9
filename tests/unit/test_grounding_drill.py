"""500 drafts with an invention and all true ones against the check, and proof that each rule is needed."""

from __future__ import annotations

from functools import cache

import pytest

from actors.grounding import RULES, Rules, ungrounded
from loadtests.drafts import Draft, adversarial_drafts, true_drafts
from loadtests.grounding_drill import DRAFTS, MOST_REFUSED, invented, sole_defenders, true

SPARE = {"claims", "dates", "versions", "effects"}
"""Rules without a draft among these 500 that no other rule refuses; the tests of the check hold them."""


@cache
def drafts() -> tuple[Draft, ...]:
    return tuple(adversarial_drafts(1, DRAFTS))


@pytest.mark.timeout(300)
def test_no_invention_is_accepted() -> None:
    rows = invented(drafts())
    assert sum(row.drafts for row in rows) == DRAFTS
    assert len({row.what for row in rows}) >= 12
    assert [row for row in rows if row.wrong] == []


@pytest.mark.timeout(300)
def test_few_true_drafts_are_refused() -> None:
    rows = true(true_drafts())
    total = sum(row.drafts for row in rows)
    assert total >= 300
    assert sum(row.wrong for row in rows) <= MOST_REFUSED * total


@pytest.mark.timeout(300)
def test_without_any_one_rule_inventions_are_accepted() -> None:
    alone = sole_defenders(drafts())
    assert set(RULES.names) - set(alone) <= SPARE
    for name in ("numbers", "tools", "bases"):
        accepted = [draft for draft in drafts() if not _refused(draft, RULES.without(name))]
        assert len(accepted) == alone[name] > 0


def test_a_check_without_rules_is_noticed() -> None:
    nothing = Rules(claims=(), facts=())
    assert sum(row.wrong for row in invented(drafts()[:20], nothing)) == 20
    assert sum(row.wrong for row in true(list(true_drafts())[:20], nothing)) == 0


def _refused(draft: Draft, rules: Rules) -> bool:
    return bool(ungrounded(draft.answer, draft.inputs, draft.cv, rules=rules))
