"""Projects: brands, competitors, prompts and their users."""

from __future__ import annotations

from llm_monitoring.projects.definition import (
    NewProject,
    NewQuery,
    Project,
    UnreadableProject,
    read_project,
    write_entity,
)
from llm_monitoring.projects.people import add_user, find_user, users
from llm_monitoring.projects.prompts import add_all_queries, add_queries, queries, recognised, set_queries_active
from llm_monitoring.projects.store import (
    active,
    add,
    change,
    existing,
    find,
    holdings,
    mark_analysed,
    overview,
    remove,
    set_active,
)

__all__ = [
    "NewProject",
    "NewQuery",
    "Project",
    "UnreadableProject",
    "active",
    "add",
    "add_all_queries",
    "add_queries",
    "add_user",
    "change",
    "existing",
    "find",
    "find_user",
    "holdings",
    "mark_analysed",
    "overview",
    "queries",
    "read_project",
    "recognised",
    "remove",
    "set_active",
    "set_queries_active",
    "users",
    "write_entity",
]
