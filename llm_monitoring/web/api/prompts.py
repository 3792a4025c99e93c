"""The prompts of a project: listed, added up to 500 at once, changed, removed."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from llm_monitoring import projects
from llm_monitoring.access import audit
from llm_monitoring.app import App
from llm_monitoring.web.api.schemas import Body, Page, Tag
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page

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


@router.get("", response_model=Page[PromptView])
def list_prompts(
    here: Annotated[ProjectCaller, on_project("projects:read")],
    *,
    tag: Tag = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """List the project's prompts, those that are paused included, all or those with a tag."""
    filters = {"list": "prompts", "project": here.project_id, **({"tag": tag} if tag else {})}
    place = decode(cursor, filters, number)
    after = place[0] if place else 0
    rows = [
        row
        for row in projects.list_prompts(here.app.db, here.project_id)
        if row["id"] > after and (tag is None or tag in row["tags"])
    ]
    return page(rows[: limit + 1], limit, filters, ("id",))


@router.post("", status_code=201, response_model=Added)
def add_prompts(body: NewPrompts, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Added:
    """Add prompts, all or none; one that the project has already is left alone, so it may be sent again."""
    new = [
        projects.NewPrompt(each.query_text, each.language, each.query_type, tuple(each.tags)) for each in body.prompts
    ]

    def work(app: App) -> Added:
        added, known = projects.add_all_prompts(app.db, here.project_id, new)
        audit.record(app.db, here.caller.actor, "prompts.add", project_id=here.project_id, after={"added": added})
        return Added(added=added, known=known)

    return here.caller.change(work)


@router.patch("/{prompt_id}", response_model=PromptView)
def change_prompt(
    prompt_id: PromptId, body: PromptChange, here: Annotated[ProjectCaller, on_project("projects:write")]
) -> Any:
    """Change a prompt, or pause and resume it."""

    def work(app: App) -> Any:
        before = projects.find_prompt(app.db, here.project_id, prompt_id)
        if body.model_fields_set - {"is_active", "tags"}:
            projects.edit_prompt(app.db, here.project_id, prompt_id, body.query_text, body.language, body.query_type)
        if body.is_active is not None:
            projects.set_prompts_active(app.db, here.project_id, [prompt_id], body.is_active)
        if body.tags is not None:
            projects.set_tags(app.db, here.project_id, prompt_id, body.tags)
        after = projects.find_prompt(app.db, here.project_id, prompt_id)
        audit.record(
            app.db,
            here.caller.actor,
            "prompt.change",
            project_id=here.project_id,
            object_id=prompt_id,
            before=before,
            after=after,
        )
        return after

    return here.caller.change(work)


@router.delete("/{prompt_id}", status_code=204)
def remove_prompt(prompt_id: PromptId, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Remove a prompt that was never asked; one that was asked is paused instead."""

    def work(app: App) -> None:
        before = projects.find_prompt(app.db, here.project_id, prompt_id)
        projects.remove_prompts(app.db, here.project_id, [prompt_id])
        audit.record(
            app.db, here.caller.actor, "prompt.remove", project_id=here.project_id, object_id=prompt_id, before=before
        )

    here.caller.change(work)
    return Response(status_code=204)
