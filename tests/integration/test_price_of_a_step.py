"""What each step costs in calls to other processes, to Redis and to a model: figures that drift with no machine.

A change that makes a step dearer has to change a number here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest
from redis.asyncio import Redis

from loadtests.drills.stage import Stage, staged
from loadtests.provider_stub.config import StubConfig
from serve_app.valkey import Valkey
from state.events import InputsGiven, QuestionEvent, RefinementGiven, SaidNo, SaidYes, WillLearn
from tests.conftest import Shard
from tests.integration.test_session_state import OPENING, reply

ROUND_TRIPS = {"evalsha", "eval"}
"""Everything that a step has to do with Redis is a script's call."""
INPUTS: dict[str, str | tuple[str, ...]] = {"achievement": "I moved five services."}


async def commands(redis: Redis) -> Counter[str]:
    """Calls of scripts so far, by command; what a script does within the server does not count."""
    stats = await redis.info("commandstats")
    sent = {name.removeprefix("cmdstat_"): figures["calls"] for name, figures in stats.items()}
    return Counter({name: calls for name, calls in sent.items() if name in ROUND_TRIPS})


class Price:
    """Counts the pools' calls by name and Redis's round trips during a step of a shard's."""

    def __init__(self, shard: Shard, redis: Redis) -> None:
        self.calls: Counter[str] = Counter()
        self._redis = redis
        for pool in (shard.generator, shard.evaluator, shard.retriever):
            pool.fail = self._called

    def _called(self, name: str) -> None:
        self.calls[name] += 1

    async def of(self, step: Awaitable[Any]) -> tuple[dict[str, int], int]:
        self.calls.clear()
        before = await commands(self._redis)
        await step
        return dict(self.calls), (await commands(self._redis) - before).total()


@pytest.mark.parametrize(
    ("before", "event", "price"),
    [
        ([], SaidNo(), ({}, 1)),
        ([], WillLearn(), ({"find_resources": 1}, 2)),
        ([], SaidYes(), ({"find_similar": 1, "write_prompts": 1}, 2)),
        ([SaidYes()], InputsGiven(inputs=INPUTS), ({"write_answer": 1, "evaluate": 1, "remember": 1}, 3)),
    ],
)
async def test_a_step_takes_these_hops_and_a_round_trip_for_each_commit(
    shard: Shard, redis: Redis, before: list[QuestionEvent], event: QuestionEvent, price: tuple[dict[str, int], int]
) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    for number, earlier in enumerate(before):
        await actor.reply(reply(f"before-{number}", earlier))
    assert await Price(shard, redis).of(actor.reply(reply("k", event))) == price


async def test_a_repeated_request_and_a_read_ask_nobody_anything(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    session = await actor.create(OPENING)
    await actor.reply(reply("k", SaidYes()))
    price = Price(shard, redis)
    assert await price.of(actor.reply(reply("k", SaidYes()))) == ({}, 0)
    assert await price.of(actor.read("acme", session.id)) == ({}, 0)


async def test_a_refinement_costs_what_the_first_answer_did(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    shard.evaluator.scores = [3.0, 9.0]
    await actor.create(OPENING)
    await actor.reply(reply("k1", SaidYes()))
    await actor.reply(reply("k2", InputsGiven(inputs=INPUTS)))
    price = Price(shard, redis)
    more = RefinementGiven(inputs={"refine1-1-evidence": "It took a week."})
    hops, commits = await price.of(actor.reply(reply("k3", more)))
    assert (hops, commits) == ({"refine_answer": 1, "evaluate": 1, "remember": 1}, 3)


async def test_a_question_takes_three_calls_of_a_model_and_these_round_trips(valkey: Valkey, redis: Redis) -> None:
    """Five commits; for each call of a model its record, and what was paid for within the step."""
    settings = {"rollouts": {"advanced_quality_evaluation": 0}}
    async with staged(valkey.url, ("openai",), StubConfig(), quick=False, **settings) as stage:
        gaps = [{"title": "Kubernetes", "job_asks": "Kubernetes in production"}]
        session = await _post(stage, "/api/sessions", {"cv": "Ada\nDjango", "job": "Platform", "gaps": gaps})
        path = f"/api/sessions/{session['id']}/questions/q1"
        calls, before = _calls(stage), await commands(redis)
        prompts = (await _post(stage, f"{path}/experience", {"response": "yes"}))["prompts"]
        answered = await _post(stage, f"{path}/inputs", {"inputs": dict(map(_filled, prompts))})
        assert answered["evaluation"] is not None
        assert _calls(stage) - calls == 3
        assert (await commands(redis) - before).total() <= 5 + 3 * 2 + 1


async def _post(stage: Stage, path: str, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.client.post(path, json=body)).raise_for_status().json()
    return found


def _calls(stage: Stage) -> int:
    made: int = stage.stub.report.as_json()["totals"]["calls"]
    return made


def _filled(prompt: dict[str, Any]) -> tuple[str, Any]:
    """The prompt's id and a reply that fits it."""
    if prompt["options"]:
        return prompt["id"], prompt["options"][:1] if prompt["type"] == "multiselect" else prompt["options"][0]
    return prompt["id"], 5 if prompt["type"] == "number" else "I moved five services to Kubernetes."
