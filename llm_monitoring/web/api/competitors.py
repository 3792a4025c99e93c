"""The competitors of a project: listed, added, changed, removed."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi import Body as RequestBody
from pydantic import BaseModel, ValidationError

from llm_monitoring import projects
from llm_monitoring.access import audit
from llm_monitoring.app import App
from llm_monitoring.errors import AlreadyExists
from llm_monitoring.web.api.projects import merged
from llm_monitoring.web.api.schemas import EntityBody, Page
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page
from llm_monitoring.web.problems import FieldError, Problem

router: Final = APIRouter(prefix="/projects/{project_id}/competitors", tags=["competitors"])

CompetitorName = Annotated[str, Path(min_length=1, max_length=255, description="The name, in any case of letters.")]


class CompetitorView(BaseModel):
    """A competitor: the words and sites that name it."""

    name: str
    aliases: list[str]
    domains: list[str]
    exclude: list[str]
    case_sensitive: bool


@router.get("", response_model=Page[CompetitorView])
def list_competitors(
    here: Annotated[ProjectCaller, on_project("projects:read")], *, limit: Limit = 50, cursor: Cursor = None
) -> Any:
    """List the project's competitors in the order in which they were added."""
    filters = {"list": "competitors", "project": here.project_id}
    place = decode(cursor, filters, number)
    after = place[0] if place else 0
    project = projects.find(here.app.db, here.project_id)
    rows = [{**projects.write_entity(each), "place": number} for number, each in enumerate(project.competitors, 1)]
    return page(rows[after : after + limit + 1], limit, filters, ("place",))


@router.post("", status_code=201, response_model=CompetitorView)
def add_competitor(
    body: EntityBody,
    request: Request,
    response: Response,
    here: Annotated[ProjectCaller, on_project("projects:write")],
) -> Any:
    """Add a competitor; the project's figures count it from then on, in answers that are stored already too."""
    entity = body.entity()

    def work(app: App) -> Any:
        if not projects.new_competitors(projects.find(app.db, here.project_id), [entity]):
            raise AlreadyExists("competitor", repr(entity.name))
        projects.add_competitor(app.db, here.project_id, entity)
        added = projects.write_entity(entity)
        audit.record(
            app.db, here.caller.actor, "competitor.add", project_id=here.project_id, object_id=entity.name, after=added
        )
        return added

    added = here.caller.change(work)
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

    def work(app: App) -> Any:
        before = projects.write_entity(projects.find_competitor(projects.find(app.db, here.project_id), name))
        body = patched(before, patch)
        fields = body.model_dump(exclude={"name"})
        project = projects.edit_competitor(
            app.db, here.project_id, name, fields, body.name, keep_old_name="aliases" not in patch
        )
        after = projects.write_entity(projects.find_competitor(project, body.name))
        audit.record(
            app.db,
            here.caller.actor,
            "competitor.change",
            project_id=here.project_id,
            object_id=before["name"],
            before=before,
            after=after,
        )
        return after

    return here.caller.change(work)


@router.delete("/{name:path}", status_code=204)
def remove_competitor(name: CompetitorName, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Remove a competitor from the project; stored answers stay."""

    def work(app: App) -> None:
        before = projects.write_entity(projects.find_competitor(projects.find(app.db, here.project_id), name))
        projects.remove_competitor(app.db, here.project_id, name)
        audit.record(
            app.db,
            here.caller.actor,
            "competitor.remove",
            project_id=here.project_id,
            object_id=before["name"],
            before=before,
        )

    here.caller.change(work)
    return Response(status_code=204)


def patched(current: dict[str, Any], patch: dict[str, Any]) -> EntityBody:
    """The competitor that a merge patch makes; raises Problem for a value that is not accepted."""
    try:
        return EntityBody.model_validate(merged(current, patch))
    except ValidationError as exc:
        errors = [FieldError("/" + "/".join(map(str, each["loc"])), each["msg"]) for each in exc.errors()]
        raise Problem("invalid", errors=errors) from exc
