"""The day that a run asks if the clocks of machine and database differ."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from llm_monitoring import app as composition
from llm_monitoring.settings.fields import load_settings

SHARED = datetime(2026, 11, 30, 23, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    ("skew", "zone", "expected"),
    [
        (timedelta(), "UTC", date(2026, 11, 30)),
        (timedelta(minutes=10), "UTC", date(2026, 12, 1)),
        (timedelta(minutes=59), "UTC", date(2026, 12, 1)),
        (timedelta(hours=1), "UTC", date(2026, 11, 30)),
        (timedelta(days=1), "UTC", date(2026, 11, 30)),
        (timedelta(days=-1), "UTC", date(2026, 11, 30)),
        (timedelta(days=400), "UTC", date(2026, 11, 30)),
        (timedelta(days=-400), "Europe/Madrid", date(2026, 12, 1)),
    ],
)
def test_a_wrong_clock_of_the_machine_asks_no_other_day(
    monkeypatch: pytest.MonkeyPatch, skew: timedelta, zone: str, expected: date
) -> None:
    """A few minutes are the machine's, for a schedule at midnight; a clock further away would pay for a wrong day."""
    machine = SimpleNamespace(now=(SHARED + skew).astimezone)
    monkeypatch.setattr(composition, "datetime", machine)
    settings = load_settings({"LLM_TIMEZONE": zone}, dotenv=False)
    app: Any = SimpleNamespace(budget=SimpleNamespace(clock=lambda: SHARED), settings=settings)
    assert expected == composition.asking_day(app)
