"""The changes page: what moved between two periods, and what happened on which day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from llm_monitoring import projects
from llm_monitoring.access.project_changes import ProjectChange, project_changes
from llm_monitoring.app import schedule_day
from llm_monitoring.errors import Invalid
from llm_monitoring.figures import ModelChange, PromptChange
from llm_monitoring.figures.periods import Period, PeriodRequest, measured_days
from llm_monitoring.projects import notes
from llm_monitoring.projects.notes import LONGEST_NOTE, Note
from llm_monitoring.reporting.report_data import Failures, read_failures
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.web.api.notes import Written, store_note, withdraw_note
from llm_monitoring.web.api.periods import refuse_long
from llm_monitoring.web.pages.filters import FilterBar, Filters, Given
from llm_monitoring.web.pages.forms import Form, Sent, done
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import figures_for
from llm_monitoring.web.pages.overview import tag_names
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False)

MOST_PROMPTS: Final = 25
SAVED: Final = ("note_added", "note_removed")
NoteId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(slots=True)
class Day:
    """What happened on one day; `missing` are answers without one by provider, with the reasons of each."""

    day: date
    notes: list[Note] = field(default_factory=list)
    models: list[ModelChange] = field(default_factory=list)
    edits: list[ProjectChange] = field(default_factory=list)
    missing: dict[str, list[Failures]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Moved:
    """A prompt that changed beyond noise; `answers` are all of the period's, None if the change is of some of them."""

    text: str
    change: PromptChange
    answers: int | None


@router.get("/projects/{project_id}/changes")
def show_changes(
    request: Request,
    here: Annotated[ProjectVisitor, on_page("figures:read")],
    filters: Given,
    saved: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """What changed from one period to the next, and on which day."""
    return page(request, here, filters, Form(), saved=saved)


@router.post("/projects/{project_id}/changes")
def add_note(
    request: Request, here: Annotated[ProjectVisitor, on_page("projects:write")], filters: Given, form: Sent
) -> Response:
    """Note one's own work on a day."""
    try:
        day = date.fromisoformat(form.text("day"))
    except ValueError:
        return page(request, here, filters, form.refused(day="day"))
    written: Written = (day, form.text("text"), ("person", here.visitor.user_id))
    try:
        here.visitor.change(lambda app: store_note(app, here.visitor.actor, here.project_id, written))
    except Invalid:
        return page(request, here, filters, form.refused(text="text"))
    return done(filters.link(request.url.path, saved=SAVED[0]))


@router.post("/projects/{project_id}/changes/notes/{note_id}/remove")
def remove_note(
    note_id: NoteId, here: Annotated[ProjectVisitor, on_page("projects:write")], filters: Given
) -> Response:
    """Remove a note."""
    here.visitor.change(lambda app: withdraw_note(app, here.visitor.actor, here.project_id, note_id))
    return done(filters.link(f"/projects/{here.project_id}/changes", saved=SAVED[1]))


def page(request: Request, here: ProjectVisitor, filters: Filters, form: Form, *, saved: str = "") -> Response:
    project = projects.find(here.app.db, here.project_id)
    today = schedule_day(here.app.settings)
    period, compared = filters.periods(measured_days(here.app.db, project.id), today)
    refuse_long(period)
    refuse_long(compared)
    wanted = PeriodRequest(project.id, period, compared, filters.provider, filters.tag)
    measured = figures_for(request, here, wanted)
    days = timeline(here, filters, measured, Period(min(period.first, compared.first), max(period.last, today)))
    return render(
        request,
        "changes.html",
        status=422 if form.errors else 200,
        here=here,
        project=project,
        filters=filters,
        bar=FilterBar(f"/projects/{project.id}/changes", filters, period, compared, project.providers, tag_names(here)),
        links=Links(project.id, filters, period),
        before=Links(project.id, filters, compared),
        measured=measured,
        moved=moved(here, measured),
        days=days,
        noted=[each.day for each in days if each.notes],
        form=form,
        today=today,
        longest=LONGEST_NOTE,
        saved=saved if saved in SAVED else "",
    )


def moved(here: ProjectVisitor, measured: StoredFigures) -> list[Moved]:
    """The prompts that changed beyond noise, most changed first."""
    texts = {row["id"]: row["query_text"] for row in projects.list_prompts(here.app.db, here.project_id)}
    changed = [each for each in measured.by_prompt if each.verdict in ("up", "down")][:MOST_PROMPTS]
    return [
        Moved(
            texts.get(each.query_id, ""),
            each,
            each.answers if measured.answers_by_prompt.get(each.query_id) == each.answers else None,
        )
        for each in changed
    ]


def timeline(here: ProjectVisitor, filters: Filters, measured: StoredFigures, span: Period) -> list[Day]:
    """What happened between the first day of both periods and today, the latest day first."""
    days: dict[date, Day] = {}

    def on(day: date) -> Day:
        return days.setdefault(day, Day(day))

    for note in notes.notes(here.app.db, here.project_id, span.first, span.last):
        on(note.day).notes.append(note)
    for model in measured.model_changes:
        on(model.day).models.append(model)
    for failure in failures(here, filters, span):
        on(failure.day).missing[failure.provider].append(failure)
    if here.is_owner:
        zone = here.app.settings.timezone
        for edit in project_changes(here.app.db, here.project_id, span.first, span.last, zone):
            on(edit.day).edits.append(edit)
    return sorted(days.values(), key=lambda each: each.day, reverse=True)


def failures(here: ProjectVisitor, filters: Filters, span: Period) -> Sequence[Failures]:
    found = read_failures(here.app.db, here.project_id, span, filters.tag)
    return [each for each in found if filters.provider in (None, each.provider)]
