"""Checks of stored definitions that would be refused today, as a host application may have stored them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_monitoring import projects
from llm_monitoring.db import Database, RowErrors
from llm_monitoring.errors import Invalid
from llm_monitoring.health.check_result import CheckResult, yellow
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.projects import NewPrompt, Project, check_prompt, problems

SHOWN: Final = 5


def definition_problems(db: Database, project: Project) -> list[str]:
    """The problems of a stored definition and of its prompts; the project is measured nevertheless."""
    found = [problem.text for problem in problems(project)]
    for row in projects.list_prompts(db, project.id):
        try:
            check_prompt(NewPrompt(row["query_text"], None, row["query_type"] or "general"))
        except Invalid as exc:
            found.append(f"prompt {row['id']}: {exc}")
    return found


def definitions(db: Database) -> Iterator[CheckResult]:
    """The active projects with such problems."""
    for row in projects.active(db):
        with RowErrors().guard("read_project", f"#{row['id']}"):
            project = projects.read_project(row)
            found = definition_problems(db, project)
            if found:
                more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
                message = f"{project.id} {project.name}: {'; '.join(found[:SHOWN])}{more}"
                yield yellow("project", message, f"`{PROGRAM} projects check {project.id}`, then `projects edit`")
