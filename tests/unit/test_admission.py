"""As much is let in as can be finished, no tenant lives at another's cost, and the limit finds its way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.http.admission import FEWEST, LATEST_S, SLOW_S, SOONEST_S, START, Admission
from state.errors import Overloaded, TenantOverloaded


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def entered(admission: Admission, tenant: str, most: int) -> int:
    """How many of `most` requests of the tenant are let in."""
    for number in range(most):
        try:
            admission.enter(tenant)
        except Overloaded:
            return number
    return most


def test_one_tenant_may_have_all_there_is_and_no_more(clock: Clock) -> None:
    admission = Admission(most=10, clock=clock)
    assert entered(admission, "acme", 20) == 10
    with pytest.raises(Overloaded) as refusal:
        admission.enter("acme")
    assert type(refusal.value) is Overloaded
    admission.leave("acme")
    admission.enter("acme")


def test_a_flood_of_one_tenant_leaves_room_for_another(clock: Clock) -> None:
    admission = Admission(most=100, start=100, clock=clock)
    admission.enter("quiet")
    assert entered(admission, "loud", 1000) == 74
    with pytest.raises(TenantOverloaded):
        admission.enter("loud")
    assert entered(admission, "quiet", 1000) == 25


def test_tenants_who_all_want_more_get_equal_shares(clock: Clock) -> None:
    admission = Admission(most=90, start=90, clock=clock)
    got = dict.fromkeys("abc", 0)
    for _ in range(100):
        for tenant in got:
            got[tenant] += entered(admission, tenant, 1)
    assert got == {"a": 30, "b": 30, "c": 30}


def test_while_the_service_is_slow_the_limit_shrinks_and_then_grows_again(clock: Clock) -> None:
    admission = Admission(most=100, start=100, clock=clock)
    entered(admission, "acme", 100)
    for _ in range(40):
        clock.now += 1
        admission.measured(SLOW_S)
        for _ in range(admission.in_flight - int(admission.limit)):
            admission.leave("acme")
    assert admission.limit == FEWEST
    for _ in range(40):
        entered(admission, "acme", 100)
        admission.measured(SLOW_S / 10)
    assert admission.limit == 100


def test_a_hiccup_with_little_in_flight_takes_no_room_from_what_comes_next(clock: Clock) -> None:
    admission = Admission(most=100, clock=clock)
    entered(admission, "acme", FEWEST)
    for _ in range(10):
        clock.now += 1
        admission.measured(10 * SLOW_S)
    assert entered(admission, "acme", 1000) == START - FEWEST


def test_it_does_not_shrink_again_before_the_last_time_can_be_felt(clock: Clock) -> None:
    admission = Admission(most=100, start=100, clock=clock)
    entered(admission, "acme", 100)
    for _ in range(10):
        admission.measured(SLOW_S)
    assert admission.limit == 80


def test_a_provider_that_throttles_is_a_reason_to_let_fewer_in(clock: Clock) -> None:
    admission = Admission(most=100, start=100, clock=clock)
    entered(admission, "acme", 50)
    admission.throttled()
    assert admission.limit == 40


def test_a_limit_that_nobody_reaches_stays(clock: Clock) -> None:
    admission = Admission(most=100, start=100, clock=clock)
    entered(admission, "acme", 50)
    admission.throttled()
    for _ in range(30):
        admission.leave("acme")
    admission.measured(0.0)
    assert admission.limit == 40


def test_the_smallest_service_still_lets_one_in(clock: Clock) -> None:
    admission = Admission(most=1, clock=clock)
    admission.enter("acme")
    admission.measured(SLOW_S)
    admission.leave("acme")
    admission.enter("acme")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 1)), max_size=200))
def test_whatever_comes_the_books_are_right(moves: list[tuple[str, bool, float]]) -> None:
    clock = Clock()
    admission = Admission(most=20, clock=clock)
    inside: list[str] = []
    for tenant, enters, delay_s in moves:
        clock.now += delay_s
        admission.measured(delay_s)
        if enters:
            inside += [tenant] * entered(admission, tenant, 1)
        elif tenant in inside:
            inside.remove(tenant)
            admission.leave(tenant)
        assert admission.in_flight == len(inside) <= 20
        assert 1 <= admission.limit <= 20


def test_it_starts_low_and_grows_while_all_is_quick(clock: Clock) -> None:
    admission = Admission(most=500, clock=clock)
    assert entered(admission, "acme", 1000) == START
    for _ in range(40):
        admission.measured(SLOW_S / 10)
        entered(admission, "acme", 1000)
    assert admission.limit == 500


def test_whoever_is_refused_comes_back_when_there_is_room(clock: Clock) -> None:
    """Three times as many as are let in want to be: their time comes on average after three rounds."""
    admission = Admission(most=10, clock=clock)
    told = []
    for _ in range(100):
        entered(admission, "acme", 10)
        for _ in range(30):
            with pytest.raises(Overloaded) as refusal:
                admission.enter("acme")
            told.append(refusal.value.retry_after_s)
        for _ in range(10):
            admission.leave("acme")
        admission.measured(SLOW_S / 10)
    assert told[0] == SOONEST_S
    assert all(SOONEST_S <= later_s <= LATEST_S for later_s in told)
    assert told[-1] > 2 * SOONEST_S
