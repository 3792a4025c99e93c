"""What projects hold that is not taken any more, as a host application may have stored it: said, and still measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_monitoring import projects
from llm_monitoring.db import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.errors import Invalid
from llm_monitoring.health.finding import CheckResult, yellow
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.projects.definition import NewPrompt, Project
from llm_monitoring.projects.validation import check_prompt, problems

SHOWN: Final = 5


def definition_problems(db: Database, project: Project) -> list[str]:
    """Limits, codes and sites of a project that the commands would refuse today, and prompts that are too long."""
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
                told = f"{project.id} {project.name}: {'; '.join(found[:SHOWN])}{more}"
                yield yellow("project", told, f"`{PROGRAM} projects check {project.id}`, then `projects edit`")
