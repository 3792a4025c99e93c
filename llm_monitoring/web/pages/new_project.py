"""A new project: its brand and competitors, with what may mislead in their names before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response

from llm_monitoring import analysis, edits, projects
from llm_monitoring.access.projects import may_create
from llm_monitoring.analysis import Doubt
from llm_monitoring.domain import PACES, PROVIDERS
from llm_monitoring.errors import BadInput
from llm_monitoring.projects import NewProject
from llm_monitoring.web.api.projects import new_project
from llm_monitoring.web.api.schemas import ProjectBody
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.forms import Form, Sent, done
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.pages.words import page_language
from llm_monitoring.web.patching import accepted
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import Visitor, signed_in

router: Final = APIRouter(include_in_schema=False, prefix="/new-project")

Person = Annotated[Visitor, signed_in()]


@router.get("")
def show_form(request: Request, visitor: Person) -> Response:
    """An empty form, for every assistant and in the language of the page."""
    owner_of(visitor)
    language = page_language(request)
    return page(request, visitor, Form({"language": (language,), "providers": PROVIDERS, "samples_per_query": ("1",)}))


@router.post("")
def create(request: Request, visitor: Person, form: Sent) -> Response:
    """Check the names of a project, or store it and go on to its settings, where prompts are added."""
    user_id = owner_of(visitor)
    try:
        new = new_project(accepted(ProjectBody, fields_of(form)), user_id)
        projects.check_definition(new)
        if form.text("act") == "check":
            return page(request, visitor, form, doubts_of(new))
        project_id = edits.add_project(visitor.app.db, visitor.actor, new)
    except (Problem, BadInput) as exc:
        return page(request, visitor, form.refused(**errors_of(request, exc, "name")))
    return done(f"/projects/{project_id}/settings?saved=created")


def owner_of(visitor: Visitor) -> int:
    """The user who will own the project; raises Problem for one who only looks at projects of others."""
    if visitor.user_id is None or not may_create(visitor.app.db, visitor.user_id):
        raise Problem("not_found")
    return visitor.user_id


def fields_of(form: Form) -> dict[str, Any]:
    """The form as the body of a new project."""
    lists = {name: form.lines(name) for name in ("aliases", "domains")}
    return {
        "name": form.text("name") or form.text("brand"),
        "brand": {"name": form.text("brand"), **lists, "case_sensitive": form.is_on("case_sensitive")},
        "competitors": [{"name": each} for each in form.lines("competitors")],
        "industry": form.text("industry"),
        "language": form.text("language"),
        "country": form.text("country") or None,
        "providers": list(form.all("providers")),
        "web_search": form.is_on("web_search"),
        "samples_per_query": form.text("samples_per_query"),
        "pace": form.text("pace", "punctual"),
    }


def doubts_of(new: NewProject) -> Sequence[Doubt]:
    """What may mislead in the names, in the project's language and English."""
    languages = dict.fromkeys((new.language.partition("-")[0], "en"))
    return analysis.doubts((new.brand, *new.competitors), languages)


def page(request: Request, visitor: Visitor, form: Form, doubts: Sequence[Doubt] | None = None) -> Response:
    return render(
        request,
        "new_project.html",
        status=422 if form.errors else 200,
        visitor=visitor,
        form=form,
        doubts=doubts,
        providers=PROVIDERS,
        paces=PACES,
    )
