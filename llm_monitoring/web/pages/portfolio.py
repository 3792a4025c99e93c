"""The portfolio: a row a project, those that need attention first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from llm_monitoring.access.projects import may_create, visible_projects
from llm_monitoring.app import schedule_day
from llm_monitoring.db import RowError
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.ledger import Standing
from llm_monitoring.projects import UnreadableProject
from llm_monitoring.reporting.period_view import PeriodFigure
from llm_monitoring.reporting.portfolio import ORDER, Need, ProjectStanding, last_verdicts, project_standings
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.reporting.trends import Point
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.filters import Filters
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import PageInProgress, figures_for, figures_so_far
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.visitor import ProjectVisitor, Visitor, on_page, signed_in

router: Final = APIRouter(include_in_schema=False)

ROWS: Final = 50
MOST_ARCHIVED: Final = 200
AT_ONCE: Final = 12
"""Rows with their figures in the page, if they are there in time; the others load theirs when they come into view."""


@dataclass(frozen=True, slots=True)
class RowFigures:
    """The figures of one row: the mention rate of a period with its change, and its days."""

    rate: PeriodFigure
    points: Sequence[Point]
    period: Period
    links: Links

    @property
    def has_dropped(self) -> bool:
        return self.rate.change is not None and self.rate.change.improved is False


@dataclass(frozen=True, slots=True)
class Row:
    """A project with what needs attention; `lacking` are the assistants without a key, `figures` None: not yet read.

    `is_judged` unless it has answers of which it was never measured whether they show a drop.
    """

    project: ProjectStanding
    needs: Sequence[Need]
    lacking: Sequence[str]
    is_judged: bool
    figures: RowFigures | None = None
    is_measuring: bool = False

    @property
    def rank(self) -> int:
        return ORDER.index(self.needs[0]) if self.needs else ORDER.index("none")


@dataclass(frozen=True, slots=True)
class Attention:
    """How many projects need attention; of `unknown` more it was never measured."""

    needed: int
    unknown: int


@router.get("/")
def show_portfolio(
    request: Request,
    visitor: Annotated[Visitor, signed_in()],
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """The projects of a person."""
    today = schedule_day(visitor.app.settings)
    standing = standing_of(visitor)
    rows = sorted(read_rows(visitor, today, standing), key=lambda row: row.rank)
    start = ROWS * (page - 1)
    first = in_order(first_rows(request.app.state.service, visitor, rows[start : start + AT_ONCE], today))
    rows[start : start + AT_ONCE] = first
    return render(
        request,
        "portfolio.html",
        visitor=visitor,
        rows=rows[start : start + ROWS],
        count=len(rows),
        attention=attention_of(rows),
        pages=[(each, f"/?page={each}", each == page) for each in range(1, -(-len(rows) // ROWS) + 1)],
        standing=standing,
        other_usd=other_cost(standing, rows),
        today=today,
        may_create=visitor.user_id is not None and may_create(visitor.app.db, visitor.user_id),
        archived=archived_projects(visitor),
    )


def archived_projects(visitor: Visitor) -> list[dict[str, Any]]:
    """The archived projects that the person owns: their settings pages restore them."""
    if visitor.user_id is None:
        return []
    db, user_id = visitor.app.db, visitor.user_id
    rows = visible_projects(db, user_id, project_ids=None, archived=True, after_id=0, limit=MOST_ARCHIVED)
    return [row for row in rows if row["role"] == "owner"]


@router.get("/attention")
def show_attention(request: Request, visitor: Annotated[Visitor, signed_in()]) -> Response:
    """How many projects need attention, which the portfolio loads again once a row was measured."""
    rows = read_rows(visitor, schedule_day(visitor.app.settings), standing_of(visitor))
    return render(request, "portfolio_attention.html", count=len(rows), attention=attention_of(rows))


@router.get("/projects/{project_id}/row")
def show_row(request: Request, here: Annotated[ProjectVisitor, on_page("figures:read")]) -> Response:
    """The row of one project alone, which the portfolio loads; while it is measured, a row that asks again."""
    visitor, today = here.visitor, schedule_day(here.app.settings)
    found = read_rows(visitor, today, standing_of(visitor), here.project_id)
    rows = [measured_row(request, here, row, today) for row in found]
    response = render(request, "portfolio_rows.html", rows=rows, today=today)
    response.headers["HX-Trigger"] = "row"
    return response


def measured_row(request: Request, here: ProjectVisitor, row: Row, today: date) -> Row:
    """The row with its figures, or as one that is being measured."""
    try:
        return with_figures(row, figures_for(request, here, requested(row.project, today)))
    except PageInProgress:
        return replace(row, is_measuring=True)
    except UnreadableProject:
        return unreadable(row)


def attention_of(rows: Sequence[Row]) -> Attention:
    return Attention(sum(row.rank < ORDER.index("new") for row in rows), sum(not row.is_judged for row in rows))


def standing_of(visitor: Visitor) -> Standing | None:
    """The month of the person; None without an account."""
    standings = visitor.app.budget.standings(start_month=False)
    return next((each for each in standings if each.user_id == visitor.user_id), None)


def other_cost(standing: Standing | None, rows: Sequence[Row]) -> Decimal:
    """What the month cost beyond what the rows say, which is the cost of this month's answers of their projects."""
    shown = sum((row.project.spent_usd or Decimal(0) for row in rows), Decimal(0))
    return max(Decimal(0), standing.spent_usd - shown) if standing else Decimal(0)


def read_rows(visitor: Visitor, today: date, standing: Standing | None, project_id: int | None = None) -> list[Row]:
    """The person's projects, or one of them, with what needs attention."""
    app, user_id = visitor.app, visitor.user_id
    if user_id is None:
        return []
    usable = {name for name, state in app.keys.available([user_id])[user_id].items() if state.usable}
    is_blocked = standing is not None and standing.blocked
    found = project_standings(app.db, user_id, app.budget.month(), project_id)
    verdicts = last_verdicts(app.db, [requested(each, today) for each in found if each.measured])
    return [
        Row(
            each,
            each.needs(today, usable, is_blocked=is_blocked, has_dropped=verdicts.get(each.id) == "down"),
            [provider for provider in each.providers if provider not in usable],
            is_judged=each.measured is None or not each.is_active or each.id in verdicts,
        )
        for each in found
    ]


def requested(project: ProjectStanding, today: date) -> PeriodRequest:
    """The figures of a row: those that the overview shows before anything is chosen."""
    return PeriodRequest(project.id, *Filters().periods(project.measured, today))


def first_rows(service: Service, visitor: Visitor, rows: Sequence[Row], today: date) -> list[Row]:
    """The rows with the figures that are there; one without answers has none."""
    answered = [row for row in rows if row.project.measured is not None]
    figures = figures_so_far(service, visitor, [requested(row.project, today) for row in answered])
    found = {row.project.id: each for row, each in zip(answered, figures, strict=True)}
    return [with_those(row, found[row.project.id]) if row.project.id in found else row for row in rows]


def with_those(row: Row, measured: StoredFigures | RowError | None) -> Row:
    if isinstance(measured, RowError):
        return unreadable(row)
    return replace(row, is_measuring=True) if measured is None else with_figures(row, measured)


def unreadable(row: Row) -> Row:
    """A row without figures, of a project that cannot be read or measured: the others have theirs."""
    return replace(row, needs=sorted({*row.needs, "unreadable"}, key=ORDER.index), is_judged=True)


def with_figures(row: Row, measured: StoredFigures) -> Row:
    """The row with the figures of its project, and whether they show a drop."""
    figures = RowFigures(
        rate=measured.view.total["mention_rate"],
        points=measured.trend.points if measured.trend else (),
        period=measured.period,
        links=Links(row.project.id, Filters(), measured.period),
    )
    needs = {*row.needs} - {"drop"}
    if figures.has_dropped and row.project.is_active:
        needs.add("drop")
    return replace(row, needs=sorted(needs, key=ORDER.index), figures=figures, is_judged=True)


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.rank)
