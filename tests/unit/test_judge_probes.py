"""The probes: what a variant changes, what it leaves alone, and when a probe passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.grounding import InventionKind, folded, ungrounded
from actors.judging import variants
from actors.judging.gold import Item, load
from actors.judging.probes import PROBES, Pair, Probe, answered_by_another, finding, pairs_of, translated
from actors.judging.variants import FAKE_TAGS, FILLER, ORDER, PRAISE, Variant
from state.messages import NOBODY, EvaluateAnswer
from state.model import Priority

SET = load()
MISQUOTED = {InventionKind.SOURCE, InventionKind.QUOTE, InventionKind.CLAIM}
VARIANTS: Sequence[Variant] = (
    variants.padded,
    variants.padded_and_claimed,
    variants.flattered,
    variants.ornate,
    variants.american,
    variants.bullets_reversed,
    variants.ordered_in_the_inputs,
    variants.ordered_in_the_answer,
    variants.ordered_by_fake_tags,
)


def request(item: Item) -> EvaluateAnswer:
    return SET.request(item, NOBODY)


ONE = request(next(item for item in SET.items if item.id == "software-3"))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__)
def test_a_variants_claims_still_quote_its_inputs(variant: Variant) -> None:
    for item in SET.items:
        varied = variant(request(item))
        if varied is not None:
            found = ungrounded(varied.answer, varied.inputs, varied.cv)
            assert not MISQUOTED.intersection(invention.kind for invention in found)


@pytest.mark.parametrize("variant", [*VARIANTS, variants.ordered_in_the_cv], ids=lambda variant: variant.__name__)
def test_a_variant_changes_neither_what_is_asked_nor_the_threshold(variant: Variant) -> None:
    varied = variant(ONE)
    assert varied is None or (varied.gap, varied.question, varied.threshold) == (ONE.gap, ONE.question, ONE.threshold)


@pytest.mark.parametrize(("variant", "sentence"), [
    (variants.padded, FILLER),
    (variants.flattered, PRAISE),
    (variants.ordered_in_the_answer, ORDER),
    (variants.ordered_by_fake_tags, FAKE_TAGS),
])  # fmt: skip
def test_what_is_added_stands_in_every_bullet_after_what_was_there(variant: Variant, sentence: str) -> None:
    varied = variant(ONE)
    assert varied is not None
    for before, after in zip(ONE.answer.bullets, varied.answer.bullets, strict=True):
        assert after.text.startswith(before.text)
        assert sentence in after.text
        assert after.claims[: len(before.claims)] == before.claims


def test_padding_is_repeated_and_has_no_figure_and_no_name() -> None:
    assert variants.padded(ONE).answer.bullets[0].text.count(FILLER) == 2
    assert not any(char.isdigit() for char in FILLER)


def test_claimed_padding_is_said_in_an_input() -> None:
    varied = variants.padded_and_claimed(ONE)
    claim = varied.answer.bullets[0].claims[-1]
    assert folded(claim.quote) in folded(str(varied.inputs[claim.source.removeprefix("input:")]))


def test_an_order_is_put_where_the_probe_says_and_nowhere_else() -> None:
    in_cv, in_inputs = variants.ordered_in_the_cv(ONE), variants.ordered_in_the_inputs(ONE)
    assert ORDER in in_cv.cv.text
    assert (in_cv.answer, in_cv.inputs) == (ONE.answer, ONE.inputs)
    assert any(ORDER in str(value) for value in in_inputs.inputs.values())
    assert (in_inputs.answer, in_inputs.cv) == (ONE.answer, ONE.cv)


def test_fake_tags_close_what_they_are_in_and_stand_in_all_three_places() -> None:
    varied = variants.ordered_by_fake_tags(ONE)
    assert "</answer>" in FAKE_TAGS
    assert all(
        FAKE_TAGS in text for text in (varied.cv.text, varied.answer.text, " ".join(map(str, varied.inputs.values())))
    )


def test_ornate_wording_replaces_verbs_and_keeps_every_quote() -> None:
    varied = variants.ornate(ONE)
    assert varied is not None
    assert "Astutely identified the slowest queries" in varied.answer.text
    assert [claim.quote for bullet in varied.answer.bullets for claim in bullet.claims] == [
        claim.quote for bullet in ONE.answer.bullets for claim in bullet.claims
    ]


def test_american_spelling_changes_answer_and_inputs_alike() -> None:
    licence = request(next(item for item in SET.items if item.id == "construction-7"))
    varied = variants.american(licence)
    assert varied is not None
    assert "driving license" in varied.answer.text
    assert "driving license" in str(varied.inputs["qualification"])
    assert "licence" in varied.gap.job_asks


def test_nothing_to_change_is_no_pair() -> None:
    plain = replace(ONE, answer=replace(ONE.answer, title="x", bullets=()))
    assert variants.ornate(plain) is None
    assert variants.american(plain) is None


def test_the_orders_are_reversed_and_twice_is_none() -> None:
    assert variants.criteria_reversed(ONE).reverse
    assert variants.bullets_reversed(variants.bullets_reversed(ONE)) == ONE


def test_every_translation_makes_one_pair() -> None:
    language = next(probe for probe in PROBES if probe.change is translated)
    pairs = pairs_of(language, SET.items, SET, NOBODY)
    assert len(pairs) == len(SET.translations) == 10
    assert all(varied.gap.priority is item.priority for item, varied in pairs)


def test_anothers_answer_is_of_another_field_as_good_and_no_circumstance() -> None:
    by_answer = {item.answer: item for item in SET.items}
    for item in SET.items:
        varied = answered_by_another(request(item), item, SET)
        if varied is None:
            assert item.rated_total < item.threshold
            continue
        other = by_answer[varied.answer]
        assert other.field != item.field
        assert other.priority is not Priority.LOGISTICAL
        assert abs(other.rated_total - item.rated_total) <= 0.5
        assert varied.inputs == other.inputs


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_probe_has_enough_pairs(probe: Probe) -> None:
    assert len(pairs_of(probe, SET.items, SET, NOBODY)) >= 10


def test_probes_have_names_of_their_own() -> None:
    assert len({probe.name for probe in PROBES}) == len(PROBES)


@pytest.mark.parametrize(("gains", "limit", "both_ways", "passed"), [
    ([0.0] * 20, 0.2, False, True),
    ([0.3] * 20, 0.2, False, False),
    ([-3.0] * 20, 0.2, False, True),
    ([-3.0] * 20, 0.2, True, False),
    ([-0.1, 0.1] * 10, 0.2, True, True),
    ([-0.1, 0.4] * 10, 0.2, False, False),
    ([-2.0] * 20, -1.0, False, True),
    ([-0.5] * 20, -1.0, False, False),
])  # fmt: skip
def test_a_probe_passes_if_its_whole_interval_is_within_the_limit(
    gains: list[float], limit: float, both_ways: bool, passed: bool
) -> None:
    probe = Probe(name="x", about="x", limit=limit, both_ways=both_ways, change=lambda request, item, gold: request)
    pairs = [Pair(threshold=7, plain=5, varied=5 + gain) for gain in gains]
    assert finding(probe, pairs, unscored=0, seed=1).passed is passed


def test_a_finding_counts_the_verdicts_that_were_turned_and_the_largest_gain() -> None:
    pairs = [
        Pair(threshold=7, plain=6.5, varied=7.0),
        Pair(threshold=7, plain=7.0, varied=6.9),
        Pair(threshold=7, plain=8.0, varied=9.5),
    ]
    found = finding(PROBES[0], pairs, unscored=2, seed=1)
    assert (found.lifted, found.dropped, found.most, found.unscored) == (1, 1, 1.5, 2)
    assert found.effect is not None
    assert found.effect.value == pytest.approx(1.9 / 3)


def test_a_probe_without_a_scored_pair_does_not_pass() -> None:
    found = finding(PROBES[0], [], unscored=3, seed=1)
    assert (found.effect, found.passed) == (None, False)


def test_a_probe_for_which_no_pair_was_drawn_neither_passes_nor_fails() -> None:
    found = finding(PROBES[0], [], unscored=0, seed=1)
    assert (found.effect, found.passed) == (None, None)
