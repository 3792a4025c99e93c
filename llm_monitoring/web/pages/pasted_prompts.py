"""Prompts that were typed or pasted into a form: one a line, or cells of a sheet under their titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO

from fastapi import Request

from llm_monitoring import projects
from llm_monitoring.errors import Invalid
from llm_monitoring.projects import NewPrompt, SamePrompt
from llm_monitoring.projects.files.csv_files import read_sheet
from llm_monitoring.projects.files.prompt_files import is_titled, parse_prompts
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.forms import Form
from llm_monitoring.web.visitor import ProjectVisitor


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt to add with its line: `known` is the prompt with the same words, `problem` why it cannot be added."""

    line: int
    new: NewPrompt
    known: SamePrompt | None
    problem: str | None


def prompt_rows(request: Request, here: ProjectVisitor, form: Form) -> list[PromptRow]:
    """Each prompt of the form's field with what becomes of it; raises Invalid for ambiguous columns.

    The form's tags are of every prompt, next to those of its own row.
    """
    tags = projects.clean_tags(each for each in form.text("tags").split(",") if each.strip())
    found = [(line, tagged(new, tags)) for line, new in pasted(form.text("prompts"))]
    known = projects.match_known(here.app.db, here.project_id, [new for _, new in found])
    return [
        PromptRow(line, new, same, problem_of(request, new))
        for (line, new), (_, same) in zip(found, known, strict=True)
    ]


def pasted(text: str) -> Sequence[tuple[int, NewPrompt]]:
    """The prompts of a text with their lines; a title of prompts, or tabs as copied cells have, make it a table."""
    sheet = read_sheet(BytesIO(text.encode("utf-8", "backslashreplace")))
    return parse_prompts(sheet, one_a_line=not (is_titled(sheet) or sheet.delimiter == "\t")).prompts


def tagged(new: NewPrompt, tags: Sequence[str]) -> NewPrompt:
    return replace(new, tags=tuple(dict.fromkeys((*new.tags, *tags))))


def problem_of(request: Request, prompt: NewPrompt) -> str | None:
    try:
        projects.check_prompt(prompt)
        projects.clean_tags(prompt.tags)
    except Invalid as exc:
        return next(iter(errors_of(request, exc).values()))
    return None
