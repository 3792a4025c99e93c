"""The inbox of names: what answers list and no one tracks, to accept as a competitor or to dismiss."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.figures.periods import measured_days
from llm_monitoring.projects import fingerprints
from llm_monitoring.reporting.stored_tables import names_request
from llm_monitoring.web.api.competitors import store_competitor
from llm_monitoring.web.api.names import NO_NAMES, dismiss_as, preview_of, restore_as
from llm_monitoring.web.api.schemas import Text
from llm_monitoring.web.pages.filters import Filters
from llm_monitoring.web.pages.links import Links
from llm_monitoring.web.pages.measuring import awaited, measured_for
from llm_monitoring.web.pages.reanalysis import offer_of
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.stored_figures import NAMES
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False)

PATH: Final = "/projects/{project_id}/names"
NameText = Annotated[Text, Form()]
Spellings = Annotated[list[Text], Form(max_length=50)]
Owner = Annotated[ProjectVisitor, on_page("projects:write")]


@router.get(PATH)
def show_names(request: Request, here: Annotated[ProjectVisitor, on_page("answers:read")]) -> Response:
    """The names of the latest answers, most listed first; who follows a share link does not see what is undecided."""
    if here.role == "share":
        raise Problem("not_found")
    project = projects.find(here.app.db, here.project_id)
    wanted = names_request(here.app.db, project.id, None, None)
    listed = NO_NAMES if wanted is None else measured_for(request, here, NAMES, wanted)
    return render(
        request,
        "names.html",
        here=here,
        project=project,
        links=links_of(here),
        found=projects.without_dismissed(here.app.db, project.id, listed),
        offer=offer_of(here, project),
    )


@router.get(f"{PATH}/preview")
def show_preview(
    request: Request,
    here: Owner,
    name: Annotated[Text, Query()],
    alias: Annotated[list[Text] | None, Query(max_length=50)] = None,
) -> Response:
    """What tracking a name would change, with the button that does it."""
    project = projects.find(here.app.db, here.project_id)
    key = ("name preview", project.id, fingerprints.fingerprint(project), name, tuple(alias or ()))
    found = awaited(request, here, key, partial(preview_of, here, name, alias or ()))
    return render(
        request,
        "name_preview.html",
        here=here,
        project=project,
        links=links_of(here),
        found=found,
        aliases=alias or (),
    )


@router.post(f"{PATH}/accept")
def accept(here: Owner, name: NameText, alias: Spellings = []) -> Response:  # noqa: B006 - the framework copies it
    """Track a name as a competitor."""
    new = projects.make_entity(name, aliases=tuple(alias))
    here.visitor.change(lambda app: store_competitor(app, here.visitor.actor, here.project_id, new))
    return back(here)


@router.post(f"{PATH}/dismiss")
def dismiss(here: Owner, name: NameText) -> Response:
    """Offer a name no more."""
    here.visitor.change(lambda app: dismiss_as(app, here.visitor.actor, here.project_id, name))
    return back(here)


@router.post(f"{PATH}/restore")
def restore(here: Owner, name: NameText) -> Response:
    """Offer a name again."""
    here.visitor.change(lambda app: restore_as(app, here.visitor.actor, here.project_id, name))
    return back(here)


def links_of(here: ProjectVisitor) -> Links:
    filters = Filters()
    period, _ = filters.periods(measured_days(here.app.db, here.project_id), schedule_day(here.app.settings))
    return Links(here.project_id, filters, period)


def back(here: ProjectVisitor) -> Response:
    return RedirectResponse(PATH.format(project_id=here.project_id), 303, {"Cache-Control": "no-store"})
