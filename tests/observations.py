"""Observations for the metrics' tests: what a process may see, and buffers that have seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import strategies as st

from state.metrics.buffer import Buffer
from state.metrics.cells import NO_CELLS, Cells, Verdict
from state.metrics.flushes import Flush
from state.metrics.labels import ERROR_KINDS, NONE, CacheLevel, Component, Labels, Operation, Status, Variant
from state.metrics.recorder import Recorder
from state.metrics.spend import Spend, TopSpenders, total
from state.model import Priority
from state.spending import Usage

Observation = Callable[[Recorder], None]

LABELS = Labels(Operation.WRITE_ANSWER, Priority.HIGH, "openai", "gpt-5-mini", "write_answer/3", Variant.USUAL)
REQUEST = Labels(Operation.GIVE_INPUTS)
USAGE = Usage(input_tokens=4_000, cached_tokens=3_000, output_tokens=500, thinking_tokens=200)
MS = 1_000_000
"""Nanoseconds."""


def performed(latency_ms: float, error: str = NONE, labels: Labels = LABELS) -> Observation:
    return lambda recorder: recorder.performed(labels, round(latency_ms * MS), error)


def spent(
    cost_usd: float | None,
    *,
    usage: Usage | None = USAGE,
    tenant: str = "acme",
    session_id: str = "s1",
    labels: Labels = LABELS,
) -> Observation:
    return lambda recorder: recorder.spent(labels, tenant=tenant, session_id=session_id, usage=usage, cost_usd=cost_usd)


def judged(score: float, verdict: Verdict, refinements: int = 0, labels: Labels = LABELS) -> Observation:
    return lambda recorder: recorder.judged(labels, score=score, verdict=verdict, refinements=refinements)


def looked_up(level: CacheLevel, hits: int, misses: int) -> Observation:
    return lambda recorder: recorder.looked_up(level, Operation.EMBED, hits=hits, misses=misses)


def checked(component: Component, status: Status, at_ms: int, error: str = NONE) -> Observation:
    return lambda recorder: recorder.checked(component, status, at_ms=at_ms, latency_ns=2 * MS, error=error)


def cells_of(observations: Iterable[Observation]) -> Cells:
    flush = flush_of(observations)
    return flush.cells if flush else NO_CELLS


def all_of(spenders: TopSpenders) -> Spend:
    """What was spent for everybody, by name or not."""
    return total([*spenders.by_name.values(), spenders.rest])


def flush_of(observations: Iterable[Observation], *, source: str = "p1", at_ms: int = 0) -> Flush | None:
    """A process's first flush; None where there is nothing in it."""
    buffer = Buffer(source)
    for observe in observations:
        observe(buffer)
    return buffer.take(at_ms)


_labels = st.builds(
    Labels,
    operation=st.sampled_from(list(Operation)),
    priority=st.none() | st.sampled_from(list(Priority)),
    provider=st.sampled_from(["", "openai", "google"]),
    model=st.sampled_from(["", "gpt-5-mini", "flash"]),
    prompt=st.sampled_from(["", "write_answer/3", "evaluate_answer/1"]),
    variant=st.sampled_from(list(Variant)),
)
_errors = st.sampled_from(["", "", *sorted(ERROR_KINDS)])
_tokens = st.integers(0, 100_000)
_usages = st.none() | st.builds(
    Usage, input_tokens=_tokens, cached_tokens=_tokens, output_tokens=_tokens, thinking_tokens=_tokens
)

observations: st.SearchStrategy[Observation] = st.one_of(
    st.builds(performed, st.floats(0, 1e7), _errors, _labels),
    st.builds(
        spent,
        st.none() | st.floats(0, 10),
        usage=_usages,
        tenant=st.sampled_from(["acme", "globex"]),
        session_id=st.sampled_from(["", "s1", "s2", "s3"]),
        labels=_labels,
    ),
    st.builds(judged, st.floats(1, 10), st.sampled_from(list(Verdict)), st.integers(0, 2), _labels),
    st.builds(looked_up, st.sampled_from(list(CacheLevel)), st.integers(0, 9), st.integers(0, 9)),
    st.builds(
        checked, st.sampled_from(list(Component)), st.sampled_from(list(Status)), st.integers(0, 10**13), _errors
    ),
)
cells: st.SearchStrategy[Cells] = st.lists(observations, max_size=12).map(cells_of)
