"""What the operations on a measured period share: its days in an answer, and how long it may be."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

from pydantic import BaseModel, Field

from llm_monitoring.errors import Invalid
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.reporting.trends import MOST_DAYS
from llm_monitoring.web.guard import ProjectCaller


class MeasuredDays(BaseModel):
    """The days that were measured, and those that they were compared with."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    compare_from: date | None
    compare_to: date | None
    timezone: str = Field(description="The zone of the days.")
    latest_day: date | None = Field(description="The last day with answers.")

    @classmethod
    def of(cls, here: ProjectCaller, measured: StoredFigures, **fields: Any) -> Self:
        """The answer of an operation on a measured period, with the fields of its own."""
        compared = measured.compared
        return cls(
            first=measured.period.first,
            last=measured.period.last,
            compare_from=compared.first if compared else None,
            compare_to=compared.last if compared else None,
            timezone=str(here.app.settings.timezone),
            latest_day=measured.latest,
            **fields,
        )


def refuse_long(period: Period) -> None:
    """Raise Invalid if a period is too long to be shown day by day."""
    if period.days > MOST_DAYS:
        sentence = f"a period that is shown day by day has at most {MOST_DAYS} days, not {period.days}"
        raise Invalid("from", sentence, code="period_too_long", most=MOST_DAYS)
