"""Warns of providers that cannot be asked with web search."""

from __future__ import annotations

from llm_monitoring import projects, registry
from llm_monitoring.app import App
from llm_monitoring.cli.base.output import say
from llm_monitoring.process.hints import explain


def say_obstacles(app: App, project_id: int) -> None:
    """Print the providers of a project with web search that cannot be asked with it."""
    project = projects.find(app.db, project_id)
    if not project.web_search:
        return
    catalogue = registry.read_catalogue(app.db, app.errors)
    for obstacle in registry.search_obstacles(catalogue, project.providers, app.settings.max_searches):
        say(f"Not asked until it is fixed: {explain(obstacle)}")
