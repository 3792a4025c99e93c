"""The prompts of a project: listed, added up to 500 at once, changed, removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi import Body as RequestBody
from pydantic import BaseModel, Field

from llm_monitoring import edits, projects
from llm_monitoring.access.audit import Actor
from llm_monitoring.app import App
from llm_monitoring.db import Database
from llm_monitoring.web.api.schemas import Body, Page, Tag
from llm_monitoring.web.conditional import HAS_IT, require_match, respond
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page
from llm_monitoring.web.problems import FieldError, Problem

router: Final = APIRouter(prefix="/projects/{project_id}/prompts", tags=["prompts"])

MOST_AT_ONCE: Final = 500
PromptId = Annotated[int, Path(ge=1, le=2**31 - 1, description="The prompt's number.")]
PromptText = Annotated[str, Field(min_length=1, max_length=4000)]
Tags = Annotated[list[str], Field(max_length=projects.MOST_TAGS, description="Groups of prompts, in small letters.")]
PromptType = Annotated[str, Field(min_length=1, max_length=50)]


class PromptView(BaseModel):
    """A prompt as it is stored."""

    id: int
    query_text: str
    language: str | None
    query_type: str | None
    is_active: bool
    tags: Tags


class NewPrompt(Body):
    """A prompt to add; without `language` it has its project's."""

    query_text: PromptText
    language: str | None = Field(default=None, max_length=35)
    query_type: PromptType = "general"
    tags: Tags = Field(default=[])


class NewPrompts(Body):
    """Prompts to add, all or none."""

    prompts: list[NewPrompt] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Added(BaseModel):
    """How many prompts were new, and how many the project had already."""

    added: int
    known: int


class PromptChange(Body):
    """Fields to change: the words of a prompt that was asked stay, as its figures belong to them."""

    query_text: PromptText | None = None
    language: str | None = Field(default=None, max_length=35)
    query_type: PromptType | None = None
    is_active: bool | None = None
    tags: Tags | None = Field(default=None, description="All tags of the prompt: others are removed.")


@router.get("", response_model=Page[PromptView], responses=HAS_IT)
def list_prompts(
    request: Request,
    here: Annotated[ProjectCaller, on_project("projects:read")],
    *,
    tag: Tag = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List the project's prompts, those that are paused included, all or those with a tag."""
    return respond(request, page_of(here, limit, cursor, tag))


def page_of(here: ProjectCaller, limit: int, cursor: str | None, tag: str | None = None) -> Page[PromptView]:
    filters = {"list": "prompts", "project": here.project_id, **({"tag": tag} if tag else {})}
    place = decode(cursor, filters, number)
    after = place[0] if place else 0
    rows = [
        row
        for row in projects.list_prompts(here.app.db, here.project_id)
        if row["id"] > after and (tag is None or tag in row["tags"])
    ]
    return Page[PromptView].model_validate(page(rows[: limit + 1], limit, filters, ("id",)))


@router.get("/{prompt_id}", response_model=PromptView, responses=HAS_IT)
def show_prompt(
    prompt_id: PromptId, request: Request, here: Annotated[ProjectCaller, on_project("projects:read")]
) -> Response:
    """Show a prompt."""
    return respond(request, view_of(here.app.db, here.project_id, prompt_id))


@router.post("", status_code=201, response_model=Added)
def add_prompts(body: NewPrompts, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Added:
    """Add prompts, all or none; one that the project has already is left alone, so it may be sent again."""
    new = [
        projects.NewPrompt(each.query_text, each.language, each.query_type, tuple(each.tags)) for each in body.prompts
    ]
    return here.caller.change(lambda app: store_prompts(app, here.caller.actor, here.project_id, new))


def store_prompts(app: App, actor: Actor, project_id: int, new: Sequence[projects.NewPrompt]) -> Added:
    """Add prompts, all or none, with the record; raises Invalid."""
    added, known = edits.add_prompts(app.db, actor, project_id, new)
    return Added(added=added, known=known)


@router.patch("/{prompt_id}", response_model=PromptView)
def change_prompt(
    prompt_id: PromptId,
    body: Annotated[PromptChange, RequestBody(media_type="application/merge-patch+json")],
    request: Request,
    here: Annotated[ProjectCaller, on_project("projects:write")],
) -> Response:
    """Change a prompt, or pause and resume it (RFC 7396): a field that is left out stays, null takes its default."""

    def work(app: App) -> PromptView:
        projects.hold(app.db, here.project_id)
        require_match(request, view_of(app.db, here.project_id, prompt_id), needed=False)
        return alter_prompt(app, here.caller.actor, here.project_id, prompt_id, body)

    return respond(request, here.caller.change(work))


def alter_prompt(app: App, actor: Actor, project_id: int, prompt_id: int, body: PromptChange) -> PromptView:
    """Change a prompt, with the record; raises NotFound, NotReady and Invalid."""
    edits.change_prompts(app.db, actor, project_id, [prompt_id], lambda db: edit(db, project_id, prompt_id, body))
    return view_of(app.db, project_id, prompt_id)


def edit(db: Database, project_id: int, prompt_id: int, body: PromptChange) -> None:
    """Make the changes of a patch; raises NotReady if it has other words for a prompt that was asked."""
    project, before = projects.find(db, project_id), view_of(db, project_id, prompt_id)
    defaults: dict[str, Any] = {"language": project.language, "query_type": "general", "is_active": True, "tags": []}
    patch = body.model_dump(exclude_unset=True)
    patch |= {name: defaults.get(name) for name, value in patch.items() if value is None}
    if patch.get("query_text", before.query_text) is None:
        raise Problem("invalid", errors=[FieldError("/query_text", "a prompt has words")])
    new = {name: value for name, value in patch.items() if value != getattr(before, name)}
    if new.keys() & {"query_text", "language", "query_type"}:
        projects.edit_prompt(
            db, project_id, before.id, new.get("query_text"), new.get("language"), new.get("query_type")
        )
    if "is_active" in new:
        projects.set_prompts_active(db, project_id, [before.id], new["is_active"])
    if "tags" in new:
        projects.set_tags(db, project_id, before.id, new["tags"])


def view_of(db: Database, project_id: int, prompt_id: int) -> PromptView:
    return PromptView.model_validate(projects.find_prompt(db, project_id, prompt_id))


@router.delete("/{prompt_id}", status_code=204)
def remove_prompt(prompt_id: PromptId, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Remove a prompt that was never asked; one that was asked is paused instead."""

    here.caller.change(lambda app: withdraw_prompt(app, here.caller.actor, here.project_id, prompt_id))
    return Response(status_code=204)


def withdraw_prompt(app: App, actor: Actor, project_id: int, prompt_id: int) -> None:
    """Remove a prompt that was never asked, with the record; raises NotFound and NotReady."""
    edits.remove_prompts(app.db, actor, project_id, [prompt_id])
