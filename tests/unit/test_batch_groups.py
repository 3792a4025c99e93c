"""Which groups of tasks go into batches, to the last task and failure."""

from __future__ import annotations

import pytest

from llm_monitoring.runs.batches.groups import takes_batches
from llm_monitoring.runs.batches.records import Experience


@pytest.mark.parametrize(
    ("tasks", "failures", "proven", "tried", "taken"),
    [
        (20, 0, True, False, True),
        (19, 0, True, False, False),
        (20, 1, True, False, True),
        (20, 2, True, False, False),
        (20, 0, False, False, True),
        (20, 0, False, True, False),
        (20, 0, True, True, True),
    ],
)
def test_a_group_takes_batches(tasks: int, failures: int, proven: bool, tried: bool, taken: bool) -> None:
    """Twenty tasks, fewer than two failures in a week, and no trial of the day that brought nothing."""
    assert taken is takes_batches(Experience(proven=proven, tried=tried, failures=failures), tasks)
