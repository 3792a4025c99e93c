"""The projects that a user may see, and archiving one in place of deleting it."""

from __future__ import annotations

from collections.abc import Sequence

from llm_monitoring.db import Database, Row, load

SQL = load("access")


def visible_projects(
    db: Database, user_id: int, *, project_ids: Sequence[int] | None, archived: bool, after_id: int, limit: int
) -> list[Row]:
    """A page of the projects that a user owns or may view, those after number `after_id`."""
    return db.all(
        SQL.visible_projects,
        {
            "user_id": user_id,
            "project_ids": None if project_ids is None else list(project_ids),
            "archived": archived,
            "after_id": after_id,
            "limit": limit,
        },
    )


def may_create(db: Database, user_id: int) -> bool:
    """Whether a user may have projects: all but those who own none and look at projects of others."""
    row = db.one(SQL.may_create, {"user_id": user_id})
    return row is not None and bool(row["may_create"])


def archive(db: Database, project_id: int) -> bool:
    """Archive a project: it is asked no more, its rows stay, and lists leave it out. False if it was archived."""
    return db.execute(SQL.archive_project, {"project_id": project_id, "archived": True}) > 0


def restore(db: Database, project_id: int) -> bool:
    """Restore an archived project, which is paused until someone resumes it; False if it was not archived."""
    return db.execute(SQL.archive_project, {"project_id": project_id, "archived": False}) > 0
