"""Checks of projects with web search: the providers that cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator

from llm_monitoring import projects, registry
from llm_monitoring.db import Database, RowErrors
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.health.check_result import CheckResult, yellow
from llm_monitoring.process.hints import explain
from llm_monitoring.projects import Project
from llm_monitoring.settings import Settings

SHOWN = 5


def searches(db: Database, settings: Settings) -> Iterator[CheckResult]:
    """The providers that active projects with web search cannot ask."""
    catalogue = registry.read_catalogue(db, RowErrors())
    searching = list(projects_with_search(db))
    for provider in PROVIDERS:
        affected = [project for project in searching if provider in project.providers]
        for obstacle in registry.search_obstacles(catalogue, [provider] if affected else [], settings.max_searches):
            yield yellow("web search", f"{named(affected)} get no answers of {provider}", explain(obstacle))


def projects_with_search(db: Database) -> Iterator[Project]:
    for row in projects.active(db):
        with RowErrors().guard("read_project", f"#{row['id']}"):
            project = projects.read_project(row)
            if project.web_search:
                yield project


def named(affected: list[Project]) -> str:
    """The numbers of the first projects."""
    more = f" and {len(affected) - SHOWN} more" if len(affected) > SHOWN else ""
    return f"projects {', '.join(f'#{project.id}' for project in affected[:SHOWN])}{more} with web search"
