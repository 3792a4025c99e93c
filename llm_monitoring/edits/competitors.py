"""Competitors: added, edited, replaced, removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.edits.records import By, record
from llm_monitoring.projects import Project


def add_competitor(db: Database, by: By, project_id: int, new: Entity) -> Project:
    """Add a competitor; raises NotFound, and Invalid for a name that the project has already."""

    def work(db: Database) -> Project:
        changed = projects.add_competitor(db, project_id, new)
        record_added(db, by, changed, new)
        return changed

    return in_transaction(db, work)


def add_new_competitors(db: Database, by: By, project_id: int, entities: Sequence[Entity]) -> Project:
    """Add the competitors that the project does not have, all or none; raises NotFound and Invalid."""

    def work(db: Database) -> Project:
        projects.hold(db, project_id)
        fresh = projects.new_competitors(projects.find(db, project_id), entities)
        changed = projects.add_new_competitors(db, project_id, fresh)
        for new in fresh:
            record_added(db, by, changed, new)
        return changed

    return in_transaction(db, work)


def record_added(db: Database, by: By, project: Project, new: Entity) -> None:
    after = projects.write_entity(new)
    record(db, by, project.user_id, "competitor.add", project_id=project.id, object_id=new.name, after=after)


def edit_competitor(
    db: Database,
    by: By,
    project_id: int,
    name: str,
    fields: Mapping[str, Any],
    new_name: str | None = None,
    *,
    keep_old_name: bool = True,
) -> Entity:
    """Change fields or the name of a competitor, and return it; raises NotFound and Invalid."""

    def work(db: Database) -> Entity:
        projects.hold(db, project_id)
        old = projects.find_competitor(projects.find(db, project_id), name)
        project = projects.edit_competitor(db, project_id, name, fields, new_name, keep_old_name=keep_old_name)
        new = projects.find_competitor(project, new_name or name)
        before, after = projects.write_entity(old), projects.write_entity(new)
        if before != after:
            named = {"project_id": project_id, "object_id": old.name}
            record(db, by, project.user_id, "competitor.change", **named, before=before, after=after)
        return new

    return in_transaction(db, work)


def replace_competitors(db: Database, by: By, project_id: int, edit: Callable[[Project], Sequence[Entity]]) -> Project:
    """Store the list that `edit` makes of the present one; raises NotFound and Invalid."""
    seen: list[Project] = []

    def replaced(current: Project) -> Project:
        seen[:] = [current]
        return replace(current, competitors=tuple(edit(current)))

    def work(db: Database) -> Project:
        changed = projects.change(db, project_id, replaced)
        lists = [[projects.write_entity(each) for each in project.competitors] for project in (seen[0], changed)]
        before, after = ({"competitors": each} for each in lists)
        record(db, by, changed.user_id, "competitors.replace", project_id=project_id, before=before, after=after)
        return changed

    return in_transaction(db, work)


def remove_competitor(db: Database, by: By, project_id: int, name: str) -> Project:
    """Take a competitor out of the project; stored answers stay. Raises NotFound."""

    def work(db: Database) -> Project:
        projects.hold(db, project_id)
        removed = projects.find_competitor(projects.find(db, project_id), name)
        changed = projects.remove_competitor(db, project_id, name)
        before, named = projects.write_entity(removed), {"project_id": project_id, "object_id": removed.name}
        record(db, by, changed.user_id, "competitor.remove", **named, before=before)
        return changed

    return in_transaction(db, work)
