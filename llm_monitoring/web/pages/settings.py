"""The settings of a project, for its owner: what it asks, its names with a preview, its prompts, what was changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from llm_monitoring import edits, projects
from llm_monitoring.access import audit
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.domain import PACES, PROVIDERS
from llm_monitoring.errors import BadInput, Invalid
from llm_monitoring.projects import Project, prompt_ideas
from llm_monitoring.web.api.competitors import alter_competitor, store_competitor, withdraw_competitor
from llm_monitoring.web.api.economy import present_steps
from llm_monitoring.web.api.exports import prompts_file
from llm_monitoring.web.api.projects import alter_project
from llm_monitoring.web.api.prompts import PromptChange, alter_prompt, store_prompts, withdraw_prompt
from llm_monitoring.web.api.schemas import EntityBody, ProjectBody, ProjectView
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.forms import Form, Sent, done
from llm_monitoring.web.pages.name_preview import NamePreview, preview_names
from llm_monitoring.web.pages.pasted_prompts import PromptRow, prompt_rows
from llm_monitoring.web.pages.reanalysis import offer_of
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.patching import accepted
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False, prefix="/projects/{project_id}/settings")

Here = Annotated[ProjectVisitor, on_page("projects:write")]
PromptId = Annotated[int, Path(ge=1, le=2**31 - 1)]
Word = Annotated[str, Query(max_length=255)]
BRAND: Final = "brand"
NEW: Final = "new"
STATES: Final = ("pause", "resume", "archive", "restore")
SAVED: Final = ("created", "project", "names", "removed", "prompts", "prompt", *STATES)
MOST_PROMPTS: Final = 500
MOST_PROPOSED: Final = 50
MOST_CHANGES: Final = 30
ROWS: Final = 100  # prompts a page


@dataclass(frozen=True, slots=True)
class Shown:
    """The forms of the page as they were typed, and what was found out about them."""

    project: Form | None = None
    entity: Form | None = None
    preview: NamePreview | None = None
    is_previewed: bool = False
    prompts: Form = field(default_factory=Form)
    rows: Sequence[PromptRow] = ()
    saved: str = ""

    @property
    def status(self) -> int:
        forms = (self.project, self.entity, self.prompts)
        return 422 if any(form and form.errors for form in forms) else 200


@router.get("")
def show_settings(
    request: Request,
    here: Here,
    edit: Word = "",
    generate: Annotated[int, Query(ge=0, le=MOST_PROPOSED)] = 0,
    saved: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The settings; `edit` is `brand`, `new` or `=` with a competitor's name; `generate` proposes so many prompts."""
    project = projects.find(here.app.db, here.project_id)
    shown = Shown(entity=entity_form(project, edit) if edit else None, saved=saved if saved in SAVED else "")
    return page(request, here, replace(shown, prompts=proposed(here, generate)) if generate else shown)


@router.get("/project")
@router.get("/state")
@router.get("/names")
@router.get("/names/remove")
@router.get("/prompts")
def go_back(here: Here) -> Response:
    """Where a form was sent to, there is the page that has it, as for a change of language."""
    return done(f"/projects/{here.project_id}/settings")


@router.post("/project")
def change_project(request: Request, here: Here, form: Sent) -> Response:
    """Change what the project asks."""
    fields = {
        "name": form.text("name"),
        "industry": form.text("industry"),
        "language": form.text("language"),
        "country": form.text("country") or None,
        "providers": list(form.all("providers")),
        "web_search": form.is_on("web_search"),
        "samples_per_query": form.text("samples_per_query"),
        **({"pace": form.text("pace")} if form.text("pace") else {}),
    }

    def body_of(before: ProjectView) -> ProjectBody:
        return accepted(ProjectBody, {**before.model_dump(include=set(ProjectBody.model_fields)), **fields})

    return attempt(
        request,
        here,
        lambda app: alter_project(app, here.visitor.actor, here.project_id, body_of, is_archived=here.is_archived),
        "project",
        lambda errors: Shown(project=form.refused(**errors)),
    )


@router.post("/state")
def change_state(here: Here, form: Sent) -> Response:
    """Pause, resume, archive or restore the project; it is archived only by who says to be sure."""
    db, actor, act = here.app.db, here.visitor.actor, form.text("act")
    if act not in STATES or (act == "archive" and not form.is_on("sure")):
        raise Problem("bad_request")
    if act == "archive":
        edits.archive_project(db, actor, here.project_id)
    elif act == "restore":
        edits.restore_project(db, actor, here.project_id)
    else:
        edits.set_active(db, actor, here.project_id, act == "resume")
    return done(f"/projects/{here.project_id}/settings?saved={act}#state")


@router.post("/names")
def change_names(request: Request, here: Here, form: Sent) -> Response:
    """Preview or store other names of the brand or of a competitor."""
    project = projects.find(here.app.db, here.project_id)
    try:
        body = accepted(EntityBody, entity_fields(form))
        edited = with_entity(project, form.text("edit"), body.entity())
    except (Problem, BadInput) as exc:
        return page(request, here, Shown(entity=form.refused(**errors_of(request, exc, "name"))))
    if form.text("act") == "preview":
        return page(request, here, Shown(entity=form, preview=preview_names(here.app.db, edited), is_previewed=True))
    return attempt(
        request,
        here,
        lambda app: store_names(app, here, project, form.text("edit"), body),
        "names",
        lambda errors: Shown(entity=form.refused(**errors)),
    )


@router.post("/names/remove")
def remove_names(request: Request, here: Here, form: Sent) -> Response:
    """Remove a competitor."""
    name = name_in(form.text("edit"))
    return attempt(
        request,
        here,
        lambda app: withdraw_competitor(app, here.visitor.actor, here.project_id, name),
        "removed",
        lambda errors: Shown(),
    )


@router.get("/prompts.csv")
def download_prompts(request: Request, here: Here) -> Response:
    """The prompts with their tags as a sheet."""
    assert here.visitor.user_id is not None
    return prompts_file(request, here.app, here.project_id, here.visitor.user_id)


@router.post("/prompts")
def add_prompts(request: Request, here: Here, form: Sent) -> Response:
    """Preview or add prompts, one a line or cells of a sheet, all or none."""
    try:
        rows = prompt_rows(request, here, form)
    except Invalid as exc:
        (text,) = errors_of(request, exc).values()
        return page(request, here, Shown(prompts=form.refused(**{"tags" if exc.field == "tags" else "prompts": text})))
    if not rows or len(rows) > MOST_PROMPTS:
        return page(request, here, Shown(prompts=form.refused(prompts="number")))
    if any(row.problem for row in rows):
        return page(request, here, Shown(prompts=form.refused(prompts="rows"), rows=rows))
    if form.text("act") == "preview":
        return page(request, here, Shown(prompts=form, rows=rows))
    new = [row.new for row in rows]
    return attempt(
        request,
        here,
        lambda app: store_prompts(app, here.visitor.actor, here.project_id, new),
        "prompts",
        lambda errors: Shown(prompts=form.refused(prompts="rows"), rows=rows),
    )


@router.post("/prompts/{prompt_id}")
def change_prompt(request: Request, prompt_id: PromptId, here: Here, form: Sent) -> Response:
    """Pause, resume or remove a prompt; one that was asked is not removed."""
    actor = here.visitor.actor

    def work(app: App) -> None:
        if form.text("act") == "remove":
            withdraw_prompt(app, actor, here.project_id, prompt_id)
        else:
            change = PromptChange(is_active=form.text("act") == "resume")
            alter_prompt(app, actor, here.project_id, prompt_id, change)

    return attempt(request, here, work, "prompt", lambda errors: Shown(prompts=form.refused(prompt=str(prompt_id))))


def attempt(
    request: Request,
    here: ProjectVisitor,
    work: Callable[[App], Any],
    saved: str,
    refused: Callable[[dict[str, str]], Shown],
) -> Response:
    """Change something and lead back to the page, or show what is wrong next to what was typed."""
    try:
        here.visitor.change(work)
    except (Problem, BadInput) as exc:
        if isinstance(exc, Problem) and not exc.errors:
            raise
        return page(request, here, refused(errors_of(request, exc, "name")))
    number = page_number(request)
    return done(f"/projects/{here.project_id}/settings?saved={saved}{f'&page={number}' if number > 1 else ''}")


def page_number(request: Request) -> int:
    """Which page of the prompts an address means: the first if it names none."""
    text = request.query_params.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


def page(request: Request, here: ProjectVisitor, shown: Shown) -> Response:
    project = projects.find(here.app.db, here.project_id)
    assert here.visitor.user_id is not None
    path = f"/projects/{project.id}/settings"
    prompts = projects.list_prompts(here.app.db, project.id)
    last = -(-len(prompts) // ROWS) or 1
    number = min(page_number(request), last)
    return render(
        request,
        "settings.html",
        status=shown.status,
        here=here,
        project=project,
        shown=shown,
        form=shown.project or project_form(project),
        providers=PROVIDERS,
        paces=PACES,
        prompts=prompts[ROWS * (number - 1) : ROWS * number],
        prompt_count=len(prompts),
        number=number,
        pages=[(each, f"{path}?page={each}#prompts", each == number) for each in range(1, last + 1)],
        can_generate=project.language.partition("-")[0] in prompt_ideas.LANGUAGES,
        changes=audit.entries(
            here.app.db, here.visitor.user_id, project_ids=[project.id], before_id=None, limit=MOST_CHANGES
        ),
        path=path,
        offer=offer_of(here, project),
        held=present_steps(here.app, project.id),
    )


def project_form(project: Project) -> Form:
    return Form(
        {
            "name": (project.name,),
            "industry": (project.industry,),
            "language": (project.language,),
            "country": (project.country or "",),
            "providers": project.providers,
            "web_search": ("on" if project.web_search else "",),
            "samples_per_query": (str(project.samples_per_query),),
            "pace": (project.pace,),
        }
    )


def entity_form(project: Project, edit: str) -> Form:
    """The form of an entity; raises NotFound for a competitor that the project does not have."""
    if edit == NEW:
        return Form({"edit": (edit,)})
    entity = project.brand if edit == BRAND else projects.find_competitor(project, name_in(edit))
    return Form(
        {
            "edit": (edit,),
            "name": (entity.name,),
            "aliases": ("\n".join(entity.aliases),),
            "domains": ("\n".join(entity.domains),),
            "exclude": ("\n".join(entity.exclude),),
            "case_sensitive": ("on" if entity.case_sensitive else "",),
        }
    )


def name_in(edit: str) -> str:
    """The name of the competitor that is edited."""
    return edit.removeprefix("=")


def entity_fields(form: Form) -> dict[str, Any]:
    lists = {name: form.lines(name) for name in ("aliases", "domains", "exclude")}
    return {"name": form.text("name"), **lists, "case_sensitive": form.is_on("case_sensitive")}


def with_entity(project: Project, edit: str, entity: Entity) -> Project:
    """The project with other names of one entity; raises NotFound for a competitor that it does not have."""
    if edit == BRAND:
        return replace(project, brand=entity)
    if edit == NEW:
        return replace(project, competitors=(*project.competitors, entity))
    old = projects.find_competitor(project, name_in(edit))
    return replace(project, competitors=tuple(entity if each is old else each for each in project.competitors))


def store_names(app: App, here: ProjectVisitor, project: Project, edit: str, body: EntityBody) -> None:
    """Store the names of one entity; a former name stays as another spelling, so that its answers still count."""
    actor = here.visitor.actor
    if edit == NEW:
        store_competitor(app, actor, project.id, body.entity())
    elif edit == BRAND:
        former = project.brand.name
        known = {each.casefold() for each in (body.name, *body.aliases)}
        kept = body if former.casefold() in known else body.model_copy(update={"aliases": [*body.aliases, former]})

        def with_brand(before: ProjectView) -> ProjectBody:
            present = accepted(ProjectBody, before.model_dump(include=set(ProjectBody.model_fields)))
            return present.model_copy(update={"brand": kept})

        alter_project(app, actor, project.id, with_brand, is_archived=here.is_archived)
    else:
        alter_competitor(app, actor, project.id, name_in(edit), lambda before: body, keep_old_name=True)


def proposed(here: ProjectVisitor, count: int) -> Form:
    """Prompts that the project does not have, to be read and added."""
    try:
        found = prompt_ideas.propose(here.app.db, here.project_id, count)
    except Invalid:
        return Form().refused(prompts="language")
    return Form({"prompts": ("\n".join(each.text for each in found.queries),)})
