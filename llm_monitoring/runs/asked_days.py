"""Which days may be asked: an answer is of the day on which it was asked, so only gaps of the last days are filled."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from llm_monitoring.app import App, asking_day
from llm_monitoring.errors import Invalid

LONGEST_AGO: Final = timedelta(days=7)


def require_askable(app: App, day: date, *, any_past: bool = False) -> date:
    """Return the day; raises Invalid if it has not come yet, or lies more than LONGEST_AGO back without `any_past`.

    A day far past is most often a slip of the keyboard, and its whole price would be paid for answers of today.
    """
    today = asking_day(app)
    if day > today:
        raise Invalid("date", f"{day} has not come yet: today is {today} in LLM_TIMEZONE", code="day_ahead")
    if day < today - LONGEST_AGO and not any_past:
        message = f"{day} is {(today - day).days} days ago: what is asked now is an answer of today, and paid"
        raise Invalid("date", message, code="day_long_ago")
    return day
