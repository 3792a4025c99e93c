"""The page on which stored answers are read again with the present names: what it touches, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from llm_monitoring import projects
from llm_monitoring.answers import reanalysis_jobs
from llm_monitoring.answers.reanalysis_jobs import ReanalysisJob
from llm_monitoring.projects import Project, fingerprints
from llm_monitoring.web.api.reanalysis import place, state_of, wake, withdraw
from llm_monitoring.web.pages.forms import Sent, done
from llm_monitoring.web.pages.measuring import awaited
from llm_monitoring.web.pages.name_preview import NamePreview, preview_names
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False, prefix="/projects/{project_id}/reanalysis")

Owner = Annotated[ProjectVisitor, on_page("projects:write")]


@dataclass(frozen=True, slots=True)
class ReanalysisOffer:
    """What other pages say of a project's stale answers: how many there are, and the job that reads them."""

    stale: int
    job: ReanalysisJob | None


def offer_of(here: ProjectVisitor, project: Project) -> ReanalysisOffer | None:
    """The offer to read answers again, for the owner; None if no answer is stale and no job is open."""
    if not here.is_owner or here.is_archived:
        return None
    latest = reanalysis_jobs.latest(here.app.db, project.id)
    job = latest if latest is not None and latest.is_open else None
    stale = fingerprints.stale_answers(here.app.db, project)
    return ReanalysisOffer(stale, job) if stale or job else None


@router.get("")
def show_reanalysis(request: Request, here: Owner, preview: Annotated[str, Query(max_length=2)] = "") -> Response:
    """What a reanalysis would read, the preview over the latest answers if it is asked for, and the latest job."""
    project = projects.find(here.app.db, here.project_id)
    state = state_of(here.app.db, project.id)
    is_previewed = preview == "on" and state.plan.stale > 0
    return render(
        request,
        "reanalysis.html",
        here=here,
        project=project,
        state=state,
        path=request.url.path,
        is_previewed=is_previewed,
        preview=preview_of(request, here, project) if is_previewed else None,
    )


@router.post("")
def start(request: Request, here: Owner) -> Response:
    """Read the stale answers again."""
    here.visitor.change(lambda app: place(app, here.visitor.actor, here.project_id))
    wake(request)
    return done(f"/projects/{here.project_id}/reanalysis")


@router.get("/stop")
def go_back(here: Owner) -> Response:
    """Where the form was sent to, there is the page that has it, as for a change of language."""
    return done(f"/projects/{here.project_id}/reanalysis")


@router.post("/stop")
def stop(here: Owner, form: Sent) -> Response:
    """Stop a reanalysis; what it has read stays read."""
    number = form.text("job")
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise Problem("not_found")
    here.visitor.change(lambda app: withdraw(app, here.visitor.actor, here.project_id, int(number)))
    return done(f"/projects/{here.project_id}/reanalysis")


def preview_of(request: Request, here: ProjectVisitor, project: Project) -> NamePreview | None:
    """What changes in the latest answers; raises PageInProgress while they are read."""
    key = ("reanalysis preview", project.id, fingerprints.fingerprint(project))
    return awaited(request, here, key, partial(preview_names, here.app.db, project))
