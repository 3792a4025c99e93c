"""Projects in the database: added, found, listed, changed, paused, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_monitoring.db import Conflict, Database, Rejected, Row, RowErrors, Transaction, load
from llm_monitoring.domain import provider_name
from llm_monitoring.errors import AlreadyExists, Invalid, NotFound, NotReady
from llm_monitoring.projects.definition import NewProject, Project, definition_fields, read_project
from llm_monitoring.projects.validation import check

SQL = load("projects")


def active(db: Database, project_ids: Sequence[int] | None = None) -> list[Row]:
    """The rows of active projects, these or all; the caller reads each alone, so that a broken one stops no other."""
    return db.all(SQL.active_projects, {"projects": None if project_ids is None else list(project_ids)})


def existing(db: Database, project_ids: Sequence[int]) -> set[int]:
    """Which of these projects there are."""
    return {row["id"] for row in db.all(SQL.existing, {"project_ids": list(project_ids)})}


def find(db: Database, project_id: int) -> Project:
    """One project; raises NotFound, or UnreadableProject for a row that cannot be read."""
    row = db.one(SQL.project, {"project_id": project_id})
    if row is None:
        raise NotFound("project", project_id)
    return read_project(row)


def add(db: Database, new: NewProject) -> int:
    """Store a project and return its id; raises Invalid and AlreadyExists."""
    check(new)
    for name in new.providers:
        provider_name(name)
    try:
        row = db.one(SQL.add_project, definition_fields(new))
    except Conflict as exc:
        raise AlreadyExists(
            "project", new.name, f"user {new.user_id} already has a project named {new.name!r}"
        ) from exc
    except Rejected as exc:
        sentence = f"project {new.name!r} was refused: {exc}"
        raise Invalid("project", sentence, code="refused_by_database") from exc
    assert row is not None
    return int(row["id"])


def change(db: Database, project_id: int, edit: Callable[[Project], Project]) -> Project:
    """Store the definition that `edit` returns, and return it; raises NotFound, Invalid and AlreadyExists."""

    def work(tx: Transaction) -> Project:
        row = tx.one(SQL.lock_definition, {"project_id": project_id})
        if row is None:
            raise NotFound("project", project_id)
        before = read_project(row)
        after = edit(before)
        check(after, before)
        fields = definition_fields(after) | {"project_id": project_id}
        if after.providers == before.providers:
            fields["enabled_llms"] = None
        tx.execute(SQL.change_project, fields)
        return after

    try:
        return db.transact(work)
    except Conflict as exc:
        raise AlreadyExists("project", project_id, "the user already has another project of that name") from exc
    except Rejected as exc:
        sentence = f"project {project_id} cannot be changed so: {exc}"
        raise Invalid("project", sentence, code="refused_by_database") from exc


def hold(db: Database, project_id: int) -> Row:
    """Keep other changes of a project waiting until the transaction of `db` ends; its row. Raises NotFound."""
    row = db.one(SQL.lock_definition, {"project_id": project_id})
    if row is None:
        raise NotFound("project", project_id)
    return row


def holdings(db: Database, project_id: int) -> Row:
    """What `remove` deletes (`prompts`, `answers`, `days`) and what stays (`calls`, `charged_usd`), in numbers."""
    row = db.one(SQL.holdings, {"project_id": project_id})
    assert row is not None
    return row


def remove(db: Database, project_id: int) -> None:
    """Delete a project, its prompts, answers and figures; the ledger keeps its calls. Raises NotFound and NotReady."""
    try:
        if db.execute(SQL.remove_project, {"project_id": project_id}) == 0:
            raise NotFound("project", project_id)
    except Rejected as exc:
        sentence = f"project {project_id} is in use by the host application: {exc}"
        raise NotReady("project", project_id, sentence, code="in_use") from exc


def set_active(db: Database, project_id: int, is_active: bool) -> None:
    """Pause or resume a project; raises NotFound."""
    if db.execute(SQL.set_active, {"project_id": project_id, "is_active": is_active}) == 0:
        find(db, project_id)


def overview(db: Database) -> list[Row]:
    return db.all(SQL.projects_overview)


def mark_analysed(db: Database, projects: Sequence[Project], errors: RowErrors) -> None:
    """Record that these projects were analysed now."""
    for project in projects:
        row = f"Proyecto #{project.id}"
        if errors.is_left_alone("mark_project", row, project.user_id, project_id=project.id):
            continue
        with errors.guard("mark_project", row, project_id=project.id, user_id=project.user_id):
            db.execute(SQL.mark_analysed, {"project_id": project.id})
