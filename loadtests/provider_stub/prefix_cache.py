"""Prefix caching as the providers document it: which part of a prompt was seen before, and not long ago.

A prompt is cut into steps of 128 tokens. An entry stands for one prefix that ends on such a step and is at
least as long as the provider's minimum; it is named by a hash of the prefix and its scope, so no text is held.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from loadtests.provider_stub.tokens import bytes_of, tokens_of

STEP_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixUse:
    """What a prompt found in the cache and left there.

    `cached_tokens` and `written_tokens` are multiples of 128 that together do not exceed `input_tokens`.
    `eligible` says that the prompt is long enough to be cached at all.
    """

    input_tokens: int
    eligible: bool = False
    cached_tokens: int = 0
    written_tokens: int = 0


class PrefixCache:
    """Prefixes by scope. `max_entries` bounds it at about 300 bytes each; the least recently used go first."""

    def __init__(self, *, clock_s: Callable[[], float], max_entries: int = 400_000) -> None:
        self._clock_s = clock_s
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # digest -> ready, expires

    def __len__(self) -> int:
        return len(self._entries)

    def use(
        self,
        scope: str,
        prompt: bytes,
        *,
        minimum_tokens: int,
        idle_s: float,
        ready_in_s: float = 0.0,
        honoured: bool = True,
    ) -> PrefixUse:
        """Count one prompt: look its longest live prefix up, then enter all of its prefixes.

        What it writes serves others after `ready_in_s`, once its own prefill has ended, so that concurrent
        first calls all miss. Each use renews a prefix for `idle_s`. With `honoured` off the look-up fails,
        as a best-effort cache may.
        """
        steps = _steps(scope, prompt, minimum_tokens)
        if not steps:
            return PrefixUse(input_tokens=tokens_of(len(prompt)))
        now = self._clock_s()
        cached = self._longest(steps, now) if honoured else 0
        self._enter(steps, now=now, ready=now + ready_in_s, idle_s=idle_s)
        return PrefixUse(
            input_tokens=tokens_of(len(prompt)),
            eligible=True,
            cached_tokens=cached,
            written_tokens=steps[-1][0] - cached,
        )

    def clear(self) -> None:
        self._entries.clear()

    def _longest(self, steps: list[tuple[int, bytes]], now: float) -> int:
        for tokens, digest in reversed(steps):
            ready, expires = self._entries.get(digest, (0.0, 0.0))
            if ready <= now < expires:
                return tokens
        return 0

    def _enter(self, steps: list[tuple[int, bytes]], *, now: float, ready: float, idle_s: float) -> None:
        entries = self._entries
        for _, digest in steps:
            before = entries.get(digest)
            since = ready if before is None or before[1] <= now else min(ready, before[0])
            entries[digest] = (since, max(since, now) + idle_s)
            entries.move_to_end(digest)
        while len(entries) > self._max_entries:
            entries.popitem(last=False)


def _steps(scope: str, prompt: bytes, minimum_tokens: int) -> list[tuple[int, bytes]]:
    """(tokens, digest) of every prefix that can be cached, shortest first."""
    hashed = blake2b(scope.encode() + b"\x00", digest_size=16)
    view, done, steps = memoryview(prompt), 0, []
    first = -(-minimum_tokens // STEP_TOKENS) * STEP_TOKENS
    for tokens in range(first, tokens_of(len(prompt)) + 1, STEP_TOKENS):
        end = bytes_of(tokens)
        if end > len(prompt):
            break
        hashed.update(view[done:end])
        steps.append((tokens, hashed.digest()))
        done = end
    return steps
