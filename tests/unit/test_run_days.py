"""Which days have a run if the schedule is in UTC and the days are those of a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from llm_monitoring.health import run_days
from llm_monitoring.process import location
from llm_monitoring.settings.fields import load_settings

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "zone", "expected"),
    [
        (time(4), "America/New_York", date(2027, 3, 14)),
        (time(3, 59), "America/New_York", None),
        (time(5), "America/New_York", None),
        (time(4), "America/Chicago", None),
        (time(4), "Europe/Madrid", None),
        (time(22, 30), "Europe/Madrid", date(2027, 3, 28)),
        (time(23), "Europe/Madrid", None),
        (time(13, 30), "Australia/Sydney", date(2027, 10, 3)),
        (time(4), "UTC", None),
    ],
)
def test_day_without_run(start: time, zone: str, expected: date | None) -> None:
    """A start that is before midnight in one half of the year and after it in the other leaves a day out."""
    assert expected == run_days.day_without_run(start, ZoneInfo(zone), NOW)


def test_doctor_names_the_day_without_run() -> None:
    """The schedule of railway.json leaves out a day of New York and none of Madrid."""
    [found] = run_days.time_zone(load_settings({"LLM_TIMEZONE": "America/New_York"}, dotenv=False))
    assert "yellow" == found.colour
    assert "no run at 04:00 UTC belongs to 20" in found.message
    [found] = run_days.time_zone(load_settings({"LLM_TIMEZONE": "Europe/Madrid"}, dotenv=False))
    assert "green" == found.colour


def test_start_in_railway_json() -> None:
    """The daily start is the one of railway.json."""
    assert time(4) == run_days.daily_start(location.checkout())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"crons": []}',
        '{"crons": [{}]}',
        '{"crons": [{"command": "python daily_llm_monitoring_cron.py", "schedule": "0 4 * * 1"}]}',
        '{"crons": [{"command": "python daily_llm_monitoring_cron.py", "schedule": "0 44 * * *"}]}',
    ],
)
def test_no_start_that_is_known(tmp_path: Path, text: str) -> None:
    """A file that does not say one time for every day is no schedule to compare with; another check reports it."""
    (tmp_path / "railway.json").write_text(text)
    assert run_days.daily_start(tmp_path) is None
