"""Projects: create, list, show, change, archive, restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response

from llm_monitoring import edits, projects
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.projects import visible_projects
from llm_monitoring.access.requests import Reply
from llm_monitoring.app import App
from llm_monitoring.projects import NewProject, Project
from llm_monitoring.web.api.schemas import Page, ProjectBody, ProjectRow, ProjectView, project_view
from llm_monitoring.web.conditional import HAS_IT, require_match, respond
from llm_monitoring.web.guard import Caller, ProjectCaller, needs, on_project
from llm_monitoring.web.idempotency import Key, once
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page
from llm_monitoring.web.patching import accepted, merged
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(prefix="/projects", tags=["projects"])


@router.get("", response_model=Page[ProjectRow])
def list_projects(
    caller: Annotated[Caller, needs("projects:read")],
    *,
    archived: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """List the projects that the token reaches."""
    filters = {"list": "projects", "archived": archived}
    place = decode(cursor, filters, number)
    rows = visible_projects(
        caller.app.db,
        caller.user_id,
        project_ids=caller.token.project_ids,
        archived=archived,
        after_id=place[0] if place else 0,
        limit=limit + 1,
    )
    return page(rows, limit, filters, ("id",))


@router.post("", status_code=201, response_model=ProjectView)
def create_project(
    body: ProjectBody, request: Request, caller: Annotated[Caller, needs("projects:write")], key: Key = None
) -> Response:
    """Create a project of the token's user. A token that is narrowed to projects creates none."""
    if caller.token.project_ids is not None:
        raise Problem("scope_missing", "a token for named projects creates no project")

    def work(app: App) -> Reply:
        project_id = edits.add_project(app.db, caller.actor, new_project(body, caller.user_id))
        view = project_view(projects.find(app.db, project_id), "owner", is_archived=False)
        return Reply(201, view, {"Location": f"{request.url.path}/{project_id}"})

    return once(caller, key, request, body.model_dump_json().encode(), work)


@router.get("/{project_id}", response_model=ProjectView, responses=HAS_IT)
def show_project(request: Request, here: Annotated[ProjectCaller, on_project("projects:read")]) -> Response:
    """Show a project with the names that are counted."""
    return respond(request, view_of(here))


@router.put("/{project_id}", response_model=ProjectView)
def replace_project(
    body: ProjectBody, request: Request, here: Annotated[ProjectCaller, on_project("projects:write")]
) -> Response:
    """Replace a project's definition; needs If-Match with its ETag."""
    return change(request, here, lambda current: body, needed=True)


@router.patch("/{project_id}", response_model=ProjectView)
def change_project(
    patch: Annotated[dict[str, Any], Body(media_type="application/merge-patch+json")],
    request: Request,
    here: Annotated[ProjectCaller, on_project("projects:write")],
) -> Response:
    """Change fields of a project (RFC 7396): a field that is left out stays, null takes its default."""

    def patched(current: ProjectView) -> ProjectBody:
        return accepted(ProjectBody, merged(current.model_dump(include=set(ProjectBody.model_fields)), patch))

    return change(request, here, patched, needed=False)


@router.delete("/{project_id}", status_code=204)
def archive_project(here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Archive a project: it is asked no more, and everything that was measured stays."""
    edits.archive_project(here.app.db, here.caller.actor, here.project_id)
    return Response(status_code=204)


@router.post("/{project_id}/restore", response_model=ProjectView)
def restore_project(request: Request, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Restore an archived project; it stays paused until it is resumed."""
    edits.restore_project(here.app.db, here.caller.actor, here.project_id)
    return respond(request, view_of(replace(here, is_archived=False)))


@router.post("/{project_id}/pause", response_model=ProjectView)
def pause_project(request: Request, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Pause a project: it is asked no more from the next run on, and everything that was measured stays."""
    return switch(request, here, is_active=False)


@router.post("/{project_id}/resume", response_model=ProjectView)
def resume_project(request: Request, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Resume a project: the next run asks it again. One that was archived is restored by it."""
    return switch(request, here, is_active=True)


def switch(request: Request, here: ProjectCaller, *, is_active: bool) -> Response:
    edits.set_active(here.app.db, here.caller.actor, here.project_id, is_active)
    return respond(request, view_of(replace(here, is_archived=here.is_archived and not is_active)))


def change(
    request: Request, here: ProjectCaller, body_of: Callable[[ProjectView], ProjectBody], *, needed: bool
) -> Response:
    """Change a project as `body_of` makes it of the present one, which no other request changes meanwhile."""

    def body(before: ProjectView) -> ProjectBody:
        require_match(request, before, needed=needed)
        return body_of(before)

    def work(app: App) -> ProjectView:
        return alter_project(app, here.caller.actor, here.project_id, body, is_archived=here.is_archived)

    return respond(request, here.caller.change(work))


def alter_project(
    app: App, actor: Actor, project_id: int, body_of: Callable[[ProjectView], ProjectBody], *, is_archived: bool
) -> ProjectView:
    """Change a project as its owner, with the record."""

    def edit(current: Project) -> Project:
        return edited(current, body_of(project_view(current, "owner", is_archived=is_archived)))

    changed = edits.change_project(app.db, actor, project_id, edit)
    return project_view(changed, "owner", is_archived=is_archived)


def view_of(here: ProjectCaller) -> ProjectView:
    return project_view(projects.find(here.app.db, here.project_id), here.role, is_archived=here.is_archived)


def new_project(body: ProjectBody, user_id: int) -> NewProject:
    return NewProject(
        user_id=user_id,
        name=body.name,
        brand=body.brand.entity(),
        industry=body.industry,
        competitors=[each.entity() for each in body.competitors],
        language=body.language,
        country=body.country and body.country.upper(),
        providers=tuple(dict.fromkeys(body.providers)),
        web_search=body.web_search,
        samples_per_query=body.samples_per_query,
        pace=body.pace,
    )


def edited(current: Project, body: ProjectBody) -> Project:
    new = new_project(body, 0)  # of which the user is not taken over
    return replace(
        current,
        name=new.name,
        brand=new.brand,
        industry=new.industry,
        competitors=tuple(new.competitors),
        language=new.language,
        country=new.country,
        providers=tuple(new.providers),
        web_search=new.web_search,
        samples_per_query=new.samples_per_query,
        pace=new.pace,
    )
