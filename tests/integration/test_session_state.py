"""The session-state actor on a real Valkey: one writer, one outcome, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from actors.evaluator import Evaluator
from actors.generator import Generator
from state.backend import RedisBackend, connect
from state.codec import pack_session
from state.errors import (
    AskwellError,
    BrokenReply,
    BudgetSpent,
    Erased,
    Fenced,
    InvalidField,
    KeyReused,
    NotFound,
    OwnedElsewhere,
    RetryLater,
    SessionFull,
    StepNotOpen,
    StepTimedOut,
    StillRunning,
    StoreUnavailable,
    WorkUnavailable,
)
from state.events import InputsGiven, QuestionEvent, RefinementGiven, SaidNo, SaidYes, WillLearn
from state.flags import DEFAULT_ROLLOUTS
from state.model import Document, Priority, Question, Session, SessionStep, Step
from state.outcomes import OWN_KEY
from state.session import apply
from state.session_actor import MAX_VERSION, OpenSession, Reply, SessionState
from state.steps import StepWork
from state.sweep import Sweep
from tests.conftest import Shard, SteadyLease, caller
from tests.fakes import INPUTS, CountingLLM, a_gap

OPENING = OpenSession(
    session_id="s1",
    caller=caller("open"),
    user="ada",
    cv=Document(text="Ada\nDjango"),
    job=Document(text="Kubernetes in production"),
    gaps=None,
    max_questions=10,
)


def reply(key: str, event: QuestionEvent, question_id: str = "q1", **changes: str) -> Reply:
    return Reply(session_id="s1", question_id=question_id, caller=caller(key, **changes), event=event)


def failing(name: str, error: Exception) -> Callable[[str], None]:
    def fail(called: str) -> None:
        if called == name:
            raise error

    return fail


async def prompted(actor: SessionState) -> Question:
    await actor.create(OPENING)
    return await actor.reply(reply("yes", SaidYes()))


async def test_a_new_session_has_its_questions_highest_priority_first(shard: Shard) -> None:
    shard.generator.gaps = (a_gap(1, Priority.LOW), a_gap(2, Priority.CRITICAL), a_gap(3, Priority.MEDIUM))
    session = await shard.actor().create(OPENING)
    assert session.step is SessionStep.OPEN
    assert [question.gap_id for question in session.questions] == ["g2", "g3", "g1"]
    assert [question.threshold for question in session.questions] == [8, 6, 5]


async def test_the_caller_s_own_gaps_are_not_looked_for_again(shard: Shard) -> None:
    session = await shard.actor().create(replace(OPENING, gaps=(a_gap(7),)))
    assert (session.gaps, session.by) == ((a_gap(7),), "client")
    assert shard.generator.calls["find_gaps"] == 0


async def test_no_skips_the_question_and_asks_nobody(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    before = shard.generator.calls.copy()
    assert (await actor.reply(reply("no", SaidNo()))).step is Step.SKIPPED
    assert (shard.generator.calls, shard.evaluator.calls) == (before, 0)


async def test_no_makes_no_call_at_the_provider_port_and_yes_with_inputs_makes_three(shard: Shard) -> None:
    llm = CountingLLM()
    work = StepWork(
        generator=Generator(llm=llm, plain=llm),
        evaluator=Evaluator(llm=llm),
        retriever=shard.retriever,
        deadline_s=20,
        question_deadline_s=5,
    )
    actor = SessionState(
        store=shard.store,
        work=work,
        lease=SteadyLease(shard.backend, set()),
        sweep=Sweep(shard.backend, now_ms=shard.clock, forget=shard.retriever.forget),
        new_epoch=lambda: 1,
        now_ms=shard.clock,
        ttl_s=60,
        rollouts={**DEFAULT_ROLLOUTS, "advanced_quality_evaluation": 0},
    )
    await actor.create(OPENING)
    llm.calls.clear()
    await actor.reply(reply("no", SaidNo(), "q1"))
    assert llm.calls.total() == 0
    await actor.reply(reply("learn", WillLearn(), "q2"))
    assert llm.calls.total() == 0
    await actor.reply(reply("yes", SaidYes(), "q3"))
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS), "q3"))
    assert llm.calls == {"WritePrompts": 1, "WriteAnswer": 1, "EvaluateAnswer": 1}


async def test_willing_to_learn_brings_resources(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    question = await actor.reply(reply("learn", WillLearn()))
    assert question.step is Step.LEARNING
    assert [found.resource.id for found in question.resources] == ["r1"]


async def test_yes_leads_over_prompts_and_inputs_to_an_accepted_answer(shard: Shard) -> None:
    actor = shard.actor()
    assert (await prompted(actor)).step is Step.PROMPTED
    question = await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    assert question.step is Step.ACCEPTED
    assert [question_id for _, question_id in shard.retriever.remembered] == ["q1"]


async def test_below_the_threshold_it_is_refined_at_most_twice(shard: Shard) -> None:
    shard.evaluator.scores = [3.0]
    actor = shard.actor()
    await prompted(actor)
    steps = [(await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))).step]
    for number in (1, 2):
        steps.append((await actor.reply(reply(f"more{number}", RefinementGiven(inputs=INPUTS)))).step)
    assert steps == [Step.NEEDS_REFINEMENT, Step.NEEDS_REFINEMENT, Step.BEST_EFFORT]
    with pytest.raises(StepNotOpen, match="BEST_EFFORT"):
        await actor.reply(reply("more3", RefinementGiven(inputs=INPUTS)))


async def test_an_illegal_event_changes_nothing_and_can_be_followed_by_a_legal_one(shard: Shard) -> None:
    actor = shard.actor()
    session = await actor.create(OPENING)
    with pytest.raises(StepNotOpen, match="ASKED"):
        await actor.reply(reply("early", InputsGiven(inputs=INPUTS)))
    assert await actor.read("acme", "s1") == session
    assert (await actor.reply(reply("no", SaidNo()))).step is Step.SKIPPED


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({}, "inputs.achievement"),
        ({"achievement": "  "}, "inputs.achievement"),
        ({"achievement": "x", "other": "y"}, "inputs.other"),
        ({"achievement": 3}, "inputs.achievement"),
        ({"achievement": "x", "duration": "three"}, "inputs.duration"),
        ({"achievement": "x", "context": "Prison"}, "inputs.context"),
        ({"achievement": "x", "tools": ("Helm", "Magic")}, "inputs.tools"),
    ],
)
async def test_inputs_that_do_not_fit_their_prompts_are_refused_by_field(
    shard: Shard, inputs: dict[str, object], field: str
) -> None:
    actor = shard.actor()
    await prompted(actor)
    with pytest.raises(InvalidField) as refused:
        await actor.reply(reply("inputs", InputsGiven(inputs=inputs)))
    assert refused.value.field == field
    assert (await actor.read("acme", "s1")).require("q1").step is Step.PROMPTED


async def test_the_same_key_and_body_get_the_recorded_outcome_even_after_later_steps(shard: Shard) -> None:
    actor = shard.actor()
    first = await prompted(actor)
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    assert await actor.reply(reply("yes", SaidYes())) == first
    assert await shard.actor().reply(reply("yes", SaidYes())) == first
    assert shard.generator.calls["write_prompts"] == 1


async def test_the_same_key_opens_the_same_session_once(shard: Shard) -> None:
    actor = shard.actor()
    first = await actor.create(OPENING)
    await actor.reply(reply("no", SaidNo()))
    assert await actor.create(replace(OPENING, caller=caller("open"))) == first
    assert shard.generator.calls["write_questions"] == 1


async def test_the_same_key_with_another_body_is_refused(shard: Shard) -> None:
    actor = shard.actor()
    await prompted(actor)
    with pytest.raises(KeyReused):
        await actor.reply(reply("yes", SaidYes(), body="other"))
    with pytest.raises(KeyReused):
        await actor.create(replace(OPENING, caller=caller("open", body="other")))


async def test_a_foreign_session_looks_exactly_like_an_unknown_one(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    errors = []
    for tenant, session_id in (("rival", "s1"), ("rival", "s2"), ("acme", "s2")):
        for attempt in (
            actor.read(tenant, session_id),
            actor.erase(tenant, session_id),
            actor.watch(tenant, session_id, after=0, heard=0, wait_s=0),
            actor.reply(
                replace(reply("k", SaidNo(), tenant=tenant), session_id=session_id),
            ),
        ):
            with pytest.raises(NotFound) as refused:
                await attempt
            errors.append((str(refused.value), refused.value.data))
    assert len(set(map(str, errors))) == 1


async def test_two_events_for_one_question_never_run_at_once(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.gate = asyncio.Event()
    running = asyncio.create_task(actor.reply(reply("yes", SaidYes())))
    await shard.generator.entered.wait()
    await until(lambda: shard.generator.calls["write_prompts"] == 1)
    for rival in (reply("no", SaidNo()), reply("yes", SaidYes())):
        with pytest.raises(StillRunning):
            await actor.reply(rival)
    shard.generator.gate.set()
    assert (await running).step is Step.PROMPTED


async def test_a_request_that_is_delivered_twice_is_one_step_from_its_first_moment(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    request = reply("yes", SaidYes(), request_id="r1")
    first, second = await asyncio.gather(actor.reply(request), actor.reply(request))
    assert first == second
    assert shard.generator.calls["write_prompts"] == 1


async def test_different_questions_of_one_session_move_at_once(shard: Shard) -> None:
    shard.generator.gaps = (a_gap(1), a_gap(2), a_gap(3))
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.gate = asyncio.Event()
    running = [asyncio.create_task(actor.reply(reply(f"k{n}", SaidYes(), f"q{n}"))) for n in (1, 2, 3)]
    await until(lambda: shard.generator.calls["write_prompts"] == 3)
    shard.generator.gate.set()
    assert [question.step for question in await asyncio.gather(*running)] == [Step.PROMPTED] * 3
    session = await actor.read("acme", "s1")
    assert session.version == 3 + 2 * 3


async def test_a_caller_that_goes_away_does_not_lose_the_step(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.gate = asyncio.Event()
    caller_task = asyncio.create_task(actor.reply(reply("yes", SaidYes())))
    await until(lambda: shard.generator.calls["write_prompts"] == 1)
    caller_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller_task
    shard.generator.gate.set()
    await until_step(actor, Step.PROMPTED)
    assert (await actor.reply(reply("yes", SaidYes()))).step is Step.PROMPTED
    assert shard.generator.calls["write_prompts"] == 1


@pytest.mark.parametrize("pool", ["generator", "evaluator"])
async def test_work_that_cannot_be_done_opens_the_question_again_and_the_same_key_goes_on(
    shard: Shard, pool: str
) -> None:
    actor = shard.actor()
    await prompted(actor)
    fake = getattr(shard, pool)
    name = "write_answer" if pool == "generator" else "evaluate"
    fake.fail = failing(name, WorkUnavailable("away"))
    with pytest.raises(WorkUnavailable):
        await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    question = (await actor.read("acme", "s1")).require("q1")
    assert (question.step, question.answer, question.evaluation) == (Step.PROMPTED, None, None)
    fake.fail = lambda _: None
    assert (await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))).step is Step.ACCEPTED


async def test_a_fault_of_our_own_opens_the_question_again_too(shard: Shard) -> None:
    actor = shard.actor()
    await prompted(actor)
    shard.generator.fail = failing("write_answer", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    assert (await actor.read("acme", "s1")).require("q1").step is Step.PROMPTED


async def test_an_unusable_judgement_never_accepts_an_answer(shard: Shard) -> None:
    actor = shard.actor()
    await prompted(actor)
    shard.evaluator.fail = failing("evaluate", BrokenReply())
    with pytest.raises(BrokenReply):
        await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    question = (await actor.read("acme", "s1")).require("q1")
    assert (question.step, question.answer) == (Step.PROMPTED, None)


async def test_work_past_its_deadline_times_out_and_is_open_again(shard: Shard) -> None:
    shard.deadline_s = 0.05
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.gate = asyncio.Event()
    with pytest.raises(StepTimedOut):
        await actor.reply(reply("yes", SaidYes()))
    assert (await actor.read("acme", "s1")).require("q1").step is Step.ASKED


async def test_a_creation_that_failed_goes_on_where_it_stopped(shard: Shard) -> None:
    actor = shard.actor()
    shard.generator.fail = failing("write_questions", WorkUnavailable())
    with pytest.raises(WorkUnavailable):
        await actor.create(OPENING)
    assert (await actor.read("acme", "s1")).step is SessionStep.WRITING_QUESTIONS
    shard.generator.fail = lambda _: None
    session = await actor.create(replace(OPENING, caller=caller("open")))
    assert session.step is SessionStep.OPEN
    assert shard.generator.calls["find_gaps"] == 1


async def test_a_missing_retriever_costs_hints_but_no_step(shard: Shard) -> None:
    shard.retriever.fail = failing("find_similar", WorkUnavailable())
    actor = shard.actor()
    assert (await prompted(actor)).step is Step.PROMPTED
    shard.retriever.fail = failing("remember", WorkUnavailable())
    assert (await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))).step is Step.ACCEPTED


async def test_an_interrupted_step_goes_on_at_the_next_owner_and_gives_one_outcome(shard: Shard) -> None:
    first, request = shard.actor(), reply("inputs", InputsGiven(inputs=INPUTS), request_id="r1")
    await prompted(first)
    shard.generator.gate = asyncio.Event()
    lost = asyncio.create_task(first.reply(request))
    await until(lambda: shard.generator.calls["write_answer"] == 1)
    second = shard.actor()
    again = asyncio.create_task(second.reply(request))
    await until(lambda: shard.generator.calls["write_answer"] == 2)
    shard.generator.gate.set()
    question = await again
    assert question.step is Step.ACCEPTED
    with pytest.raises(Fenced):
        await lost
    assert await second.reply(reply("inputs", InputsGiven(inputs=INPUTS))) == question
    shard.give_to(first)
    assert await first.reply(reply("inputs", InputsGiven(inputs=INPUTS))) == question
    kinds = [
        type(entry.event).__name__ for entry in (await second.watch("acme", "s1", after=5, heard=0, wait_s=0)).entries
    ]
    assert kinds == ["InputsGiven", "AnswerWritten", "AnswerAccepted"]


async def test_a_result_that_was_recorded_is_not_paid_for_again(shard: Shard) -> None:
    first = shard.actor()
    await prompted(first)
    shard.evaluator.fail = failing("evaluate", asyncio.CancelledError())
    with pytest.raises(Fenced):
        await first.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    shard.evaluator.fail = lambda _: None
    second = shard.actor()
    await second.read("acme", "s1")
    await until_step(second, Step.ACCEPTED)
    assert shard.generator.calls["write_answer"] == 1


async def test_a_replaced_owner_is_fenced_and_then_reads_the_new_one_s_state(shard: Shard) -> None:
    old = shard.actor()
    await prompted(old)
    new = shard.actor()
    accepted = await new.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    with pytest.raises(Fenced):
        await old.reply(reply("late", InputsGiven(inputs=INPUTS)))
    with pytest.raises(OwnedElsewhere) as held:
        await old.read("acme", "s1")
    assert held.value.owner == shard.owners[new]
    shard.give_to(old)
    assert (await old.read("acme", "s1")).require("q1") == accepted


async def test_the_log_folded_is_the_stored_state_byte_for_byte(shard: Shard) -> None:
    shard.evaluator.scores = [3.0, 9.0]
    actor = shard.actor()
    await prompted(actor)
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    shard.clock.ms += 5_000
    await actor.reply(reply("more", RefinementGiven(inputs=INPUTS)))
    folded: Session | None = None
    for entry in (await actor.watch("acme", "s1", after=0, heard=0, wait_s=0)).entries:
        folded = apply(folded, entry)
    assert folded is not None
    stored = await shard.store.read("s1")
    assert stored is not None
    assert pack_session(folded) == stored.state


@pytest.mark.parametrize("error", [StoreUnavailable(), WorkUnavailable(), BudgetSpent(), BrokenReply()])
async def test_whatever_error_a_pool_has_the_question_is_open_again(shard: Shard, error: AskwellError) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.fail = failing("write_prompts", error)
    with pytest.raises(type(error)):
        await actor.reply(reply("yes", SaidYes()))
    assert (await actor.read("acme", "s1")).questions[0].step is Step.ASKED
    shard.generator.fail = lambda _: None
    assert (await actor.reply(reply("yes", SaidYes()))).step is Step.PROMPTED


async def test_a_session_without_a_key_whose_gaps_a_pool_cannot_find_leaves_nothing(shard: Shard, redis: Redis) -> None:
    shard.generator.fail = failing("find_gaps", StoreUnavailable())
    opening = replace(OPENING, caller=caller(f"{OWN_KEY}1"))
    with pytest.raises(StoreUnavailable):
        await shard.actor().create(opening)
    assert await kept(redis) == set()


async def test_a_watcher_hears_a_text_while_it_is_written_and_its_step_once_it_is_committed(shard: Shard) -> None:
    actor = shard.actor()
    session = await actor.create(OPENING)
    prompted = await actor.reply(reply("yes", SaidYes()))
    version = (await actor.read("acme", "s1")).version
    watching = asyncio.create_task(actor.watch("acme", "s1", after=version, heard=0, wait_s=20))
    await asyncio.sleep(0)
    shard.generator.gate = asyncio.Event()
    writing = asyncio.create_task(actor.reply(reply("inputs", InputsGiven(inputs=INPUTS))))
    seen = await watching
    heard = [*seen.pieces]
    while not any(piece.delta.text for piece in heard):
        seen = await actor.watch("acme", "s1", after=version + 1, heard=seen.heard, wait_s=20)
        heard += seen.pieces
    assert [(piece.question_id, piece.delta.text) for piece in heard if piece.delta.field] == [("q1", "Moved")]
    shard.generator.gate.set()
    await writing
    assert (await actor.watch("acme", "s1", after=version, heard=0, wait_s=0)).pieces == ()
    assert (session.step, prompted.step) == (SessionStep.OPEN, Step.PROMPTED)


async def test_a_text_is_not_asked_for_piece_by_piece_while_nobody_watches(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await actor.reply(reply("yes", SaidYes()))
    shard.generator.gate = asyncio.Event()
    shard.generator.entered.clear()
    writing = asyncio.create_task(actor.reply(reply("inputs", InputsGiven(inputs=INPUTS))))
    await shard.generator.entered.wait()
    assert (await actor.watch("acme", "s1", after=0, heard=0, wait_s=0)).pieces == ()
    shard.generator.gate.set()
    await writing


async def test_watchers_get_what_comes_and_miss_nothing(shard: Shard) -> None:
    actor = shard.actor()
    session = await actor.create(OPENING)
    waiting = asyncio.create_task(actor.watch("acme", "s1", after=session.version, heard=0, wait_s=20))
    await asyncio.sleep(0)
    await actor.reply(reply("no", SaidNo()))
    assert [entry.version for entry in (await waiting).entries] == [session.version + 1]
    assert [entry.version for entry in (await actor.watch("acme", "s1", after=0, heard=0, wait_s=0)).entries] == [
        1,
        2,
        3,
        4,
    ]
    assert (await actor.watch("acme", "s1", after=4, heard=0, wait_s=0)).entries == ()


async def test_erasing_stops_running_work_and_leaves_no_key_and_no_vector(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.gate = asyncio.Event()
    running = asyncio.create_task(actor.reply(reply("yes", SaidYes())))
    await until(lambda: shard.generator.calls["write_prompts"] == 1)
    await actor.erase("acme", "s1")
    with pytest.raises(Fenced):
        await running
    assert await kept(redis) == {RECEIPT}
    assert [owner.session_id for owner in shard.retriever.forgotten] == ["s1"]
    with pytest.raises(NotFound):
        await actor.read("acme", "s1")


async def test_a_zombie_cannot_bring_an_erased_session_back(shard: Shard, redis: Redis) -> None:
    zombie = shard.actor()
    await prompted(zombie)
    await shard.actor().erase("acme", "s1")
    with pytest.raises((Fenced, NotFound)):
        await zombie.reply(reply("late", InputsGiven(inputs=INPUTS)))
    assert await kept(redis) == {RECEIPT}


async def test_erasing_is_refused_while_vectors_cannot_be_erased_and_nothing_is_lost(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.retriever.fail = failing("forget", WorkUnavailable())
    with pytest.raises(WorkUnavailable):
        await actor.erase("acme", "s1")
    assert (await actor.read("acme", "s1")).id == "s1"


async def test_every_key_of_a_session_expires_and_each_commit_renews_it(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await prompted(actor)
    keys = sorted(await kept(redis))
    assert keys == [f"askwell:{{session:s1}}:{part}" for part in ("log", "outcomes", "record")]
    for key in keys:
        await redis.pexpire(key, 1_000)
    await actor.reply(reply("inputs", InputsGiven(inputs=INPUTS)))
    assert all([await redis.pttl(key) > 3_000_000 for key in keys])


async def test_a_store_that_does_not_answer_is_retryable_and_the_session_is_whole_afterwards(shard: Shard) -> None:
    actor = shard.actor()
    await prompted(actor)
    shard_away = replace(shard, backend=RedisBackend(connect("redis://127.0.0.1:1/0", timeout_s=0.2)))
    with pytest.raises(StoreUnavailable) as refused:
        await shard_away.actor().read("acme", "s1")
    assert isinstance(refused.value, RetryLater)
    assert (await actor.read("acme", "s1")).require("q1").step is Step.PROMPTED


async def test_a_copy_whose_record_has_expired_is_forgotten_too(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await redis.flushall()
    shard.clock.ms += 3_600_000
    with pytest.raises(NotFound):
        await actor.read("acme", "s1")


async def test_requests_without_a_key_leave_nothing_behind_when_they_fail(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.fail = failing("write_prompts", WorkUnavailable())
    for number in range(5):
        with pytest.raises(WorkUnavailable):
            await actor.reply(reply(f"{OWN_KEY}{number}", SaidYes()))
    assert await redis.hkeys("askwell:{session:s1}:outcomes") == [b"open"]


async def test_failed_attempts_under_ever_new_keys_leave_one_open_outcome(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.fail = failing("write_prompts", WorkUnavailable())
    for number in range(5):
        with pytest.raises(WorkUnavailable):
            await actor.reply(reply(f"k{number}", SaidYes()))
    assert sorted(await redis.hkeys("askwell:{session:s1}:outcomes")) == [b"k4", b"open"]


async def test_a_session_takes_only_so_many_steps(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    shard.generator.fail = failing("write_prompts", WorkUnavailable())
    refused = 0
    while not refused:
        try:
            await actor.reply(reply("k", SaidYes()))
        except WorkUnavailable:
            continue
        except SessionFull:
            refused += 1
    assert MAX_VERSION <= (await actor.read("acme", "s1")).version <= MAX_VERSION + 2


async def test_the_caller_s_gaps_are_cut_after_sorting_and_survive_a_failed_creation(shard: Shard) -> None:
    gaps = (*(a_gap(n, Priority.LOW) for n in range(1, 12)), a_gap(99, Priority.CRITICAL))
    actor = shard.actor()
    shard.generator.fail = failing("write_questions", WorkUnavailable())
    with pytest.raises(WorkUnavailable):
        await actor.create(replace(OPENING, gaps=gaps))
    shard.generator.fail = lambda _: None
    session = await actor.create(replace(OPENING, gaps=gaps, caller=caller("open")))
    assert (len(session.gaps), session.gaps[0].id, session.by) == (10, "g99", "client")
    assert shard.generator.calls["find_gaps"] == 0


async def test_a_creation_that_failed_without_a_key_leaves_nothing_behind(shard: Shard, redis: Redis) -> None:
    shard.generator.fail = failing("find_gaps", WorkUnavailable())
    with pytest.raises(WorkUnavailable):
        await shard.actor().create(replace(OPENING, caller=caller(f"{OWN_KEY}1")))
    assert await kept(redis) == set()


async def test_asking_for_a_foreign_session_takes_nothing_from_its_owner(shard: Shard) -> None:
    owner = shard.actor()
    await prompted(owner)
    with pytest.raises(NotFound):
        await shard.actor().read("rival", "s1")
    assert (await owner.reply(reply("inputs", InputsGiven(inputs=INPUTS)))).step is Step.ACCEPTED


async def test_a_request_that_comes_late_brings_no_erased_session_back(shard: Shard, redis: Redis) -> None:
    await shard.actor().create(OPENING)
    asked = shard.generator.calls.copy()
    await shard.actor().erase("acme", "s1")
    for actor in (shard.actor(), shard.actor()):
        with pytest.raises(Erased):
            await actor.create(OPENING)
    assert await kept(redis) == {RECEIPT}
    assert shard.generator.calls == asked


async def test_an_owner_of_an_erased_session_cannot_write_into_its_namesake(shard: Shard, redis: Redis) -> None:
    zombie = shard.actor()
    shard.generator.gate = asyncio.Event()
    lost = asyncio.create_task(zombie.create(OPENING))
    await until(lambda: shard.generator.calls["find_gaps"] == 1)
    rightful = shard.actor()
    await rightful.erase("acme", "s1")
    await redis.delete(RECEIPT)  # as it will be when it has expired
    asked_before = shard.generator.calls["find_gaps"]
    again = asyncio.create_task(rightful.create(replace(OPENING, cv=Document(text="Another CV"))))
    await until(lambda: shard.generator.calls["find_gaps"] > asked_before)
    shard.generator.gate.set()
    assert (await again).cv.text == "Another CV"
    with pytest.raises(Fenced):
        await lost
    kinds = [
        type(entry.event).__name__ for entry in (await rightful.watch("acme", "s1", after=0, heard=0, wait_s=0)).entries
    ]
    assert kinds == ["SessionOpened", "GapsFound", "QuestionsAsked"]


async def test_a_step_of_a_dropped_copy_remembers_nothing_after_the_session_is_erased(shard: Shard) -> None:
    shard.generator.gaps = (a_gap(1), a_gap(2))
    actor = shard.actor()
    await prompted(actor)
    shard.generator.gate = asyncio.Event()
    lost = asyncio.create_task(actor.reply(reply("inputs", InputsGiven(inputs=INPUTS))))
    await until(lambda: shard.generator.calls["write_answer"] == 1)
    other = shard.actor()
    await other.read("acme", "s1")
    with pytest.raises(Fenced):
        await actor.reply(reply("no", SaidNo(), "q2"))
    await other.erase("acme", "s1")
    shard.generator.gate.set()
    with pytest.raises(Fenced):
        await lost
    assert shard.retriever.remembered == []


async def test_a_copy_that_is_ahead_of_the_log_is_dropped_and_not_served_for_ever(shard: Shard, redis: Redis) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    await redis.flushall()
    with pytest.raises(Fenced):
        await actor.reply(reply("no", SaidNo()))
    with pytest.raises(NotFound):
        await actor.watch("acme", "s1", after=0, heard=0, wait_s=0)
    reader = shard.actor()
    await reader.create(OPENING)
    again = shard.actor()
    await again.read("acme", "s1")
    await redis.flushall()
    with pytest.raises(Fenced):
        await again.watch("acme", "s1", after=0, heard=0, wait_s=0)
    with pytest.raises(NotFound):
        await again.watch("acme", "s1", after=0, heard=0, wait_s=0)


async def test_a_full_shard_drops_idle_copies_and_reads_them_back(shard: Shard) -> None:
    shard.max_held = 3
    actor = shard.actor()
    for number in range(10):
        await actor.create(replace(OPENING, session_id=f"s{number}", caller=caller(f"open{number}")))
    for number in range(10):
        assert (await actor.read("acme", f"s{number}")).id == f"s{number}"


async def test_many_requests_with_one_key_have_one_effect_and_one_outcome(shard: Shard) -> None:
    actor = shard.actor()
    await actor.create(OPENING)
    attempts = [actor.reply(reply("yes", SaidYes())) for _ in range(50)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    done = [outcome for outcome in outcomes if isinstance(outcome, Question)]
    assert len(done) == 1
    assert all(isinstance(outcome, StillRunning) for outcome in outcomes if outcome is not done[0])
    assert await actor.reply(reply("yes", SaidYes())) == done[0]
    assert shard.generator.calls["write_prompts"] == 1


RECEIPT = "askwell:{session:s1}:receipt"


async def kept(redis: Redis) -> set[str]:
    """Every key but the indices of sessions to look after, which are tested for themselves."""
    indices = {"askwell:{sweep}:sessions", "askwell:{metrics}:erased"}
    return {key.decode() for key in await redis.keys("*")} - indices


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until it holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in several places
            await asyncio.sleep(0.001)


async def until_step(actor: SessionState, step: Step) -> None:
    async with asyncio.timeout(20):
        while (await actor.read("acme", "s1")).require("q1").step is not step:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
