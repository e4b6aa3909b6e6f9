"""Cells of any two processes are one, in whatever order they are heard; there is room for a bounded number."""

from __future__ import annotations

from hypothesis import given, settings

from state.metrics.cells import NO_CELLS, Cells, merged_cells
from state.metrics.labels import OTHER, Component, Labels, Operation, Status, Variant
from state.metrics.spend import total
from state.model import Priority
from tests.observations import LABELS, cells, cells_of, checked, performed, spent

few = settings(max_examples=40)


@few
@given(cells, cells)
def test_the_order_of_two_does_not_matter(a: Cells, b: Cells) -> None:
    assert merged_cells([a, b]) == merged_cells([b, a])


@few
@given(cells, cells, cells)
def test_the_grouping_of_three_does_not_matter(a: Cells, b: Cells, c: Cells) -> None:
    left = merged_cells([merged_cells([a, b]), c])
    assert left == merged_cells([a, merged_cells([b, c])]) == merged_cells([a, b, c])


@few
@given(cells)
def test_nothing_added_changes_nothing(a: Cells) -> None:
    assert merged_cells([a, NO_CELLS]) == merged_cells([a]) == a
    assert merged_cells([]) == NO_CELLS


def test_past_the_room_the_smallest_cells_lose_labels_and_nothing_is_lost() -> None:
    labels = [LABELS._replace(model=f"m{number}") for number in range(6)]
    held = cells_of(
        [performed(number + 1, labels=each) for number, each in enumerate(labels) for _ in range(number + 1)]
        + [spent(0.5, labels=each) for each in labels]
    )
    bounded = merged_cells([held], most=2)
    folded = Labels(Operation.WRITE_ANSWER, Priority.HIGH, OTHER, OTHER, OTHER, Variant.OTHER)
    assert set(bounded.performance) == {labels[5], labels[4], folded}
    assert bounded.performance[folded].latencies.count == 1 + 2 + 3 + 4
    assert sum(cell.latencies.count for cell in bounded.performance.values()) == 21
    assert total([cost.spend for cost in bounded.costs.values()]).pico_usd == 3 * 10**12


def test_cells_are_bounded_by_the_room_and_the_operations_and_priorities() -> None:
    many = [
        Labels(operation, priority, "p", f"m{number}")
        for operation in Operation
        for priority in (None, *Priority)
        for number in range(3)
    ]
    bounded = merged_cells([cells_of([performed(1, labels=labels) for labels in many])], most=10)
    assert len(bounded.performance) <= 10 + len(Operation) * (len(Priority) + 1)
    assert sum(cell.latencies.count for cell in bounded.performance.values()) == len(many)


def test_a_components_first_and_last_sight_survive_a_merge() -> None:
    early = cells_of([checked(Component.REDIS, Status.OK, 10), checked(Component.REDIS, Status.DOWN, 20, "timeout")])
    late = cells_of([checked(Component.REDIS, Status.OK, 30)])
    health = merged_cells([late, early]).health[Component.REDIS]
    assert health.first_ms == {Status.OK: 10, Status.DOWN: 20}
    assert health.last_ms == {Status.OK: 30, Status.DOWN: 20}
    assert health.last_error == (20, "timeout")
