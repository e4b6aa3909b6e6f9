"""Somebody is told once when something is wrong, once when it gets worse, and once when it is right again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from state.alerts.book import (
    ALL,
    MAX_UNDELIVERED,
    Alert,
    AlertBook,
    Change,
    Message,
    News,
    Silence,
    acknowledged,
    delivered,
    due_to,
    not_delivered,
    pack_book,
    settled,
    silenced,
    unpack_book,
    unsilenced,
)
from state.alerts.evaluation import evaluated
from state.alerts.readings import Reading
from state.alerts.rules import Rules, Severity, rules_from
from state.errors import NotFound, RecordUnreadable

MINUTE = 60_000
NOON = 1_795_003_200_000
RULES: Rules = {name: rule for name, rule in rules_from(None).items() if name in ("latency", "errors", "redis")}
GOOD = {"latency": 1.0, "errors": 0.0, "redis": 0.0}


class Watch:
    """A book that is evaluated a few times, at a clock that a test moves."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.book = AlertBook()
        self.rules = rules
        self.now_ms = NOON
        self.told: list[Message] = []

    def look(self, minutes: float = 0, samples: int = 100, **values: float) -> list[tuple[str, News, Severity]]:
        """After so many minutes, with good readings but for `values`; what was told."""
        self.now_ms += round(minutes * MINUTE)
        read = {name: Reading(value={**GOOD, **values}[name], samples=samples) for name in self.rules}
        self.book, message = evaluated(self.book, self.rules, read, self.now_ms)
        if message is None:
            return []
        self.told.append(message)
        return [(change.rule, change.news, change.severity) for change in message.changes]


W, C = Severity.WARNING, Severity.CRITICAL
SLOW, SLOWER = 4.0, 6.0


def test_what_is_well_is_not_told() -> None:
    assert Watch().look() == []


def test_an_alert_is_told_once_and_once_when_it_is_over() -> None:
    watch = Watch()
    assert watch.look(latency=SLOW) == [("latency", News.FIRING, W)]
    assert [watch.look(1, latency=SLOW) for _ in range(60)] == [[]] * 60
    assert watch.look(1) == [("latency", News.RESOLVED, W)]
    assert watch.look(1) == []


def test_a_message_says_since_when_the_value_and_the_limit() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.look(7, latency=SLOWER)
    assert watch.told[-1].changes == (
        Change(rule="latency", news=News.ESCALATED, severity=C, began_ms=NOON, value=SLOWER, limit=5.0),
    )
    watch.look(1)
    assert watch.told[-1].changes == (
        Change(rule="latency", news=News.RESOLVED, severity=C, began_ms=NOON, value=1.0, limit=None),
    )


def test_critical_replaces_the_warning_and_gives_way_to_it_again() -> None:
    watch = Watch()
    assert watch.look(latency=SLOW) == [("latency", News.FIRING, W)]
    assert watch.look(1, latency=SLOWER) == [("latency", News.ESCALATED, C)]
    assert watch.look(1, latency=SLOW) == [("latency", News.DE_ESCALATED, W)]
    assert watch.look(1) == [("latency", News.RESOLVED, W)]


def test_what_is_critical_at_once_is_told_once() -> None:
    watch = Watch()
    assert watch.look(latency=SLOWER) == [("latency", News.FIRING, C)]
    assert watch.look(1) == [("latency", News.RESOLVED, C)]


def test_what_comes_back_within_its_cooldown_is_told_when_that_is_over() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.look(1)
    assert watch.look(1, latency=SLOW) == []
    assert watch.look(12.9, latency=SLOW) == []
    assert watch.look(0.1, latency=SLOW) == [("latency", News.FIRING, W)]
    assert watch.told[-1].changes[0].began_ms == NOON + 2 * MINUTE


def test_what_comes_and_goes_within_its_cooldown_is_not_told_at_all() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.look(1)
    assert watch.look(1, latency=SLOW) == []
    assert watch.look(1) == []
    assert watch.look(20) == []


def test_a_warnings_cooldown_does_not_hold_back_what_is_critical() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.look(1)
    assert watch.look(1, latency=SLOWER) == [("latency", News.FIRING, C)]


def test_what_starts_together_is_one_message_with_the_worst_first() -> None:
    watch = Watch()
    assert watch.look(latency=SLOW, errors=0.5, redis=1.0) == [
        ("errors", News.FIRING, C),
        ("redis", News.FIRING, C),
        ("latency", News.FIRING, W),
    ]
    assert len(watch.told) == 1


def test_an_incident_lasts_until_all_of_it_is_over() -> None:
    watch = Watch()
    watch.look(redis=1.0)
    watch.look(1, redis=1.0, errors=0.5)
    watch.look(1, errors=0.5)
    watch.look(1)
    watch.look(30, latency=SLOW)
    assert [message.incident for message in watch.told] == [1, 1, 1, 1, 2]
    assert [message.number for message in watch.told] == [1, 2, 3, 4, 5]


def test_too_few_samples_neither_fire_nor_resolve() -> None:
    watch = Watch()
    assert watch.look(latency=SLOW, samples=1) == []
    watch.look(1, latency=SLOW)
    assert watch.look(1, samples=1) == []
    assert watch.book.alerts["latency"].severity is W
    assert watch.book.alerts["latency"].unknown_since_ms == NOON + 2 * MINUTE
    assert watch.look(1, samples=1) == []
    assert watch.book.alerts["latency"].unknown_since_ms == NOON + 2 * MINUTE
    assert watch.look(1) == [("latency", News.RESOLVED, W)]
    assert watch.book.alerts["latency"].unknown_since_ms is None


def test_a_reading_without_a_value_changes_nothing() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    nothing = dict.fromkeys(RULES, Reading(value=None, samples=1_000))
    book, message = evaluated(watch.book, RULES, nothing, NOON + MINUTE)
    assert message is None
    assert book.alerts["latency"].severity is W


def a_silence(watch: Watch, minutes: float, rule: str = "latency") -> Silence:
    return Silence(id="x", rule=rule, ends_ms=watch.now_ms + round(minutes * MINUTE), by="ada")


@pytest.mark.parametrize("covered", ["latency", ALL])
def test_a_silence_holds_back_until_it_ends(covered: str) -> None:
    watch = Watch()
    watch.book = silenced(watch.book, a_silence(watch, 10, covered))
    assert watch.look(latency=SLOW) == []
    assert watch.look(9.9, latency=SLOW) == []
    assert watch.look(0.1, latency=SLOW) == [("latency", News.FIRING, W)]
    assert watch.book.silences == ()


def test_what_came_and_went_under_a_silence_is_not_told() -> None:
    watch = Watch()
    watch.book = silenced(watch.book, a_silence(watch, 10))
    assert [watch.look(1, latency=SLOW), watch.look(1), watch.look(10)] == [[], [], []]


def test_what_was_told_before_a_silence_is_told_to_be_over_after_it() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.book = silenced(watch.book, a_silence(watch, 10))
    assert watch.look(1) == []
    assert watch.look(10) == [("latency", News.RESOLVED, W)]


def test_a_silence_covers_its_rule_alone_and_can_be_changed_and_taken_back() -> None:
    watch = Watch()
    watch.book = silenced(watch.book, a_silence(watch, 10, "errors"))
    assert watch.look(latency=SLOW, errors=0.5) == [("latency", News.FIRING, W)]
    watch.book = silenced(watch.book, a_silence(watch, 90, "errors"))
    assert len(watch.book.silences) == 1
    watch.book = unsilenced(watch.book, "x")
    assert watch.look(1, latency=SLOW, errors=0.5) == [("errors", News.FIRING, C)]
    with pytest.raises(NotFound):
        unsilenced(watch.book, "x")


def test_an_acknowledgement_lasts_until_the_alert_gets_worse_or_is_over() -> None:
    watch = Watch()
    with pytest.raises(NotFound):
        acknowledged(watch.book, "latency", by="ada", now_ms=NOON)
    watch.look(latency=SLOW)
    watch.book = acknowledged(watch.book, "latency", by="ada", now_ms=NOON + 5)
    watch.look(1, latency=SLOW)
    assert (watch.book.alerts["latency"].acknowledged_by, watch.book.alerts["latency"].acknowledged_ms) == (
        "ada",
        NOON + 5,
    )
    watch.look(1, latency=SLOWER)
    assert watch.book.alerts["latency"].acknowledged_by == ""
    watch.book = acknowledged(watch.book, "latency", by="bo", now_ms=NOON + 9)
    watch.look(1, latency=SLOW)
    assert watch.book.alerts["latency"].acknowledged_by == "bo"
    watch.look(1)
    assert watch.book.alerts["latency"].acknowledged_by == ""
    with pytest.raises(NotFound):
        acknowledged(watch.book, "latency", by="ada", now_ms=NOON)


def test_a_rule_that_was_taken_out_is_told_to_be_over() -> None:
    watch = Watch()
    watch.look(latency=SLOW, errors=0.5)
    watch.rules = {name: rule for name, rule in RULES.items() if name != "latency"}
    assert watch.look(1, errors=0.5) == [("latency", News.RESOLVED, W)]
    assert watch.told[-1].changes[0].value is None
    assert watch.look(1, errors=0.5) == []


def test_a_limit_that_was_taken_out_is_judged_by_the_next_reading() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.look(1)
    watch.look(1, latency=SLOW)
    watch.rules = {**RULES, "latency": replace(RULES["latency"], warning=None)}
    assert watch.look(60, latency=SLOW, samples=0) == []
    assert watch.look(1, latency=SLOW) == []
    assert watch.book.alerts["latency"].severity is None


def test_messages_are_kept_until_every_channel_has_them_in_their_order() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.look(1)
    names = ["mail", "hook"]
    assert [message.number for message in due_to(watch.book, "mail")] == [1, 2]
    book = settled(delivered(watch.book, "mail", 1), names)
    assert [[message.number for message in due_to(book, name)] for name in names] == [[2], [1, 2]]
    assert len(book.undelivered) == 2
    book = settled(delivered(delivered(book, "hook", 1), "hook", 2), names)
    assert [message.number for message in book.undelivered] == [2]
    assert delivered(book, "hook", 1) is book
    book = settled(delivered(book, "mail", 2), names)
    assert (book.undelivered, settled(book, names)) == ((), book)
    assert unpack_book(pack_book(book)) == book


def test_a_channel_s_failure_is_in_the_book_until_it_takes_something() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    for at_ms in (NOON, NOON + MINUTE):
        watch.book = not_delivered(watch.book, "mail", "refused", at_ms)
    failing = watch.book.channels["mail"]
    assert (failing.failures, failing.failing_since_ms, failing.error) == (2, NOON, "refused")
    assert len(due_to(watch.book, "mail")) == 1
    well = delivered(watch.book, "mail", 1).channels["mail"]
    assert (well.failures, well.sent, well.failing_since_ms, well.error) == (2, 1, None, "")


def test_a_channel_that_is_new_is_told_of_nothing_that_is_over_for_all_others() -> None:
    watch = Watch()
    watch.look(latency=SLOW)
    watch.book = settled(delivered(watch.book, "mail", 1), ["mail"])
    assert due_to(watch.book, "hook") == ()
    watch.look(1)
    assert [message.number for message in due_to(settled(watch.book, ["mail", "hook"]), "hook")] == [2]
    assert set(settled(watch.book, ["hook"]).channels) == {"hook"}


def test_undelivered_messages_are_bounded_and_those_dropped_are_counted() -> None:
    watch = Watch()
    for _ in range(MAX_UNDELIVERED // 2 + 2):
        watch.look(20, latency=SLOW)
        watch.look(1)
    assert len(watch.book.undelivered) == MAX_UNDELIVERED
    assert watch.book.dropped == 4
    assert watch.book.undelivered[-1] == watch.told[-1]


def test_a_restart_neither_repeats_nor_forgets() -> None:
    watch = Watch()
    watch.look(latency=SLOW, errors=0.5)
    watch.book = silenced(watch.book, a_silence(watch, 60, "redis"))
    watch.book = acknowledged(watch.book, "errors", by="ada", now_ms=watch.now_ms)
    restarted = unpack_book(pack_book(watch.book))
    assert restarted == watch.book
    watch.book = restarted
    assert watch.look(1, latency=SLOW, errors=0.5, redis=1.0) == []
    assert watch.look(1, redis=1.0) == [("errors", News.RESOLVED, C), ("latency", News.RESOLVED, W)]


@pytest.mark.parametrize("record", [b"", b"garbage", pack_book(AlertBook())[:-1]])
def test_a_book_that_is_none_is_refused(record: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        unpack_book(record)


class Alerting(RuleBasedStateMachine):
    """Any readings, restarts, silences and acknowledgements: what was told must always make sense."""

    names = st.sampled_from(sorted(RULES))

    @initialize()
    def begin(self) -> None:
        self.now_ms = NOON
        self.book = AlertBook()
        self.standing: dict[str, Severity] = {}
        self.fired_ms: dict[tuple[str, Severity], int] = {}

    @rule(
        seconds=st.integers(15, 1_200),
        values=st.fixed_dictionaries(
            {
                "latency": st.sampled_from([None, 1.0, 4.0, 6.0]),
                "errors": st.sampled_from([None, 0.0, 0.07, 0.5]),
                "redis": st.sampled_from([None, 0.0, 1.0]),
            }
        ),
        samples=st.sampled_from([0, 100]),
    )
    def evaluate(self, seconds: int, values: Mapping[str, float | None], samples: int) -> None:
        self.now_ms += seconds * 1000
        read = {name: Reading(value=value, samples=samples) for name, value in values.items()}
        self.book, message = evaluated(self.book, RULES, read, self.now_ms)
        for change in message.changes if message else ():
            self.check(change)

    def check(self, change: Change) -> None:
        before = self.standing.get(change.rule)
        match change.news:
            case News.FIRING:
                assert before is None
            case News.ESCALATED:
                assert (before, change.severity) == (W, C)
            case News.DE_ESCALATED:
                assert (before, change.severity) == (C, W)
            case News.RESOLVED:
                assert before is change.severity
                del self.standing[change.rule]
                return
        self.standing[change.rule] = change.severity
        limit = RULES[change.rule].limit_of(change.severity)
        assert limit is not None
        if change.news is not News.DE_ESCALATED:
            last_ms = self.fired_ms.get((change.rule, change.severity))
            assert last_ms is None or self.now_ms >= last_ms + limit.cooldown_minutes * MINUTE
        self.fired_ms[change.rule, change.severity] = self.now_ms

    @rule()
    def restart(self) -> None:
        self.book = unpack_book(pack_book(self.book))

    @rule(name=names | st.just(ALL), minutes=st.integers(1, 30))
    def silence(self, name: str, minutes: int) -> None:
        ends_ms = self.now_ms + minutes * MINUTE
        self.book = silenced(self.book, Silence(id=name, rule=name, ends_ms=ends_ms, by="ada"))

    @rule(name=names)
    def acknowledge(self, name: str) -> None:
        if self.book.alerts.get(name, Alert()).severity is not None:
            self.book = acknowledged(self.book, name, by="ada", now_ms=self.now_ms)

    @rule()
    def recover(self) -> None:
        """With good readings, once silences have ended, everything that was told is told to be over."""
        ends_ms = max([self.now_ms, *(silence.ends_ms for silence in self.book.silences)])
        self.evaluate((ends_ms - self.now_ms) // 1000 + 15, GOOD, 100)
        assert self.standing == {}
        assert all(alert.severity is None for alert in self.book.alerts.values())

    @invariant()
    def the_book_knows_what_was_told(self) -> None:
        told = {name: alert.told for name, alert in self.book.alerts.items() if alert.told}
        assert told == self.standing


TestAlerting = Alerting.TestCase
TestAlerting.settings = settings(max_examples=40, stateful_step_count=25)
