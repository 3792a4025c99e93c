"""Addresses of the pages of a project, and of the answers behind a figure."""

from __future__ import annotations

from dataclasses import dataclass

from llm_monitoring.figures.periods import Period
from llm_monitoring.web.pages.filters import Filters


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses within a project, with the filters and the period of the page that holds them."""

    project_id: int
    filters: Filters
    period: Period

    def answers(self, figure: str, **changes: object) -> str:
        """The answers that a figure of the period counts; changes narrow it to a provider, a prompt, a day."""
        days = {"first": self.period.first, "last": self.period.last, "compare_from": None, "compare_to": None}
        return self.page("answers", **{**days, "counted_in": figure, **changes})

    def page(self, noun: str = "", **changes: object) -> str:
        """A page of the project; without a noun the overview."""
        path = f"/projects/{self.project_id}"
        return self.filters.link(f"{path}/{noun}" if noun else path, **changes)
