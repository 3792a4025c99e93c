"""Whether the daily schedule, which is in UTC, has one run for each day of LLM_TIMEZONE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Final

from llm_monitoring.health.check_result import CheckResult, green, yellow
from llm_monitoring.process import location
from llm_monitoring.settings import Settings

DAILY_SCRIPT: Final = "daily_llm_monitoring_cron.py"
ONCE_A_DAY: Final = re.compile(r"([0-9]{1,2}) ([0-9]{1,2}) \* \* \*")
AHEAD: Final = 366  # days, in which every clock change of a year lies


def time_zone(settings: Settings) -> Iterator[CheckResult]:
    """The day of a run now, and a day ahead that no run belongs to because the clocks change."""
    now = datetime.now(settings.timezone)
    says = f"LLM_TIMEZONE is {now.tzname()} ({settings.timezone}): a run now belongs to {now.date()}"
    start = daily_start(location.checkout())
    missed = None if start is None else day_without_run(start, settings.timezone, now)
    if start is None or missed is None:
        yield green("time zone", says)
        return
    yield yellow(
        "time zone",
        f"{says}; no run at {start:%H:%M} UTC belongs to {missed}, because the clocks change and that is near midnight",
        "start the daily run an hour or more later (railway.json), or nothing is measured on that day",
    )


def daily_start(root: Path | None) -> time | None:
    """The time in UTC at which railway.json starts the daily run; None if it does not say one time for every day."""
    if root is None:
        return None
    try:
        crons = json.loads((root / "railway.json").read_text(encoding="utf-8"))["crons"]
        schedule = next(str(each["schedule"]) for each in crons if DAILY_SCRIPT in each["command"])
        found = ONCE_A_DAY.fullmatch(schedule)
        return found and time(int(found[2]), int(found[1]))
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None


def day_without_run(start: time, zone: tzinfo, now: datetime) -> date | None:
    """The first day of `zone` within a year that no run belongs to, if one starts each day at `start` in UTC."""
    first = datetime.combine(now.astimezone(UTC).date(), start, UTC)
    days = [(first + timedelta(days=n)).astimezone(zone).date() for n in range(AHEAD)]
    one_day = timedelta(days=1)
    return next((day + one_day for day, after in pairwise(days) if after - day > one_day), None)
