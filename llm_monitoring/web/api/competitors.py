"""The competitors of a project: listed, added, changed, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi import Body as RequestBody
from pydantic import BaseModel, Field

from llm_monitoring import edits, projects
from llm_monitoring.access.audit import Actor
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.errors import AlreadyExists
from llm_monitoring.projects import Project
from llm_monitoring.web.api.schemas import Body, EntityBody, Page
from llm_monitoring.web.conditional import HAS_IT, etag_of, require_match, respond
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import MOST, Cursor, Limit, decode, number, page
from llm_monitoring.web.patching import accepted, merged

router: Final = APIRouter(prefix="/projects/{project_id}/competitors", tags=["competitors"])

CompetitorName = Annotated[str, Path(min_length=1, max_length=255, description="The name, in any case of letters.")]


class CompetitorView(BaseModel):
    """A competitor: the words and sites that name it."""

    name: str
    aliases: list[str]
    domains: list[str]
    exclude: list[str]
    case_sensitive: bool


class CompetitorList(Body):
    """All competitors of a project, in their order."""

    competitors: list[EntityBody] = Field(max_length=MOST)


@router.get("", response_model=Page[CompetitorView], responses=HAS_IT)
def list_competitors(
    request: Request,
    here: Annotated[ProjectCaller, on_project("projects:read")],
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List the project's competitors in the order in which they were added. The ETag is that of the whole list."""
    filters = {"list": "competitors", "project": here.project_id}
    place = decode(cursor, filters, number)
    after = place[0] if place else 0
    views = views_of(projects.find(here.app.db, here.project_id))
    rows = [{**each, "place": number} for number, each in enumerate(views, 1)][after : after + limit + 1]
    found = Page[CompetitorView].model_validate(page(rows, limit, filters, ("place",)))
    return respond(request, found, etag_of(views))


@router.put("", response_model=Page[CompetitorView])
def replace_competitors(
    body: CompetitorList, request: Request, here: Annotated[ProjectCaller, on_project("projects:write")]
) -> Response:
    """Replace the whole list; needs If-Match with its ETag. Stored answers stay, and are counted by the new names."""
    entities = tuple(each.entity() for each in body.competitors)

    def work(app: App) -> list[dict[str, Any]]:
        def edit(current: Project) -> Sequence[Entity]:
            require_match(request, views_of(current), needed=True)
            return entities

        return views_of(edits.replace_competitors(app.db, here.caller.actor, here.project_id, edit))

    after = here.caller.change(work)
    return respond(request, {"data": after, "next_cursor": None}, etag_of(after))


def views_of(project: Project) -> list[dict[str, Any]]:
    return [projects.write_entity(each) for each in project.competitors]


@router.post("", status_code=201, response_model=CompetitorView)
def add_competitor(
    body: EntityBody,
    request: Request,
    response: Response,
    here: Annotated[ProjectCaller, on_project("projects:write")],
) -> Any:
    """Add a competitor; the project's figures count it from then on, in answers that are stored already too."""
    entity = body.entity()

    added = here.caller.change(lambda app: store_competitor(app, here.caller.actor, here.project_id, entity))
    response.headers["Location"] = f"{request.url.path}/{quote(entity.name, safe='')}"
    return added


@router.patch("/{name:path}", response_model=CompetitorView)
def change_competitor(
    name: CompetitorName,
    patch: Annotated[dict[str, Any], RequestBody(media_type="application/merge-patch+json")],
    here: Annotated[ProjectCaller, on_project("projects:write")],
) -> Any:
    """Change fields of a competitor (RFC 7396): a field that is left out stays, null takes its default.

    The former name stays as an alias, so that answers that use it still count, unless `aliases` are given.
    """

    def body_of(before: dict[str, Any]) -> EntityBody:
        return accepted(EntityBody, merged(before, patch))

    return here.caller.change(
        lambda app: alter_competitor(
            app, here.caller.actor, here.project_id, name, body_of, keep_old_name="aliases" not in patch
        )
    )


@router.delete("/{name:path}", status_code=204)
def remove_competitor(name: CompetitorName, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Remove a competitor from the project; stored answers stay."""

    here.caller.change(lambda app: withdraw_competitor(app, here.caller.actor, here.project_id, name))
    return Response(status_code=204)


def store_competitor(app: App, actor: Actor, project_id: int, entity: Entity) -> dict[str, Any]:
    """Add a competitor, with its record; raises AlreadyExists and Invalid."""
    if not projects.new_competitors(projects.find(app.db, project_id), [entity]):
        raise AlreadyExists("competitor", repr(entity.name))
    edits.add_competitor(app.db, actor, project_id, entity)
    return projects.write_entity(entity)


def alter_competitor(
    app: App,
    actor: Actor,
    project_id: int,
    name: str,
    body_of: Callable[[dict[str, Any]], EntityBody],
    *,
    keep_old_name: bool,
) -> dict[str, Any]:
    """Change a competitor, with its record; raises NotFound and Invalid."""
    before = projects.write_entity(projects.find_competitor(projects.find(app.db, project_id), name))
    body = body_of(before)
    fields = body.model_dump(exclude={"name"})
    changed = edits.edit_competitor(app.db, actor, project_id, name, fields, body.name, keep_old_name=keep_old_name)
    return projects.write_entity(changed)


def withdraw_competitor(app: App, actor: Actor, project_id: int, name: str) -> None:
    """Remove a competitor, with its record; raises NotFound."""
    edits.remove_competitor(app.db, actor, project_id, name)
