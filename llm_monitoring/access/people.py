"""The people of a project: viewers are added and removed by its owner, each with its record."""

from __future__ import annotations

from llm_monitoring.access import audit, roles
from llm_monitoring.access.audit import Actor
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.errors import Invalid


def add_viewer(db: Database, actor: Actor, project_id: int, user_id: int) -> bool:
    """Let a user see a project of the actor's account; False if the user could see it before.

    Raises Invalid for the owner.
    """
    if user_id == actor.user_id:
        raise Invalid("user", f"user {user_id} is the owner of project {project_id}", code="is_owner")

    def work(db: Database) -> bool:
        is_new = roles.add_viewer(db, project_id, user_id)
        if is_new:
            audit.record(db, actor, "viewer.add", project_id=project_id, object_id=user_id)
        return is_new

    return in_transaction(db, work)


def remove_viewer(db: Database, actor: Actor, project_id: int, user_id: int) -> None:
    """End a user's view of a project; raises NotFound if there was none."""

    def work(db: Database) -> None:
        roles.remove_viewer(db, project_id, user_id)
        audit.record(db, actor, "viewer.remove", project_id=project_id, object_id=user_id)

    in_transaction(db, work)
