"""Options for days, periods and the project."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar

import click

from llm_monitoring import projects
from llm_monitoring.cli.base.command import PROJECT
from llm_monitoring.db import Database
from llm_monitoring.errors import Invalid
from llm_monitoring.figures.periods import DEFAULT_DAYS, Period, period_of
from llm_monitoring.process.wording import PROGRAM

MOST_LISTED: Final = 20
F = TypeVar("F", bound=Callable[..., Any])


class Day(click.ParamType[date, Any]):
    """A day, as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError as exc:
            raise Invalid("day", f"{value!r} is no day: write YYYY-MM-DD") from exc


DAY: Final = Day()


@dataclass(frozen=True, slots=True)
class Asked:
    """The period of the options: its days, its length, and the period to compare with."""

    first: date | None = None
    last: date | None = None
    days: int | None = None
    other_first: date | None = None
    other_last: date | None = None
    previous: bool = False


def check_order(first: date | None, last: date | None, options: str = "--from and --to") -> None:
    """Raise Invalid if a period ends before it starts."""
    if first is not None and last is not None and last < first:
        start, _, end = options.partition(" and ")
        raise Invalid("period", f"{start} {first} is after {end} {last}: give an earlier {start} or a later {end}")


def period_options(command: F) -> F:
    """`--from`, `--to`, `--days`, and for a comparison `--previous` or `--compare-from` and `--compare-to`."""
    for option in (
        click.option("--compare-to", "other_last", type=DAY, help="Last day of the period to compare with."),
        click.option("--compare-from", "other_first", type=DAY, help="First day of the period to compare with."),
        click.option(
            "--previous",
            is_flag=True,
            help="Compare with the period before: as many days, or the month before a whole month.",
        ),
        click.option("--to", "last", type=DAY, help="Last day; the latest measured one by default."),
        click.option("--from", "first", type=DAY, help="First day."),
        click.option(
            "--days", type=click.IntRange(1, 400), help=f"How many days, up to the last one.  [default: {DEFAULT_DAYS}]"
        ),
    ):
        command = option(command)
    return command


def project_options(command: F) -> F:
    """The project as an argument or as `--project`; `chosen_project` returns which."""
    command = click.option("--project", "project", type=PROJECT, help="Which project, as PROJECT does.")(command)
    return click.argument("number", metavar="[PROJECT]", type=PROJECT, required=False)(command)


def chosen_project(db: Database, number: int | None, project: int | None) -> int:
    """The number of the project; raises Invalid that lists the projects if none or two are given."""
    if number is not None and project is not None and number != project:
        raise Invalid("project", f"PROJECT {number} and --project {project} are two projects: give one")
    chosen = project if number is None else number
    if chosen is not None:
        return chosen
    known = [f"{row['id']} {row['name']}" for row in projects.overview(db)[: MOST_LISTED + 1]]
    if not known:
        raise Invalid("project", f"there are no projects yet: see `{PROGRAM} projects add --help`")
    more = f", … (see `{PROGRAM} projects list`)" if len(known) > MOST_LISTED else ""
    raise Invalid("project", f"which project? Add its number: {', '.join(known[:MOST_LISTED])}{more}")


def periods_of(asked: Asked, latest: date) -> tuple[Period, Period | None]:
    """The period of the options and the one to compare it with; `latest` is the last measured day."""
    check_order(asked.first, asked.last)
    check_order(asked.other_first, asked.other_last, "--compare-from and --compare-to")
    if asked.first and asked.last and asked.days:
        raise Invalid("period", "--from, --to and --days together give two lengths: leave out one")
    period = period_of(asked.first, asked.last, latest, days=asked.days or DEFAULT_DAYS, sized=asked.days is not None)
    if (asked.other_first is None) != (asked.other_last is None):
        raise Invalid("comparison", "a comparison needs both --compare-from and --compare-to")
    if asked.other_first is None or asked.other_last is None:
        return period, period.previous() if asked.previous else None
    if asked.previous:
        raise Invalid("comparison", "--previous and --compare-from give two periods to compare with: leave out one")
    return period, Period(asked.other_first, asked.other_last)


class Month(click.ParamType[date, Any]):
    """A calendar month."""

    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", str(value)) or str(value) < "0001":
            raise Invalid("month", f"{value!r} is no month: write YYYY-MM")
        return date.fromisoformat(f"{value}-01")
