"""The gold set: as many items as promised, spread, rated by the rules, and true."""

from __future__ import annotations

import json
import shutil
from bisect import bisect
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actors.grounding import InventionKind, ungrounded
from actors.judging.gold import GOLD, GoldSet, Half, Item, Rater, load
from state.errors import RecordUnreadable
from state.messages import Origin
from state.model import CriterionName, Document, Priority

SET = load()
MISQUOTED = {InventionKind.SOURCE, InventionKind.QUOTE, InventionKind.CLAIM}


def test_there_are_enough_items_in_enough_fields() -> None:
    assert len(SET.items) >= 120
    assert len({item.field for item in SET.items}) >= 12
    assert {item.priority for item in SET.items} == set(Priority)


def test_every_item_is_its_own() -> None:
    assert len({item.id for item in SET.items}) == len(SET.items)
    assert len({item.answer.text for item in SET.items}) == len(SET.items)


@pytest.mark.parametrize("half", Half)
def test_each_half_has_every_field_every_priority_and_the_whole_range_of_quality(half: Half) -> None:
    items = SET.halves[half]
    assert len(items) >= 60
    assert {item.field for item in items} == {item.field for item in SET.items}
    assert {item.priority for item in items} == set(Priority)
    bands = Counter(bisect((4, 6, 8), item.rated_total) for item in items)
    assert all(bands[band] >= 5 for band in range(4))
    deserving = sum(item.rated_total >= item.threshold for item in items)
    assert 0.4 <= deserving / len(items) <= 0.75


def test_hard_cases_lie_near_their_thresholds() -> None:
    near = [item for item in SET.items if abs(item.rated_total - item.threshold) <= 0.8]
    assert len(near) >= 25
    split = [item for item in SET.items if len({one.total >= item.threshold for one in item.ratings}) > 1]
    assert len(split) >= 8


FALSELY_REFUSED = {"hr-3", "hr-4", "software-10"}
"""True answers that the grounding check refuses: 'shift leads', 'led two of them'."""


@pytest.mark.parametrize("item", SET.items, ids=lambda item: item.id)
def test_an_item_is_rated_by_each_rater_and_says_nothing_untrue(item: Item) -> None:
    assert sorted(rating.rater for rating in item.ratings) == sorted(Rater)
    found = ungrounded(item.answer, item.inputs, Document(text=SET.settings[item.field].cv))
    assert bool(found) == (item.id in FALSELY_REFUSED)


def test_raters_differ_but_not_wildly() -> None:
    spreads = [
        max(points) - min(points)
        for item in SET.items
        for name in CriterionName
        for points in ([rating.points(name) for rating in item.ratings],)
    ]
    assert 0.4 <= sum(spread > 0 for spread in spreads) / len(spreads) <= 0.95
    assert max(spreads) <= 3


def test_the_manager_is_the_strict_one() -> None:
    def average(rater: Rater) -> float:
        return sum(item.rating(rater).total for item in SET.items) / len(SET.items)

    assert average(Rater.MANAGER) < average(Rater.RECRUITER)


def test_an_items_total_is_the_median_of_its_raters_weighted_totals() -> None:
    item = next(item for item in SET.items if item.id == "software-2")
    assert [rating.total for rating in item.ratings] == [3.6, 4.1, 3.6]
    assert item.rated_total == 3.6


def test_translations_quote_their_own_inputs_and_say_as_much() -> None:
    by_id = {item.id: item for item in SET.items}
    assert Counter(one.language for one in SET.translations) == {"de": 5, "fr": 5}
    for translation in SET.translations:
        item = by_id[translation.item]
        assert set(translation.inputs) == set(item.inputs)
        found = ungrounded(translation.answer, translation.inputs, Document(text=""))
        assert not MISQUOTED.intersection(invention.kind for invention in found)
        assert translation.of(item).ratings == item.ratings


def test_a_request_holds_all_that_a_judge_is_given_and_no_rating() -> None:
    item = SET.items[0]
    request = SET.request(item, Origin(tenant="t"))
    assert (request.answer, request.inputs, request.threshold) == (item.answer, item.inputs, item.threshold)
    assert request.gap.job_asks in request.job.text
    assert request.cv.text == SET.settings[item.field].cv
    assert "manager" not in repr(request.gap)


def the_set(folder: Path, changes: Mapping[str, Any], *, half: Half = Half.DEVELOPMENT) -> GoldSet:
    """The set with its first item of a half changed."""
    shutil.copytree(GOLD, folder / "gold")
    path = folder / "gold" / f"{half.value}.jsonl"
    first, *rest = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **changes}), *rest]), "utf-8")
    return load(folder / "gold")


def rated(**points: int) -> list[dict[str, Any]]:
    usual = {name.value: 7 for name in CriterionName}
    return [{"rater": rater.value, **usual, **points} for rater in Rater]


@pytest.mark.parametrize(("changes", "told"), [
    ({"ratings": rated(evidence=11)}, "ratings.0.evidence"),
    ({"ratings": rated(relevance=0)}, "ratings.0.relevance"),
    ({"ratings": rated()[:2]}, "rate once"),
    ({"ratings": [*rated()[:2], rated()[0]]}, "rate once"),
    ({"priority": "URGENT"}, "priority"),
    ({"answer": {"title": "x", "bullets": []}}, "answer.bullets"),
    ({"field": "astronomy"}, "lacks the field"),
    ({"id": "software-2"}, "two items have the id"),
])  # fmt: skip
def test_a_wrong_item_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RecordUnreadable, match=told):
        the_set(tmp_path, changes)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RecordUnreadable, match=r"development\.jsonl"):
        load(tmp_path)
