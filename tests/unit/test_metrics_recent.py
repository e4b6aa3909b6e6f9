"""What was merged before is not merged again, and is the same as if it had been."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from state.metrics.cells import NO_CELLS, Cells, merged_cells
from state.metrics.recent import MOST_MERGED, RecentMerges
from tests.observations import cells, cells_of, performed, spent


@settings(max_examples=50)
@given(st.lists(cells, max_size=4), cells)
def test_windows_that_grow_by_their_newest_cells_are_merged_as_from_the_beginning(
    settled: list[Cells], newest: Cells
) -> None:
    recent = RecentMerges()
    for parts in (settled, [*settled, NO_CELLS], [*settled, newest], [*settled, newest]):
        assert recent.merged(parts) == merged_cells(parts)


def test_what_is_forgotten_is_merged_anew_and_no_window_is_taken_for_another() -> None:
    recent = RecentMerges()
    windows = [[cells_of([performed(5.0 * n)]), cells_of([spent(0.01 * n)])] for n in range(1, 2 * MOST_MERGED)]
    for _ in range(2):
        for parts in windows:
            assert recent.merged(parts) == merged_cells(parts)
