"""The session engine records its commits and verdicts, once each, and has erased sessions forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from state.errors import Fenced, WorkUnavailable
from state.events import InputsGiven, RefinementGiven, SaidYes
from state.metrics.cells import NO_CELLS, Cells, Quality, Verdict
from state.metrics.erasures import Erasures
from state.metrics.labels import Operation
from state.model import Priority
from tests.conftest import Shard, caller
from tests.fakes import INPUTS, a_gap
from tests.integration.test_session_state import OPENING, failing, reply


def observed(shard: Shard) -> Cells:
    flush = shard.recorder.take(0)
    return flush.cells if flush else NO_CELLS


def verdicts(cells: Cells) -> dict[Priority | None, Quality]:
    return {labels.priority: quality for labels, quality in cells.quality.items()}


async def test_every_commit_is_timed(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await actor.reply(reply("yes", SaidYes()))
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    session = await actor.read("acme", "s1")
    (commits,) = [cell for labels, cell in observed(shard).performance.items() if labels.operation is Operation.COMMIT]
    assert (commits.latencies.count, commits.errors) == (session.version, {})


async def test_an_evaluation_counts_by_the_gap_s_priority_with_its_verdict(shard: Shard) -> None:
    shard.generator.gaps = (a_gap(1, Priority.CRITICAL),)
    shard.evaluator.scores = [4.0, 6.5, 5.0]
    actor = shard.actor()
    await actor.create(OPENING)
    await actor.reply(reply("yes", SaidYes()))
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    for number in (1, 2):
        more = RefinementGiven(inputs={"refine1-1-evidence": "It took a week."})
        await actor.reply(reply(f"more-{number}", more))
    quality = verdicts(observed(shard))[Priority.CRITICAL]
    assert quality.scores == {40: 1, 65: 1, 50: 1}
    assert quality.verdicts == {Verdict.NEEDS_REFINEMENT: 2, Verdict.BEST_EFFORT: 1}
    assert (quality.first, quality.first_accepted) == (1, 0)


async def test_a_first_answer_at_its_threshold_passed_at_once_and_names_its_judge(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await actor.reply(reply("yes", SaidYes()))
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    cells = observed(shard)
    quality = verdicts(cells)[Priority.HIGH]
    assert (quality.count, quality.first, quality.first_accepted) == (1, 1, 1)
    assert {(labels.operation, labels.provider) for labels in cells.quality} == {(Operation.EVALUATE_ANSWER, "fake")}


async def test_a_judge_that_fails_gives_no_verdict(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await actor.reply(reply("yes", SaidYes()))
    shard.evaluator.fail = failing("evaluate", WorkUnavailable())
    with pytest.raises(WorkUnavailable):
        await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    assert observed(shard).quality == {}


async def test_a_commit_that_is_refused_counts_by_its_kind(shard: Shard) -> None:
    zombie = shard.actor()
    session = await zombie.create(OPENING)
    await shard.actor().read("acme", session.id)
    observed(shard)
    with pytest.raises(Fenced):
        await zombie.reply(reply("yes", SaidYes()))
    (cell,) = observed(shard).performance.values()
    assert cell.errors == {"Fenced": 1}


async def test_an_erased_session_is_to_be_taken_out_of_the_buckets_of_its_time(shard: Shard) -> None:
    actor = shard.actor()
    session = await actor.create(OPENING)
    await actor.create(replace(OPENING, session_id="s2", caller=caller("open-2")))
    created_ms = shard.clock.ms
    shard.clock.ms += 5_000
    await actor.erase("acme", session.id)
    (erasure,) = await Erasures(shard.backend, now_ms=shard.clock).due()
    assert tuple(erasure) == ("s1", created_ms, created_ms + 5_000)
