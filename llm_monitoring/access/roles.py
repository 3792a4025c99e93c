"""What a user is to a project: its owner, a viewer, or no one; and what row-level security limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_monitoring.db import Database, Row, in_transaction, load
from llm_monitoring.errors import NotFound

SQL = load("access")


@dataclass(frozen=True, slots=True)
class ProjectRole:
    """A user's role in a project."""

    role: Literal["owner", "viewer"]
    is_archived: bool


def role_of(db: Database, project_id: int, user_id: int) -> ProjectRole | None:
    """The user's role in a project, or None if the user may not see it or it does not exist."""
    row = db.one(SQL.role, {"project_id": project_id, "user_id": user_id})
    return None if row is None else ProjectRole(row["role"], row["archived_at"] is not None)


def is_archived(db: Database, project_id: int) -> bool | None:
    """Whether a project is archived; None if it does not exist, or this connection does not see it."""
    row = db.one(SQL.archived, {"project_id": project_id})
    return None if row is None else bool(row["is_archived"])


def add_viewer(db: Database, project_id: int, user_id: int) -> bool:
    """Let a user see a project; False if the user could see it before."""
    return db.execute(SQL.add_viewer, {"project_id": project_id, "user_id": user_id}) > 0


def remove_viewer(db: Database, project_id: int, user_id: int) -> None:
    """End a user's view of a project; raises NotFound if there was none."""
    if not db.execute(SQL.remove_viewer, {"project_id": project_id, "user_id": user_id}):
        raise NotFound("user", user_id, f"user {user_id} is no viewer of project {project_id}")


def accept_invitations(db: Database, user_id: int, project_id: int | None = None) -> int:
    """Let a user see the projects that the user's address is invited to, or this one; return how many are new.

    An invitation that is being withdrawn is none.
    """

    def work(db: Database) -> int:
        db.one(SQL.hold_invitations, {"user_id": user_id, "email": None})
        return db.execute(SQL.accept_invitations, {"user_id": user_id, "project_id": project_id})

    return in_transaction(db, work)


def invitations(db: Database, project_id: int) -> list[Row]:
    """The addresses that were invited to see a project: `email`, `created_at`."""
    return db.all(SQL.invitations, {"project_id": project_id})


def viewers(db: Database, project_id: int) -> list[Row]:
    """Who sees a project besides its owner: `user_id`, `email`, `created_at`."""
    return db.all(SQL.viewers, {"project_id": project_id})


@dataclass(frozen=True, slots=True)
class RowSecurity:
    """Row-level security as a login meets it: `stands` if it limits that login, `web_logins` are others that it limits.

    `has_tokens`: there is a valid token, so that the web service is in use.
    """

    login: str
    is_on: bool
    stands: bool
    web_logins: tuple[str, ...]
    has_tokens: bool


def row_security(db: Database) -> RowSecurity:
    """Row-level security as the login of this connection meets it."""
    row = db.one(SQL.wall)
    assert row is not None
    return RowSecurity(**{**row, "web_logins": tuple(row["web_logins"])})
