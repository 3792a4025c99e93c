"""Periods: their parts, and the one that is shown if none is chosen."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from llm_monitoring.figures.periods import Period, default_days, parts_of

FIRST = date(2026, 11, 1)


@pytest.mark.parametrize("days", [1, 9, 10, 11, 30])
def test_the_parts_are_the_period(days: int) -> None:
    """Every day once, in order, at most ten at a time, also at the end of the calendar."""
    for first in (FIRST, date.max - timedelta(days=days - 1)):
        period = Period(first, first + timedelta(days=days - 1))
        parts = list(parts_of(period, 10))
        assert period.days == sum(part.days for part in parts)
        assert period.first == parts[0].first
        assert period.last == parts[-1].last
        assert all(part.days <= 10 for part in parts)
        assert all(after.first == before.last + timedelta(days=1) for before, after in pairwise(parts))


@pytest.mark.parametrize(("measured", "shown"), [(0, 30), (1, 1), (13, 13), (14, 7), (59, 29), (60, 30), (400, 30)])
def test_the_default_period_has_as_many_days_before_it(measured: int, shown: int) -> None:
    """Thirty days, or the later half of a shorter history; of a very short one all of it."""
    period = Period(FIRST, FIRST + timedelta(days=measured - 1)) if measured else None
    assert shown == default_days(period)
