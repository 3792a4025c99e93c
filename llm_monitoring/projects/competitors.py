"""The competitors of a project: found, added, edited, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_monitoring.analysis import Entity
from llm_monitoring.db import Database
from llm_monitoring.errors import NotFound
from llm_monitoring.projects.definition import Project, edited_entity
from llm_monitoring.projects.store import change


def find_competitor(project: Project, name: str) -> Entity:
    """The competitor of that name in any case of letters; raises NotFound."""
    found = next((each for each in project.competitors if each.name.casefold() == name.strip().casefold()), None)
    if found is None:
        raise NotFound("competitor", repr(name), project_id=project.id)
    return found


def new_competitors(project: Project, entities: Sequence[Entity]) -> list[Entity]:
    """Those of the entities that the project has neither as its brand nor as a competitor."""
    known = {each.name.casefold() for each in (project.brand, *project.competitors)}
    return [each for each in entities if each.name.casefold() not in known]


def add_competitor(db: Database, project_id: int, new: Entity) -> Project:
    """Add a competitor; raises Invalid for a name that the project has already."""
    return change(db, project_id, lambda before: replace(before, competitors=(*before.competitors, new)))


def add_new_competitors(db: Database, project_id: int, entities: Sequence[Entity]) -> Project:
    """Add the competitors that the project does not have, all or none."""

    def edit(before: Project) -> Project:
        return replace(before, competitors=(*before.competitors, *new_competitors(before, entities)))

    return change(db, project_id, edit)


def edit_competitor(
    db: Database,
    project_id: int,
    name: str,
    fields: Mapping[str, Any],
    new_name: str | None = None,
    *,
    keep_old_name: bool = True,
) -> Project:
    """Change fields or the name of a competitor; raises NotFound and Invalid."""

    def edit(before: Project) -> Project:
        old = find_competitor(before, name)
        new = edited_entity(old, fields, new_name, keep_old_name=keep_old_name)
        return replace(before, competitors=tuple(new if each is old else each for each in before.competitors))

    return change(db, project_id, edit)


def remove_competitor(db: Database, project_id: int, name: str) -> Project:
    """Take a competitor out of the project; stored answers stay. Raises NotFound."""

    def edit(before: Project) -> Project:
        removed = find_competitor(before, name)
        return replace(before, competitors=tuple(each for each in before.competitors if each is not removed))

    return change(db, project_id, edit)
