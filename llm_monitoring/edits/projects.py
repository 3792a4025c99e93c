"""Projects: added, changed, paused, resumed, archived, restored, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_monitoring import projects
from llm_monitoring.access import projects as archive
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.edits.limits import check_projects
from llm_monitoring.edits.records import By, record, record_in_project
from llm_monitoring.projects import NewProject, Project


def project_fields(project: Project) -> dict[str, Any]:
    """A project as lists and the record show it."""
    return {
        "id": project.id,
        "name": project.name,
        "user_id": project.user_id,
        "industry": project.industry,
        "language": project.language,
        "country": project.country,
        "providers": list(project.providers),
        "web_search": project.web_search,
        "samples_per_query": project.samples_per_query,
        "pace": project.pace,
        "is_active": project.is_active,
        "brand": projects.write_entity(project.brand),
        "competitors": [projects.write_entity(each) for each in project.competitors],
    }


def add_project(db: Database, by: By, new: NewProject) -> int:
    """Store a project and return its id; raises Invalid and AlreadyExists."""

    def work(db: Database) -> int:
        project_id = projects.add(db, new)
        check_projects(db, by, new.user_id)
        after = project_fields(projects.find(db, project_id))
        record(db, by, new.user_id, "project.create", project_id=project_id, after=after)
        return project_id

    return in_transaction(db, work)


def change_project(db: Database, by: By, project_id: int, edit: Callable[[Project], Project]) -> Project:
    """Store the definition that `edit` returns, and return it; raises NotFound, Invalid and AlreadyExists.

    A project that goes to another user leaves a record in both accounts.
    """
    seen: list[Project] = []

    def noting(before: Project) -> Project:
        seen[:] = [before]
        return edit(before)

    def work(db: Database) -> Project:
        changed = projects.change(db, project_id, noting)
        before, after = project_fields(seen[0]), project_fields(changed)
        if before != after:
            for owner in dict.fromkeys((seen[0].user_id, changed.user_id)):
                record(db, by, owner, "project.change", project_id=project_id, before=before, after=after)
        return changed

    return in_transaction(db, work)


def set_active(db: Database, by: By, project_id: int, is_active: bool) -> None:
    """Pause or resume a project; one that was archived is restored by resuming it. Raises NotFound."""

    def work(db: Database) -> None:
        before = projects.hold(db, project_id)
        projects.set_active(db, project_id, is_active)
        if before["is_active"] != is_active:
            fields = {"before": {"is_active": before["is_active"]}, "after": {"is_active": is_active}}
            record(db, by, before["user_id"], "project.change", project_id=project_id, **fields)

    in_transaction(db, work)


def archive_project(db: Database, by: By, project_id: int) -> None:
    """Archive a project: it is asked no more, and everything that was measured stays. Raises NotFound."""

    def work(db: Database) -> None:
        projects.hold(db, project_id)
        if archive.archive(db, project_id):
            record_in_project(db, by, project_id, "project.archive")

    in_transaction(db, work)


def restore_project(db: Database, by: By, project_id: int) -> None:
    """Restore an archived project, which stays paused until it is resumed. Raises NotFound."""

    def work(db: Database) -> None:
        projects.hold(db, project_id)
        if archive.restore(db, project_id):
            record_in_project(db, by, project_id, "project.restore")

    in_transaction(db, work)


def remove_project(db: Database, by: By, project_id: int) -> None:
    """Delete a project, its prompts, answers and figures; the ledger keeps its calls. Raises NotFound and NotReady."""

    def work(db: Database) -> None:
        row = projects.hold(db, project_id)
        before = {name: row[name] for name in ("name", "brand_name", "industry", "language", "country")}
        projects.remove(db, project_id)
        record(db, by, row["user_id"], "project.remove", project_id=project_id, before=before)

    in_transaction(db, work)
