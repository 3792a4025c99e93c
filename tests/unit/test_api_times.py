"""Times of the API: every one of them says its zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from llm_monitoring.web.api.schemas import in_utc


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (datetime.fromisoformat("2026-11-29T04:00"), datetime(2026, 11, 29, 4, 0, tzinfo=UTC)),
        (datetime(2026, 11, 29, 4, 0, tzinfo=UTC), datetime(2026, 11, 29, 4, 0, tzinfo=UTC)),
        (date(2026, 11, 29), date(2026, 11, 29)),
        (None, None),
    ],
)
def test_a_time_without_a_zone_is_utc(stored: datetime | date | None, expected: datetime | date | None) -> None:
    """The host's last run has no zone in its column; a day stays a day."""
    assert expected == in_utc(stored)
