"""Short, seeded runs of the drills, and proof that their checks can fail.

The long ones are `python -m loadtests.drills.faults`, `.sessions` and `.caching`.
"""

from __future__ import annotations

from itertools import product

import pytest

from loadtests.drills import caching, faults, recording, sessions
from loadtests.drills.stage import PROVIDERS
from loadtests.provider_stub.faults import Fault
from serve_app.valkey import Valkey
from serve_app.wiring import now_ms
from state.backend import RedisBackend, connect
from state.metrics.buckets import minute_of
from state.metrics.encoding import unpack_minute
from state.metrics.store import BucketStore, Place, Size

ACCEPTED = {"step": "ACCEPTED", "answer": {"title": "T"}, "evaluation": {"score": 8.0}, "threshold": 7.0}


@pytest.mark.timeout(300)
async def test_no_fault_of_any_provider_loses_a_step_or_costs_more_calls_than_the_policies_allow(
    valkey: Valkey,
) -> None:
    steps = list(faults.OPEN_BEFORE)
    places = [
        (fault, provider, steps[(shift + number) % len(steps)])
        for shift, fault in enumerate(Fault)
        for number, provider in enumerate(PROVIDERS)
    ]
    cells = await faults.drill(valkey.url, places)
    assert [cell for cell in cells if cell.trouble] == []
    assert {(cell.provider, cell.step) for cell in cells} == set(product(PROVIDERS, steps))
    absorbed = [cell for cell in cells if cell.provider == "both" and cell.saw in {"200", "201"}]
    assert len(absorbed) >= len(Fault) - 2, "a second provider takes over but where both reply and the reply is no use"


@pytest.mark.timeout(300)
async def test_sessions_at_a_fault_rate_of_a_fifth_lose_nothing_and_accept_nothing_wrongly(valkey: Valkey) -> None:
    tally = await sessions.drill(valkey.url, sessions=40, fault_rate=0.2, seed=7)
    assert (tally.lost, tally.wrongly_accepted, tally.troubles) == (0, 0, [])
    assert tally.accepted > 10
    assert tally.faults.total() > 50


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_most_calls_of_a_ten_question_session_find_their_prefix_cached(valkey: Valkey, provider: str) -> None:
    account = await caching.drill(valkey.url, sessions=1, provider=provider)
    assert account.eligible == account.calls
    assert account.hit_share >= 0.8
    assert account.spent_usd < account.predecessor_usd < account.uncached_usd
    assert account.spent_usd < account.uncached_usd * 55 / 100


@pytest.mark.parametrize(
    "wrong",
    [
        {**ACCEPTED, "evaluation": None},
        {**ACCEPTED, "evaluation": {"score": 6.9}},
        {**ACCEPTED, "answer": None},
    ],
)
def test_an_answer_accepted_without_its_score_is_noticed(wrong: dict[str, object]) -> None:
    assert faults.unfounded(wrong)
    assert not faults.unfounded(ACCEPTED)


def test_a_withdrawn_reply_does_not_count_as_having_happened() -> None:
    found = sessions.standing(
        [("q1", "SaidYes"), ("q1", "ReplyWithdrawn"), ("q2", "SaidNo"), ("q1", "SaidYes"), ("q1", "PromptsWritten")]
    )
    assert found == [("q2", "SaidNo"), ("q1", "SaidYes")]


def test_a_reply_that_happened_twice_or_never_is_noticed() -> None:
    acknowledged = [("q1", "SaidYes"), ("q1", "InputsGiven")]
    assert sessions.missing_or_doubled(acknowledged, acknowledged) == []
    assert sessions.missing_or_doubled(acknowledged, acknowledged[:1]) == [("q1", "InputsGiven")]
    assert sessions.missing_or_doubled(acknowledged, [*acknowledged, ("q1", "SaidYes")]) == [("q1", "SaidYes")]


def test_an_answer_that_invents_is_noticed() -> None:
    claim = {"text": "Moved five services", "source": "input:achievement", "quote": "Moved five services"}
    bullets = [
        {"kind": kind, "text": "Moved five services", "claims": [claim]} for kind in ("build", "engineer", "impact")
    ]
    question = {"answer": {"title": "Services", "bullets": bullets}, "inputs": {"achievement": "Moved five services"}}
    assert sessions.invented(question, "Ada") == []
    bullets[0] = {**bullets[0], "text": "Moved five services at Globex, saving 40 %"}
    assert sessions.invented(question, "Ada")


async def test_what_recording_takes_is_counted_part_by_part_while_nothing_of_it_is_lost(valkey: Valkey) -> None:
    began_ms = minute_of(now_ms())
    used = await recording.measured(valkey.url, began_ms=began_ms, rate=4, seconds=10)
    assert set(used) == set(recording.PARTS)
    assert min(used.values()) > 0
    redis = connect(valkey.url)
    places = [Place(Size.MINUTE, began_ms)]
    (kept,) = (await BucketStore(RedisBackend(redis)).read(places, {})).values()
    assert kept.record is not None
    cells = unpack_minute(kept.record).cells
    assert sum(cell.latencies.count for cell in cells.performance.values()) == 10 * 4 * (2 + recording.COMMITS + 3 + 2)
    await redis.flushall()
    await redis.aclose()
