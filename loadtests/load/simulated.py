"""How much of a request's latency the simulated models took, and how much the service added."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from loadtests.load.samples import Sample
from loadtests.provider_stub.traces import Trace

CLOCKS_APART_S = 0.02
"""Two processes of one machine read its clock a little apart."""


class Simulated:
    """The calls that the stub was asked, by the mark of whom they were made for."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        self._by_mark: defaultdict[str, list[Trace]] = defaultdict(list)
        for trace in sorted(traces, key=lambda trace: trace.began_s):
            self._by_mark[trace.mark].append(trace)

    def llm_ms(self, sample: Sample) -> float:
        """The LLM time of a request: of the calls that began within it, the longest chain."""
        calls = self._by_mark.get(sample.mark, [])
        begins = [call.began_s for call in calls]
        first = bisect_left(begins, sample.began_s - CLOCKS_APART_S)
        last = bisect_right(begins, sample.began_s + sample.took_ms / 1000 + CLOCKS_APART_S)
        return longest_ms(calls[first:last])

    def over_ms(self, sample: Sample) -> float:
        """What the service added to it, in its queues, its own work and on the way."""
        return max(0.0, sample.took_ms - self.llm_ms(sample))


def longest_ms(calls: Sequence[Trace]) -> float:
    """The longest time that calls in a row take, which no service can shorten.

    One call follows another if it began after the other's end, and then both count whole; or after its first
    byte, as calls do that wait for another to fill the cache, and then the time up to that byte counts. Of calls
    at once only one counts. What passes between two calls is the service's. `calls` are in order of `began_s`.
    """
    until: list[float] = []
    for place, call in enumerate(calls):
        before = 0.0
        for earlier, chain_ms in zip(calls[:place], until, strict=True):
            apart_ms = (call.began_s - earlier.began_s) * 1000
            if apart_ms >= earlier.took_ms:
                before = max(before, chain_ms)
            elif apart_ms >= earlier.first_ms:
                before = max(before, chain_ms - earlier.took_ms + earlier.first_ms)
        until.append(before + call.took_ms)
    return max(until, default=0.0)
