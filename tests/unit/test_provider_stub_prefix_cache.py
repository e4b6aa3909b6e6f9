"""The stub's prefix cache: minimums, steps, scopes, idle lives, concurrent first calls, and its bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from loadtests.provider_stub.prefix_cache import STEP_TOKENS, PrefixCache, PrefixUse
from loadtests.provider_stub.tokens import bytes_of, most_bytes_of, tokens_of

LONGEST_READY_S = 2.0
MINIMUM = 1024
IDLE_S = 300.0


@dataclass
class Clock:
    s: float = 1000.0

    def __call__(self) -> float:
        return self.s


@dataclass
class Calls:
    """A cache on a clock that only the test moves, asked as one provider asks it."""

    clock: Clock = field(default_factory=Clock)
    max_entries: int = 100_000

    def __post_init__(self) -> None:
        self.cache = PrefixCache(clock_s=self.clock, max_entries=self.max_entries)

    def call(
        self, prompt: bytes, *, scope: str = "gpt-5-mini\nkey", ready_in_s: float = 0.0, honoured: bool = True
    ) -> PrefixUse:
        return self.cache.use(
            scope, prompt, minimum_tokens=MINIMUM, idle_s=IDLE_S, ready_in_s=ready_in_s, honoured=honoured
        )


def text_of(tokens: int, letter: bytes = b"a") -> bytes:
    return letter * bytes_of(tokens)


def shared(one: bytes, other: bytes) -> int:
    """Length of the common beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def test_a_prompt_below_the_minimum_is_never_cached() -> None:
    calls = Calls()
    prompt = text_of(MINIMUM)[:-1]
    assert [calls.call(prompt).cached_tokens for _ in range(3)] == [0, 0, 0]
    assert not calls.call(prompt).eligible


def test_a_prompt_of_exactly_the_minimum_is_cached_whole_the_second_time() -> None:
    calls = Calls()
    first, second = calls.call(text_of(MINIMUM)), calls.call(text_of(MINIMUM))
    assert (first.cached_tokens, first.written_tokens) == (0, MINIMUM)
    assert (second.cached_tokens, second.written_tokens) == (MINIMUM, 0)


def test_cached_tokens_come_in_steps_of_128() -> None:
    calls = Calls()
    calls.call(text_of(1300))
    assert calls.call(text_of(1300)).cached_tokens == 1280


def test_only_the_common_beginning_is_cached() -> None:
    calls = Calls()
    shared = text_of(1500)
    calls.call(shared + text_of(600, b"x"))
    found = calls.call(shared + text_of(600, b"y"))
    assert found.cached_tokens == 1500 // STEP_TOKENS * STEP_TOKENS


def test_a_difference_in_the_first_words_leaves_nothing_cached() -> None:
    calls = Calls()
    calls.call(text_of(4000))
    assert calls.call(b"b" + text_of(4000)).cached_tokens == 0


def test_another_scope_is_another_machine() -> None:
    calls = Calls()
    calls.call(text_of(2000), scope="gpt-5-mini\none")
    assert calls.call(text_of(2000), scope="gpt-5-mini\ntwo").cached_tokens == 0
    assert calls.call(text_of(2000), scope="gpt-5-mini\none").cached_tokens > 0


def test_concurrent_first_calls_all_miss() -> None:
    calls = Calls()
    assert [calls.call(text_of(2000), ready_in_s=0.5).cached_tokens for _ in range(3)] == [0, 0, 0]
    calls.clock.s += 0.5
    assert calls.call(text_of(2000), ready_in_s=0.5).cached_tokens == 1920


def test_a_later_call_does_not_put_off_what_an_earlier_one_has_nearly_read() -> None:
    calls = Calls()
    calls.call(text_of(2000), ready_in_s=1.0)
    calls.clock.s += 0.9
    calls.call(text_of(2000), ready_in_s=1.0)
    calls.clock.s += 0.1
    assert calls.call(text_of(2000)).cached_tokens == 1920


def test_an_idle_prefix_expires() -> None:
    calls = Calls()
    calls.call(text_of(2000))
    calls.clock.s += IDLE_S
    assert calls.call(text_of(2000)).cached_tokens == 0


def test_use_renews_a_prefix() -> None:
    calls = Calls()
    calls.call(text_of(2000))
    for _ in range(5):
        calls.clock.s += IDLE_S * 0.9
        assert calls.call(text_of(2000)).cached_tokens == 1920


def test_an_expired_prefix_has_to_be_read_again_before_it_serves() -> None:
    calls = Calls()
    calls.call(text_of(2000))
    calls.clock.s += IDLE_S
    calls.call(text_of(2000), ready_in_s=1.0)
    assert calls.call(text_of(2000)).cached_tokens == 0


def test_a_hit_that_is_not_honoured_costs_and_writes_the_whole_prompt() -> None:
    calls = Calls()
    calls.call(text_of(2000))
    missed = calls.call(text_of(2000), honoured=False)
    assert missed.eligible
    assert (missed.cached_tokens, missed.written_tokens) == (0, 1920)


def test_the_least_recently_used_prefixes_make_room() -> None:
    calls = Calls(max_entries=30)
    for letter in b"abcdefgh":
        calls.call(text_of(2000, bytes([letter])))
        assert len(calls.cache) <= 30
    assert calls.call(text_of(2000, b"h")).cached_tokens == 1920
    assert calls.call(text_of(2000, b"a")).cached_tokens == 0


PIECES = st.sampled_from([text_of(tokens, letter) for tokens in (100, 700, 1500) for letter in (b"a", b"b")])
PROMPTS = st.lists(PIECES, max_size=5).map(b"".join)


@given(
    asked=st.lists(
        st.tuples(PROMPTS, st.sampled_from(["one", "two"]), st.floats(0, 400), st.floats(0, LONGEST_READY_S)),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_cached_is_whole_steps_of_a_prefix_seen_before(
    asked: Sequence[tuple[bytes, str, float, float]],
) -> None:
    calls = Calls()
    before: list[tuple[bytes, str]] = []
    for prompt, scope, pause_s, ready_in_s in asked:
        calls.clock.s += pause_s
        found = calls.call(prompt, scope=scope, ready_in_s=ready_in_s)
        seen = [shared(prompt, former) for former, where in before if where == scope]
        assert found.input_tokens == tokens_of(len(prompt))
        assert found.cached_tokens % STEP_TOKENS == found.written_tokens % STEP_TOKENS == 0
        assert found.cached_tokens == 0 or found.cached_tokens >= MINIMUM
        assert found.cached_tokens + found.written_tokens <= found.input_tokens
        assert bytes_of(found.cached_tokens) <= max(seen, default=0)
        assert pause_s < IDLE_S + LONGEST_READY_S or found.cached_tokens == 0  # idle from when it was ready
        before.append((prompt, scope))


@given(prompt=PROMPTS)
def test_the_same_prompt_again_is_cached_to_its_last_whole_step(prompt: bytes) -> None:
    calls = Calls()
    first, second = calls.call(prompt), calls.call(prompt)
    assert second.cached_tokens == first.written_tokens
    assert second.written_tokens == 0
    assert second.eligible == (len(prompt) >= bytes_of(MINIMUM))


@given(size=st.integers(0, 10**6), tokens=st.integers(0, 10**6))
def test_so_many_whole_tokens_fit_exactly_where_their_bytes_do(size: int, tokens: int) -> None:
    assert (bytes_of(tokens) <= size) == (44 * tokens <= 10 * size)
    assert tokens_of(bytes_of(tokens)) >= tokens
    assert (size <= most_bytes_of(tokens)) == (tokens_of(size) <= tokens)
