"""The ledger on a real Valkey, kept as long as it may be and no longer, and the command that reads it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.crc import key_slot
from rich.console import Console

from serve_app.costs import run
from serve_app.inspection import redis_url
from serve_app.ports import free_port
from serve_app.settings import Settings
from serve_app.valkey import Valkey
from state.backend import RedisBackend, connect
from state.codec import SCHEMA, pack
from state.costs import Tally, tally
from state.errors import InvalidField, NotFound, RecordUnreadable, StoreUnavailable
from state.ledger import MAX_CALLS, MAX_FIELDS, OTHER, TOTALS_TTL_S, RedisLedger
from state.model import Document
from state.session_actor import OpenSession
from state.spending import CallRecord, Usage
from state.store import Commit, RecordStore
from tests.conftest import Shard, caller
from tests.unit.test_costs import PRICES, a_call, a_failed_call, a_given_up_call

LAST_MS = 1_795_391_999_999
DAY, NEXT_DAY = date(2026, 11, 22), date(2026, 11, 23)
"""`LAST_MS` is the day's last millisecond."""
CALLED_ON = "2026-11-18"
"""The day of `a_call`."""
RECORD, CALLS = "askwell:{session:s1}:record", "askwell:{session:s1}:calls"


@pytest.fixture
def ledger(redis: Redis) -> RedisLedger:
    return RedisLedger(redis)


async def committed(store: RecordStore, *, version: int = 0, ttl_ms: int = 60_000, tenant: str = "acme") -> None:
    """One commit of session s1."""
    await store.commit(
        Commit(record_id="s1", tenant=tenant, epoch=1, version=version, state=b"", ttl_ms=ttl_ms, entry=b"e")
    )


async def every_key(redis: Redis) -> set[str]:
    return {key.decode() async for key in redis.scan_iter()}


async def test_a_session_s_calls_are_read_back_as_they_were_oldest_first(
    store: RecordStore, ledger: RedisLedger
) -> None:
    await committed(store)
    recorded = (a_call(), a_failed_call(), a_given_up_call(), a_call(cost_usd=None, fault="ü"))
    for call in recorded:
        await ledger.record(call)
    assert await ledger.calls("acme", "s1") == recorded
    assert await ledger.dropped("acme", "s1") == 0


async def test_a_session_without_calls_has_none(store: RecordStore, ledger: RedisLedger) -> None:
    await committed(store)
    assert await ledger.calls("acme", "s1") == ()
    assert await ledger.dropped("acme", "s1") == 0


async def test_a_foreign_session_is_as_unknown_as_one_that_is_not_there(
    store: RecordStore, ledger: RedisLedger
) -> None:
    await committed(store)
    await ledger.record(a_call())
    for tenant, session_id in (("globex", "s1"), ("acme", "s2"), ("", "s1")):
        with pytest.raises(NotFound):
            await ledger.calls(tenant, session_id)
        with pytest.raises(NotFound):
            await ledger.dropped(tenant, session_id)


async def test_a_call_for_a_session_that_is_not_its_tenant_s_is_not_kept_with_it(
    store: RecordStore, ledger: RedisLedger
) -> None:
    await committed(store)
    await ledger.record(a_call(tenant="globex"))
    assert await ledger.calls("acme", "s1") == ()
    assert (await ledger.day("globex", date(2026, 11, 18))).total.calls == 1


async def test_a_call_without_a_session_is_in_the_day_s_totals_alone(redis: Redis, ledger: RedisLedger) -> None:
    await ledger.record(a_call(session_id="", at_ms=LAST_MS))
    await ledger.record(a_call(session_id="gone", at_ms=LAST_MS))
    assert await every_key(redis) == {"askwell:spent:acme:2026-11-22"}
    assert (await ledger.day("acme", DAY)).total.calls == 2


async def test_calls_expire_with_their_session_however_long_that_goes_on(
    redis: Redis, store: RecordStore, ledger: RedisLedger
) -> None:
    async def expiries() -> set[int]:
        return {await redis.pexpiretime(key) for key in (RECORD, CALLS)}

    await committed(store, ttl_ms=60_000)
    await ledger.record(a_call())
    first = await expiries()
    await committed(store, version=1, ttl_ms=600_000)
    second = await expiries()
    await ledger.record(a_call())
    assert await expiries() == second
    assert len(first) == len(second) == 1
    assert min(second) > min(first)


async def test_of_very_many_calls_the_newest_are_kept_and_the_others_counted(
    store: RecordStore, ledger: RedisLedger
) -> None:
    await committed(store)
    await asyncio.gather(*(ledger.record(a_call(at_ms=LAST_MS, legacy_input_tokens=0)) for _ in range(MAX_CALLS)))
    last = [a_call(at_ms=LAST_MS, legacy_input_tokens=n) for n in (1, 2, 3)]
    for call in last:
        await ledger.record(call)
    kept = await ledger.calls("acme", "s1")
    assert len(kept) == MAX_CALLS
    assert list(kept[-3:]) == last
    assert await ledger.dropped("acme", "s1") == 3
    assert (await ledger.day("acme", DAY)).total.calls == MAX_CALLS + 3


async def test_a_record_of_a_version_with_more_fields_is_read_and_one_of_a_newer_schema_refused(
    redis: Redis, store: RecordStore, ledger: RedisLedger
) -> None:
    await committed(store)
    _, payload = msgpack.unpackb(pack(a_call()))
    await redis.xadd(CALLS, {"call": msgpack.packb([SCHEMA, {**payload, "region": "eu"}])}, id="1-0")
    assert await ledger.calls("acme", "s1") == (a_call(),)
    await redis.xadd(CALLS, {"call": msgpack.packb([SCHEMA + 1, payload])}, id="2-0")
    with pytest.raises(RecordUnreadable):
        await ledger.calls("acme", "s1")


async def test_an_erased_session_leaves_nothing_and_a_call_that_ends_later_neither(
    redis: Redis, shard: Shard, ledger: RedisLedger
) -> None:
    actor = shard.actor()
    opening = OpenSession(
        session_id="s1",
        caller=caller("open"),
        user="ada",
        cv=Document(text="Ada"),
        job=Document(text="Kubernetes"),
        gaps=None,
        max_questions=1,
    )
    await actor.create(opening)
    await ledger.record(a_call(at_ms=LAST_MS))
    assert CALLS in await every_key(redis)
    await actor.erase("acme", "s1")
    await ledger.record(a_call(at_ms=LAST_MS))
    indices = {"askwell:{sweep}:sessions", "askwell:{metrics}:erased"}
    left = {"askwell:spent:acme:2026-11-22", "askwell:{session:s1}:receipt", *indices}
    assert await every_key(redis) == left
    held = await redis.hgetall("askwell:spent:acme:2026-11-22")
    assert not any(b"s1" in text for pair in held.items() for text in pair)
    with pytest.raises(NotFound):
        await ledger.calls("acme", "s1")


async def test_a_day_s_totals_are_the_exact_sum_of_its_calls_by_what_was_called(ledger: RedisLedger) -> None:
    cheap = a_call(usage=Usage(input_tokens=3_333, cached_tokens=1_111, output_tokens=7, thinking_tokens=1))
    recorded = [a_call(), a_call(), a_failed_call(), a_given_up_call(operation="find_gaps", prompt="find_gaps/1")]
    recorded += [cheap, a_call(provider="unlisted"), a_call(usage=Usage(input_tokens=9, cache_write_tokens=4))]
    recorded = [replace(call, at_ms=LAST_MS) for call in recorded]
    await asyncio.gather(*map(ledger.record, recorded))
    totals = await ledger.day("acme", DAY)
    assert totals.total == sum(map(tally, recorded), Tally())
    assert [(row.provider, row.operation, row.prompt, row.tally.calls) for row in totals.rows] == [
        ("openai", "find_gaps", "find_gaps/1", 1),
        ("openai", "write_answer", "write_answer/3", 5),
        ("unlisted", "write_answer", "write_answer/3", 1),
    ]


async def test_a_thousand_calls_of_a_fraction_of_a_micro_dollar_are_not_rounded_away(ledger: RedisLedger) -> None:
    calls = [a_call(at_ms=LAST_MS, session_id="", cost_usd=0.000_000_000_3) for _ in range(1000)]
    await asyncio.gather(*map(ledger.record, calls))
    assert (await ledger.day("acme", DAY)).total.cost_usd == Decimal("0.0000003")


async def test_a_day_begins_at_midnight_utc(ledger: RedisLedger) -> None:
    await ledger.record(a_call(at_ms=LAST_MS))
    await ledger.record(a_call(at_ms=LAST_MS + 1))
    await ledger.record(a_call(at_ms=LAST_MS + 2))
    assert [(await ledger.day("acme", day)).total.calls for day in (DAY, NEXT_DAY)] == [1, 2]
    assert (await ledger.day("acme", date(2026, 11, 24))).rows == ()


async def test_any_name_of_a_tenant_or_a_model_is_kept_apart_from_every_other(
    redis: Redis, ledger: RedisLedger
) -> None:
    names = ["a", "a:2026-11-22", "a:b", "{a}", "*", "a b", "ü\n", 'x"]calls', "", "%3A", ":"]
    for n, name in enumerate(names, 1):
        for _ in range(n):
            await ledger.record(a_call(at_ms=LAST_MS, session_id="", tenant=name, model=name))
    for n, name in enumerate(names, 1):
        (row,) = (await ledger.day(name, DAY)).rows
        assert (row.model, row.tally.calls) == (name, n)
    assert len(await every_key(redis)) == len(names)


async def test_totals_are_kept_for_35_days_and_take_no_endless_rows(redis: Redis, ledger: RedisLedger) -> None:
    key = "askwell:spent:acme:2026-11-22"
    await ledger.record(a_call(at_ms=LAST_MS))
    assert 0 < await redis.ttl(key) <= TOTALS_TTL_S == 35 * 86_400
    await redis.hset(key, mapping={f'["openai","m{n}","o","p/1"]calls': 1 for n in range(MAX_FIELDS)})
    await ledger.record(a_call(at_ms=LAST_MS))
    await ledger.record(a_call(at_ms=LAST_MS, model="yet-another"))
    await ledger.record(a_call(at_ms=LAST_MS, model="and-another"))
    calls = {row.model: row.tally.calls for row in (await ledger.day("acme", DAY)).rows}
    assert (calls["gpt-5-mini"], calls["other"]) == (2, 2)
    assert "yet-another" not in calls
    assert OTHER.encode() + b"calls" in await redis.hkeys(key)


async def test_a_hundred_reservations_at_once_never_pass_the_limit(ledger: RedisLedger) -> None:
    sizes = [1 + n * 37 % 100 for n in range(100)]
    granted = await asyncio.gather(
        *(ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=size, limit=2_000) for size in sizes)
    )
    counted = sum(size for size, yes in zip(sizes, granted, strict=True) if yes)
    assert await ledger.reserved("acme", LAST_MS) == counted
    assert 2_000 - max(sizes) < counted <= 2_000


async def test_a_reservation_may_reach_the_limit_and_one_that_passes_it_counts_nothing(ledger: RedisLedger) -> None:
    async def reserve(tokens: int, tenant: str = "acme", now_ms: int = LAST_MS) -> bool:
        return await ledger.reserve(tenant=tenant, now_ms=now_ms, tokens=tokens, limit=100)

    assert await reserve(60)
    assert not await reserve(41)
    assert await ledger.reserved("acme", LAST_MS) == 60
    assert await reserve(40)
    assert not await reserve(1)
    assert await reserve(100, tenant="globex")
    assert await reserve(100, now_ms=LAST_MS + 1)


async def test_what_was_used_takes_the_place_of_what_was_reserved_even_after_midnight(ledger: RedisLedger) -> None:
    async def settled(reserved: int, used: int) -> int:
        await ledger.settle(tenant="acme", now_ms=LAST_MS, reserved=reserved, used=used)
        return await ledger.reserved("acme", LAST_MS)

    await ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=100, limit=1_000)
    await ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=50, limit=1_000)
    assert await settled(100, 30) == 80
    assert await settled(50, 70) == 100
    assert await settled(500, 0) == 0
    assert await ledger.reserved("acme", LAST_MS + 1) == 0


async def test_a_reservation_that_is_never_settled_stays_counted_until_its_day_is_past(
    redis: Redis, ledger: RedisLedger
) -> None:
    await ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=100, limit=100)
    assert not await ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=1, limit=100)
    assert 86_400 < await redis.ttl("askwell:reserved:acme:2026-11-22") <= 3 * 86_400
    await ledger.settle(tenant="globex", now_ms=LAST_MS, reserved=5, used=0)
    assert await ledger.reserved("globex", LAST_MS) == 0
    assert await redis.ttl("askwell:reserved:globex:2026-11-22") > 0


async def test_a_server_that_forgot_its_scripts_is_told_them_again(
    redis: Redis, store: RecordStore, ledger: RedisLedger
) -> None:
    await committed(store)
    await ledger.record(a_call())
    await redis.script_flush()
    await ledger.record(a_call())
    await redis.script_flush()
    assert await ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=1, limit=1)
    assert len(await ledger.calls("acme", "s1")) == 2


def test_a_session_s_record_and_its_calls_share_a_hash_slot() -> None:
    assert key_slot(RECORD.encode()) == key_slot(CALLS.encode())


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.record(a_call()),
        lambda ledger: ledger.calls("acme", "s1"),
        lambda ledger: ledger.dropped("acme", "s1"),
        lambda ledger: ledger.day("acme", DAY),
        lambda ledger: ledger.reserve(tenant="acme", now_ms=LAST_MS, tokens=1, limit=1),
        lambda ledger: ledger.settle(tenant="acme", now_ms=LAST_MS, reserved=1, used=1),
        lambda ledger: ledger.reserved("acme", LAST_MS),
    ],
)
async def test_a_redis_that_does_not_answer_is_a_store_that_is_unavailable(
    ask: Callable[[RedisLedger], Coroutine[Any, Any, object]],
) -> None:
    redis = connect(f"redis://127.0.0.1:{free_port()}/0", timeout_s=0.5)
    with pytest.raises(StoreUnavailable):
        await ask(RedisLedger(redis))
    await redis.aclose()


@pytest.fixture
def settings(valkey: Valkey, tmp_path: Path) -> Iterator[Settings]:
    yield Settings(redis_url=SecretStr(valkey.url), data_dir=tmp_path)

    async def emptied() -> None:
        redis = connect(valkey.url)
        await redis.flushall()
        await redis.aclose()

    asyncio.run(emptied())


def recorded(settings: Settings, *calls: CallRecord, session: bool = True) -> None:
    """Session s1 of acme, with these calls."""
    assert settings.redis_url is not None
    url = settings.redis_url.get_secret_value()

    async def record() -> None:
        redis = connect(url)
        if session:
            opening = Commit(record_id="s1", tenant="acme", epoch=1, version=0, state=b"", ttl_ms=60_000)
            await RecordStore(RedisBackend(redis), kind="session").commit(opening)
        for call in calls:
            await RedisLedger(redis).record(call)
        await redis.aclose()

    asyncio.run(record())


def told(settings: Settings, *, width: int = 160, **asked: Any) -> str:
    """What the command prints on a terminal of this width."""
    out = io.StringIO()
    wanted = {"session_id": None, "day": None, "tenant": "acme", "as_json": False, **asked}
    run(Console(file=out, width=width), settings, **wanted)
    return out.getvalue()


def test_a_session_s_costs_are_shown_by_operation_and_model_and_compared(settings: Settings) -> None:
    dear = a_call(provider="unlisted", model="private-1")
    recorded(settings, a_call(), a_call(prompt="write_answer/3+repair/1"), a_failed_call(), a_given_up_call(), dear)
    shown = told(settings, session_id="s1")
    for text in ("write_answer", "openai:gpt-5-mini", "unlisted:private-1", "not known", "$0.002650", "75.0%"):
        assert text in shown
    assert "the same calls uncached" in shown
    assert "costs more" in shown
    assert "To models without a known price: 1 calls" in shown
    assert "Without a usage block: 2 calls" in shown


def test_a_narrow_terminal_cuts_no_figure_short(settings: Settings) -> None:
    recorded(settings, a_call(model="gpt-5-mini-2025-08-07"))
    shown = told(settings, session_id="s1", width=60)
    assert shown.count("$0.001325") == 6


def test_as_json_the_same_figures_are_numbers(settings: Settings) -> None:
    recorded(settings, a_call())
    shown = json.loads(told(settings, session_id="s1", as_json=True))
    cost = PRICES.price("openai", "gpt-5-mini", a_call().usage or pytest.fail("a call has usage"))
    assert (shown["session_id"], shown["tenant"], shown["dropped"]) == ("s1", "acme", 0)
    assert shown["total"]["cost_usd"] == shown["uncached"]["ours_usd"] == cost
    assert shown["by_model"]["openai:gpt-5-mini"]["cached_tokens"] == 3_000
    assert shown["predecessor"]["saved_share"] < 0 < shown["uncached"]["saved_share"]


def test_an_override_is_what_the_comparison_uses(settings: Settings, tmp_path: Path) -> None:
    recorded(settings, a_call())
    prices = tmp_path / "prices.json"
    prices.write_text('{"openai:": {"input_per_million": 1000, "output_per_million": 0}}')
    overriding = settings.model_copy(update={"prices": prices})
    assert "today's prices for the same calls make it $4.000000" in told(overriding, session_id="s1")


def test_a_session_without_calls_says_that_nothing_was_spent(settings: Settings) -> None:
    recorded(settings)
    assert "Nothing was spent" in told(settings, session_id="s1")
    assert json.loads(told(settings, session_id="s1", as_json=True))["total"]["calls"] == 0


def test_a_session_is_found_among_the_configured_tenants_and_nowhere_else(settings: Settings) -> None:
    recorded(settings, a_call())
    keys = {"globex": SecretStr("g" * 16), "acme": SecretStr("a" * 16)}
    both = settings.model_copy(update={"api_keys": keys})
    assert "write_answer" in told(both, session_id="s1", tenant=None)
    with pytest.raises(NotFound, match="no session s1 of globex"):
        told(both, session_id="s1", tenant="globex")
    with pytest.raises(NotFound, match="no session s1 of local"):
        told(settings, session_id="s1", tenant=None)


def test_a_day_s_costs_are_shown_for_each_tenant(settings: Settings) -> None:
    recorded(settings, a_call(), a_call(tenant="globex", session_id="", operation="find_gaps"))
    keys = {name: SecretStr(name * 16) for name in ("acme", "globex", "idle")}
    everyone = settings.model_copy(update={"api_keys": keys})
    shown = told(everyone, day=CALLED_ON, tenant=None)
    for text in (
        f"acme, {CALLED_ON} (UTC)",
        "write_answer/3",
        f"globex, {CALLED_ON} (UTC)",
        "find_gaps",
        "idle",
        "Nothing was spent",
    ):
        assert text in shown
    tenants = json.loads(told(everyone, day=CALLED_ON, tenant=None, as_json=True))["tenants"]
    assert [tenants[name]["total"]["calls"] for name in keys] == [1, 1, 0]
    assert tenants["acme"]["rows"][0]["prompt"] == "write_answer/3"


@pytest.mark.parametrize("asked", [{}, {"session_id": "s1", "day": CALLED_ON}])
def test_it_wants_either_a_session_or_a_day(settings: Settings, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidField, match="a session, or a day"):
        told(settings, **asked)


def test_a_day_that_is_none_is_refused(settings: Settings) -> None:
    with pytest.raises(InvalidField, match="2026-11-22"):
        told(settings, day="yesterday")


def test_the_embedded_valkey_is_found_by_the_data_directory_while_it_runs(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(InvalidField, match="askwell up"):
        redis_url(settings)
    valkey = Valkey(tmp_path / "valkey")
    valkey.start()
    try:
        assert redis_url(settings) == valkey.url
        pid = (tmp_path / "valkey" / "valkey.pid").read_text()
    finally:
        valkey.stop()
    (tmp_path / "valkey" / "valkey.pid").write_text("1" if pid != "1" else "2")
    with pytest.raises(InvalidField, match="askwell up"):
        redis_url(settings)
