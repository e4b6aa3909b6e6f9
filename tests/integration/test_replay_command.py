"""`askwell replay` on a real Valkey: sessions that a session-state actor made, read without being touched."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from rich.console import Console

from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.prompts.library import DATA
from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.playing import Receive, Scope, Send
from loadtests.provider_stub.server import serving
from serve_app import wiring
from serve_app.replay import OTHER, PAGE, SAME, recorded, run
from serve_app.settings import Settings
from serve_app.valkey import Valkey
from state.codec import pack_entry, unpack_entry
from state.errors import InvalidField, NotFound, RetryLater, WorkUnavailable
from state.events import InputsGiven, QuestionEvent, RefinementGiven, SaidNo, SaidYes, WillLearn
from state.ledger import RedisLedger
from state.model import Document, InputValue, Priority, Prompt, PromptType, Session
from state.replay import replay
from state.session_actor import OpenSession, Reply, SessionState
from tests.conftest import Shard, caller
from tests.fakes import INPUTS, a_gap
from tests.unit.test_costs import a_call
from tests.unit.test_replay import second_version

RECORD, LOG = (f"askwell:{{session:s1}}:{part}" for part in ("record", "log"))
OPENING = OpenSession(
    session_id="s1",
    caller=caller("open"),
    user="ada",
    cv=Document(text="Ada\nDjango developer, SECRET Ltd"),
    job=Document(text="You need:\n- Kubernetes in production\n- Terraform"),
    gaps=None,
    max_questions=10,
)


async def told_to(actor: SessionState, *events: tuple[str, QuestionEvent]) -> None:
    for number, (question_id, event) in enumerate(events):
        await actor.reply(
            Reply(session_id="s1", question_id=question_id, caller=caller(f"k{question_id}{number}"), event=event)
        )


async def interviewed(shard: Shard) -> Session:
    """q1 accepted after a refinement, q2 skipped, q3 learned, q4 best effort."""
    shard.generator.gaps = tuple(
        a_gap(number, priority)
        for number, priority in enumerate((Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW), 1)
    )
    shard.evaluator.scores = [6.0, 8.5, 3.0, 4.0, 4.5]
    actor = shard.actor()
    await actor.create(OPENING)
    more = RefinementGiven(inputs={"achievement": "Moved seven services into a cluster."})
    answered: list[QuestionEvent] = [SaidYes(), InputsGiven(inputs=INPUTS), more]
    await told_to(
        actor,
        *(("q1", event) for event in answered),
        ("q2", SaidNo()),
        ("q3", WillLearn()),
        *(("q4", event) for event in [*answered, more]),
    )
    return await actor.read("acme", "s1")


async def stored(redis: Redis) -> dict[bytes, tuple[bytes, int]]:
    """Every key, whole, and when it expires."""
    return {key: (await redis.dump(key), await redis.pexpiretime(key)) async for key in redis.scan_iter()}


async def shown(settings: Settings, *, code: int = SAME, width: int = 160, **asked: Any) -> str:
    """What the command prints; it has an event loop of its own."""
    out = io.StringIO()
    wanted: dict[str, Any] = {"session_id": "s1", "tenant": "acme", **asked}
    console = Console(file=out, width=width)
    assert await asyncio.to_thread(lambda: run(console, settings, **wanted)) == code
    return out.getvalue()


@pytest.fixture
def settings(valkey: Valkey, tmp_path: Path) -> Settings:
    return Settings(redis_url=SecretStr(valkey.url), data_dir=tmp_path)


class Overheard(Stub):
    """The stub of the providers, and what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[bytes] = []

        async def hear() -> Any:
            message = await receive()
            parts.append(message.get("body", b""))
            return message

        await super().app(scope, hear, send)
        self.asked.append(json.dumps(json.loads(b"".join(parts)), sort_keys=True))


@pytest.fixture
def stub() -> Overheard:
    return Overheard()


@pytest.fixture
async def prompted(stub: Overheard, settings: Settings) -> AsyncIterator[Settings]:
    async with serving(stub) as served:
        given = {"openai_api_key": SecretStr("k"), "openai_base_url": served.openai_url, "openai_dialect": "openai"}
        yield settings.model_copy(update=given)


def an_input(prompt: Prompt) -> InputValue:
    match prompt.type:
        case PromptType.NUMBER:
            return 12
        case PromptType.SELECT | PromptType.MULTISELECT:
            return prompt.options[0]
        case _:
            return "Moved 12 services to one cluster."


async def interviewed_by_provider(shard: Shard, redis: Redis, settings: Settings) -> None:
    """One question, asked of the provider and accepted, and one that was answered and is open for good."""
    llm = wiring.prompted_llm(settings, redis, wiring.resilience(settings))
    shard.generator = Generator(llm=llm, plain=wiring.offline_llm())  # type: ignore[assignment]
    shard.evaluator = Evaluator(llm=llm)  # type: ignore[assignment]
    try:
        actor = shard.actor()
        session = await actor.create(OPENING)
        asked = await actor.reply(Reply(session_id="s1", question_id="q1", caller=caller("yes"), event=SaidYes()))
        given = InputsGiven(inputs={prompt.id: an_input(prompt) for prompt in asked.prompts})
        await told_to(actor, ("q1", given), (session.questions[1].id, SaidNo()))
    finally:
        await llm.aclose()


async def test_a_session_s_log_gives_its_stored_state_byte_for_byte(shard: Shard, settings: Settings) -> None:
    session = await interviewed(shard)
    told = await shown(settings)
    assert told == f"Session s1 of acme: {session.version} log entries give the stored state, byte for byte.\n"


async def test_steps_that_failed_and_were_withdrawn_replay_as_well(shard: Shard, redis: Redis) -> None:
    def broken(name: str) -> None:
        raise WorkUnavailable(name)

    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.fail = broken
    with pytest.raises(RetryLater):
        await told_to(actor, ("q1", SaidYes()))
    shard.generator.fail = lambda _: None
    await told_to(actor, ("q1", SaidYes()), ("q1", InputsGiven(inputs=INPUTS)))
    found = await recorded(redis, ["acme"], "s1")
    assert replay(found.log, found.stored).fault is None


async def test_an_interview_by_rules_replays_whatever_it_wrote(shard: Shard, redis: Redis) -> None:
    llm = wiring.offline_llm()
    shard.generator = Generator(llm=llm, plain=llm)  # type: ignore[assignment]
    shard.evaluator = Evaluator(llm=llm)  # type: ignore[assignment]
    actor = shard.actor()
    session = await actor.create(OPENING)
    inputs = {"context": "Work", "achievement": "Moved 5 services.", "metrics": "3 releases a week"}
    await told_to(actor, (session.questions[0].id, SaidYes()))
    prompts = {prompt.id for prompt in (await actor.read("acme", "s1")).questions[0].prompts}
    given = InputsGiven(inputs={name: value for name, value in inputs.items() if name in prompts})
    await told_to(actor, (session.questions[0].id, given))
    found = await recorded(redis, ["acme"], "s1")
    replayed = replay(found.log, found.stored)
    assert replayed.fault is None
    assert replayed.session == await actor.read("acme", "s1")


async def test_a_long_log_is_read_whole_page_by_page(shard: Shard, redis: Redis) -> None:
    shard.evaluator.scores = [9.0]
    actor = shard.actor()
    await actor.create(OPENING)

    def broken(name: str) -> None:
        raise WorkUnavailable(name)

    shard.generator.fail = broken
    for number in range(PAGE // 2 + 5):
        with pytest.raises(RetryLater):
            await actor.reply(
                Reply(session_id="s1", question_id="q1", caller=caller(f"again{number}"), event=SaidYes())
            )
    found = await recorded(redis, ["acme"], "s1")
    assert len(found.log) == found.stored.version > PAGE
    assert replay(found.log, found.stored).fault is None


async def test_replaying_with_every_what_if_touches_nothing_in_redis(
    shard: Shard, redis: Redis, prompted: Settings, tmp_path: Path
) -> None:
    await interviewed_by_provider(shard, redis, prompted)
    (prices := tmp_path / "prices.json").write_text('{"openai:": {"input_per_million": 9, "output_per_million": 9}}')
    before = await stored(redis)
    assert {key.rpartition(b":")[2] for key in before} >= {b"record", b"log", b"outcomes", b"calls"}
    await shown(prompted, thresholds=["9"], prompt_versions=["1"], prices=prices)
    await shown(prompted, thresholds=["9"], prompt_versions=["1"], prices=prices, as_json=True)
    assert await stored(redis) == before


async def test_the_owner_goes_on_as_if_nothing_had_been(shard: Shard, settings: Settings) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await shown(settings, thresholds=["9"])
    await told_to(actor, ("q1", SaidYes()))
    assert "5 log entries" in await shown(settings)


async def test_a_state_that_its_log_does_not_give_is_told_without_its_texts(
    shard: Shard, redis: Redis, settings: Settings
) -> None:
    session = await interviewed(shard)
    state = await redis.hget(RECORD, "state")  # type: ignore[misc]
    assert state is not None
    await redis.hset(RECORD, "state", state.replace(b"Have you used", b"SECRET is use"))  # type: ignore[misc]
    told = await shown(settings, code=OTHER)
    assert f"different at version {session.version}" in told
    assert "questions.0.text" in told
    assert "SECRET" not in told
    data = json.loads(await shown(settings, code=OTHER, as_json=True, thresholds=["9"]))
    assert (data["fault"]["kind"], data["fault"]["version"]) == ("different", session.version)
    assert data["thresholds"] is None


async def test_a_log_that_lost_an_entry_is_told(shard: Shard, redis: Redis, settings: Settings) -> None:
    await interviewed(shard)
    await redis.xdel(LOG, "5-0")
    assert "missing at version 5" in await shown(settings, code=OTHER)
    await redis.delete(LOG)
    assert "missing at version 1" in await shown(settings, code=OTHER)


async def test_an_entry_in_another_s_place_is_told(shard: Shard, redis: Redis, settings: Settings) -> None:
    session = await interviewed(shard)
    last = unpack_entry((await redis.xrange(LOG))[-1][1][b"entry"])
    await redis.xdel(LOG, f"{session.version}-0")
    entries = await redis.xrange(LOG)
    await redis.delete(LOG)
    for stream_id, fields in [
        *entries,
        (f"{session.version}-0", {b"entry": pack_entry(replace(last, event=SaidNo()))}),
    ]:
        await redis.xadd(LOG, fields, id=stream_id)
    assert f"illegal at version {session.version}" in await shown(settings, code=OTHER)


async def test_unknown_and_foreign_sessions_are_the_same(shard: Shard, redis: Redis, settings: Settings) -> None:
    await interviewed(shard)
    before = await stored(redis)
    for asked in ({"tenant": "globex"}, {"session_id": "s2"}, {"tenant": None}):
        with pytest.raises(NotFound):
            await shown(settings, **asked)
    keys = {"globex": SecretStr("g" * 16), "acme": SecretStr("a" * 16)}
    assert "of acme" in await shown(settings.model_copy(update={"api_keys": keys}), tenant=None)
    assert await stored(redis) == before


async def test_other_thresholds_are_told_question_by_question_and_in_all(shard: Shard, settings: Settings) -> None:
    await interviewed(shard)
    told = await shown(settings, thresholds=["CRITICAL=9", "4"], width=60)
    for text in ("6, 8.5", "8 -> 9", "NEEDS_REFINEMENT *", "3, 4, (4.5)", "5 -> 4", "never given", "in brackets"):
        assert text in told
    assert "Then: 1 accepted, 1 best effort, 0 to refine, 3 refinements." in told
    assert "Now: 1 accepted, 0 best effort, 1 to refine, 2 refinements." in told
    data = json.loads(await shown(settings, thresholds=["CRITICAL=9", "4"], as_json=True))["thresholds"]
    assert [question["asks_further"] for question in data["questions"]] == [True, False, False, False]
    assert data["now"] == {"accepted": 1, "best_effort": 0, "to_refine": 1, "refinements": 2}


async def test_other_prices_are_told_by_operation_and_in_all(
    shard: Shard, redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    await interviewed(shard)
    (prices := tmp_path / "prices.json").write_text('{"openai:": {"input_per_million": 1, "output_per_million": 0}}')
    assert "nothing to price" in await shown(settings, prices=prices)
    ledger = RedisLedger(redis)
    for call in (a_call(), a_call(operation="find_gaps"), a_call(cost_usd=None), a_call(usage=None, cost_usd=None)):
        await ledger.record(call)
    told = await shown(settings, prices=prices, width=60)
    for text in ("write_answer", "find_gaps", "$0.002650", "$0.012000", "$0.005350"):
        assert text in told
    data = json.loads(await shown(settings, prices=prices, as_json=True))["prices"]
    assert data["total"] == pytest.approx(
        {
            "calls": 4,
            "unmeasured": 1,
            "unpriced_then": 1,
            "unpriced_now": 0,
            "then_usd": 0.00265,
            "now_usd": 0.012,
            "difference_usd": 0.00535,
        }
    )


async def test_the_same_prompts_ask_the_provider_exactly_what_the_service_asked(
    shard: Shard, redis: Redis, prompted: Settings, stub: Overheard
) -> None:
    await interviewed_by_provider(shard, redis, prompted)
    by_service, stub.asked = stub.asked, []
    told = await shown(prompted, prompt_versions=["1"])
    assert sorted(stub.asked) == sorted(by_service)
    assert "steps to ask again" in told


async def test_another_version_of_a_prompt_is_asked_for_its_steps_alone_and_compared(
    shard: Shard, redis: Redis, prompted: Settings, stub: Overheard, tmp_path: Path
) -> None:
    await interviewed_by_provider(shard, redis, prompted)
    folder = tmp_path / "prompts"
    folder.mkdir()
    for path in DATA.glob("*.md"):
        (folder / path.name).write_text(path.read_text())
    second_version(folder, "evaluate_answer")
    stub.asked = []
    stub.configure(replace(stub.config, score_low=4.0, score_high=4.0))
    asked: dict[str, Any] = {"prompt_versions": ["evaluate_answer/2"], "prompts": folder}
    told = await shown(prompted, **asked, width=100)
    assert stub.asked
    assert all("This is the second wording." in asked_for for asked_for in stub.asked)
    for text in ("1 steps to ask again", "evaluate_answer/2", "8.0 ACCEPTED", "4.0 NEEDS_REFINEMENT"):
        assert text in told
    data = json.loads(await shown(prompted, **asked, as_json=True))["prompts"]
    (step,) = data["steps"]
    assert (step["question_id"], step["then"]["score"], step["now"]["score"]) == ("q1", 8.0, 4.0)
    assert data["versions"] == {"evaluate_answer": 2}
    then, now = data["then"]["evaluate_answer"], data["now"]["evaluate_answer"]
    assert then["calls"] == now["calls"] > 0
    assert now["input_tokens"] > then["input_tokens"] > 0
    assert now["cost_usd"] > 0


async def test_a_step_that_fails_when_asked_again_is_told_and_loses_no_other(
    shard: Shard, redis: Redis, prompted: Settings, stub: Overheard
) -> None:
    await interviewed_by_provider(shard, redis, prompted)
    unheard = prompted.model_copy(update={"openai_base_url": "http://127.0.0.1:9/v1", "llm_attempts": 1})
    data = json.loads(await shown(unheard, prompt_versions=["1"], as_json=True))["prompts"]
    assert {step["failure"] for step in data["steps"]} == {"WorkUnavailable"}
    assert len(data["steps"]) == 5


async def test_the_command_line_says_by_its_exit_what_it_found_and_prints_nothing_but_json(
    shard: Shard, redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    await interviewed(shard)
    assert settings.redis_url is not None
    environment = {**os.environ, "REDIS_URL": settings.redis_url.get_secret_value(), "ASKWELL_DATA_DIR": str(tmp_path)}

    async def exited(*arguments: str) -> tuple[int | None, str]:
        command = [sys.executable, "-m", "serve_app", "replay", "s1", "--tenant", "acme", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        return process.returncode, printed.decode()

    code, printed = await exited("--json", "--threshold", "CRITICAL=9", "--threshold", "7")
    assert (code, json.loads(printed)["thresholds"]["now"]["to_refine"]) == (SAME, 1)
    code, printed = await exited("--threshold", "11")
    assert (code, "--threshold" in printed) == (2, True)
    await redis.xdel(LOG, "5-0")
    code, printed = await exited()
    assert (code, "missing at version 5" in printed) == (OTHER, True)


async def test_without_a_provider_no_prompt_can_be_tried(shard: Shard, settings: Settings) -> None:
    await interviewed(shard)
    with pytest.raises(InvalidField, match="offline provider"):
        await shown(settings, prompt_versions=["1"])
