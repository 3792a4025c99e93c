"""The filter bar: which answers a page is about, kept in the address of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Depends, Query

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.figures import periods
from llm_monitoring.figures.periods import Period
from llm_monitoring.projects import clean_tag
from llm_monitoring.web.problems import FieldError, Problem

NAMES: Final[Mapping[str, str]] = {"first": "from", "last": "to"}  # those that an address calls otherwise
PRESETS: Final = (7, 30, 90)
Text = Annotated[str, Query(max_length=255)]


@dataclass(frozen=True, slots=True)
class Filters:
    """The period, the one to compare it with, one provider alone and prompts with one tag alone; None: not chosen."""

    first: date | None = None
    last: date | None = None
    compare_from: date | None = None
    compare_to: date | None = None
    provider: ProviderName | None = None
    tag: str | None = None

    @property
    def query(self) -> dict[str, str]:
        """What is chosen, as the address names it."""
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        return {NAMES.get(name, name): in_query(value) for name, value in chosen.items() if value is not None}

    def link(self, path: str, **changes: object) -> str:
        """`path` with these filters; a change replaces or adds one, None leaves it out.

        Changes are named as the fields are (`first`, not `from`); a name that is no field is added as it is.
        """
        query = self.query
        for name, value in changes.items():
            key = NAMES.get(name, name)
            query.pop(key, None)
            if value is not None:
                query[key] = in_query(value)
        return f"{path}?{urlencode(query)}" if query else path

    def periods(self, measured: Period | None, today: date) -> tuple[Period, Period]:
        """The period and the one that it is compared with, in a project with answers on the days of `measured`.

        Without a choice it is the last 30 days with answers, or the later half of a history that is shorter than
        twice that, so that there are as many days to compare it with: the ones right before.
        """
        latest = measured.last if measured else today
        period = periods.period_of(self.first, self.last, latest, days=periods.default_days(measured))
        if self.compare_from is None or self.compare_to is None:
            return period, period.previous()
        return period, Period(self.compare_from, self.compare_to)


def in_query(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def read_filters(
    *,
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
    compare_from: Annotated[str, Query(max_length=10)] = "",
    compare_to: Annotated[str, Query(max_length=10)] = "",
    provider: Annotated[str, Query(max_length=20)] = "",
    tag: Text = "",
) -> Filters:
    """The filters of an address; an empty value is none, as a form sends it. Raises Problem that names a wrong one."""
    found = Filters(
        day_of("from", first),
        day_of("to", last),
        day_of("compare_from", compare_from),
        day_of("compare_to", compare_to),
        provider_of(provider),
        clean_tag(tag) if tag else None,
    )
    in_order(("from", found.first), ("to", found.last))
    in_order(("compare_from", found.compare_from), ("compare_to", found.compare_to))
    if (found.compare_from is None) != (found.compare_to is None):
        missing = "compare_from" if found.compare_from is None else "compare_to"
        raise refused(missing, "a comparison needs both its days", "comparison_halved")
    return found


Given = Annotated[Filters, Depends(read_filters)]
"""The filters as a parameter of a route."""


def day_of(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as exc:
        raise refused(name, "it is not a day such as 2026-11-28", "day_form") from exc


def provider_of(text: str) -> ProviderName | None:
    found = next((each for each in PROVIDERS if each == text), None)
    if text and found is None:
        raise refused("provider", f"it is none of {', '.join(PROVIDERS)}", "provider_unknown")
    return found


def in_order(start: tuple[str, date | None], end: tuple[str, date | None]) -> None:
    if start[1] is not None and end[1] is not None and end[1] < start[1]:
        raise refused(end[0], f"it is before `{start[0]}`", "period_order")


def refused(name: str, detail: str, code: str) -> Problem:
    return Problem("invalid", errors=[FieldError(f"query:{name}", detail, code)])


@dataclass(frozen=True, slots=True)
class FilterBar:
    """What the form of the filters shows: the page that it opens, the periods that hold, and what may be chosen.

    `own` are filters of the page alone, which the form keeps.
    """

    path: str
    filters: Filters
    period: Period
    compared: Period
    providers: Sequence[str]
    tags: Sequence[str] = ()
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def choices_of_tags(self) -> list[str]:
        """The project's tags, with the chosen one though no prompt has it any more."""
        return sorted({*self.tags, *([self.filters.tag] if self.filters.tag else [])})

    @property
    def presets(self) -> list[tuple[int, str, bool]]:
        """Periods to choose with one click, up to the last day of this one: days, address, whether it is this one."""
        found: list[tuple[int, str, bool]] = []
        for days in PRESETS:
            days_before = timedelta(days=days - 1)
            changes: dict[str, Any] = {
                **self.own, "first": self.period.last - days_before, "last": self.period.last,
            }  # fmt: skip
            is_chosen = self.period.days == days
            found.append((days, self.filters.link(self.path, compare_from=None, compare_to=None, **changes), is_chosen))
        return found
