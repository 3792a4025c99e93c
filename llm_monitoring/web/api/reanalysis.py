"""Reading stored answers again after names or rules changed: a job of the service, which asks no provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.answers import reanalysis, reanalysis_jobs
from llm_monitoring.answers.reanalysis import ReanalysisPlan
from llm_monitoring.answers.reanalysis_jobs import ReanalysisJob
from llm_monitoring.app import App
from llm_monitoring.db import Database
from llm_monitoring.web.context import Service
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(prefix="/projects/{project_id}/reanalysis", tags=["reanalysis"])

JobId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The job's number.")]


class JobView(BaseModel):
    """A reanalysis: `status` waiting, running, completed, failed or cancelled; `reason` is a code."""

    id: int
    project_id: int
    status: str
    reason: str | None
    answers: int = Field(description="Stale answers to read.")
    done: int = Field(description="Of these, how many are read.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ReanalysisView(BaseModel):
    """What a reanalysis would read now, and the latest one. It asks no provider and costs nothing."""

    stale_answers: int = Field(description="Stored answers that were read with former names or rules.")
    days: int = Field(description="Days of which answers or figures would be made again.")
    first: date | None = Field(serialization_alias="from")
    last: date | None = Field(serialization_alias="to")
    job: JobView | None


@dataclass(frozen=True, slots=True)
class ReanalysisState:
    """What is stale of a project, and its latest job."""

    plan: ReanalysisPlan
    job: ReanalysisJob | None

    @property
    def first(self) -> date | None:
        return self.plan.days[0].day if self.plan.days else None

    @property
    def last(self) -> date | None:
        return self.plan.days[-1].day if self.plan.days else None


def state_of(db: Database, project_id: int) -> ReanalysisState:
    return ReanalysisState(reanalysis.plan(db, project_id), reanalysis_jobs.latest(db, project_id))


@router.get("", response_model=ReanalysisView)
def show_reanalysis(here: Annotated[ProjectCaller, on_project("projects:read")]) -> ReanalysisView:
    """Show how many answers were read with former names or rules, and how far the latest reanalysis is."""
    return view_of(state_of(here.app.db, here.project_id))


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    responses={200: {"model": ReanalysisView, "description": "Nothing is stale."}},
)
def start_reanalysis(request: Request, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Read the stale answers again: 202 with the job's address. No provider is asked, and it costs nothing.

    While a reanalysis of the project is open, that one is answered: there is no second.
    """
    job = here.caller.change(lambda app: place(app, here.caller.actor, here.project_id))
    if job is None:
        return JSONResponse(jsonable_encoder(view_of(state_of(here.app.db, here.project_id))))
    wake(request)
    return JSONResponse(
        jsonable_encoder(job_view(job)), 202, headers={"Location": f"{request.url.path.rstrip('/')}/{job.id}"}
    )


@router.get("/{job_id}", response_model=JobView)
def show_job(job_id: JobId, here: Annotated[ProjectCaller, on_project("projects:read")]) -> JobView:
    """Show how far a reanalysis is; a reload and a restart find it as it is."""
    return job_view(find_job(here.app.db, here.project_id, job_id))


@router.delete("/{job_id}", status_code=204)
def stop_reanalysis(job_id: JobId, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Stop a reanalysis; what it has read stays read, and a new one reads the rest. One that is over stays as it is."""
    here.caller.change(lambda app: withdraw(app, here.caller.actor, here.project_id, job_id))
    return Response(status_code=204)


def place(app: App, actor: Actor, project_id: int) -> ReanalysisJob | None:
    """Ask for a reanalysis, with its record; None if nothing is stale."""
    plan = reanalysis.plan(app.db, project_id)
    if not plan.days:
        return None
    job, is_new = reanalysis_jobs.place(app.db, project_id, actor.user_id, plan)
    if is_new:
        after = {"answers": job.answers}
        audit.record(app.db, actor, "reanalysis.start", project_id=project_id, object_id=job.id, after=after)
    return job


def withdraw(app: App, actor: Actor, project_id: int, job_id: int) -> None:
    """Stop a reanalysis, with its record."""
    job = find_job(app.db, project_id, job_id)
    if reanalysis_jobs.cancel(app.db, job.id):
        audit.record(app.db, actor, "reanalysis.stop", project_id=project_id, object_id=job.id)


def wake(request: Request) -> None:
    """Have the service look for jobs at once."""
    service: Service = request.app.state.service
    service.reanalysis.wake.set()


def find_job(db: Database, project_id: int, job_id: int) -> ReanalysisJob:
    found = reanalysis_jobs.latest(db, project_id, job_id)
    if found is None:
        raise Problem("not_found")
    return found


def job_view(job: ReanalysisJob) -> JobView:
    return JobView(**{name: getattr(job, name) for name in JobView.model_fields})


def view_of(state: ReanalysisState) -> ReanalysisView:
    return ReanalysisView(
        stale_answers=state.plan.stale,
        days=len(state.plan.days),
        first=state.first,
        last=state.last,
        job=None if state.job is None else job_view(state.job),
    )
