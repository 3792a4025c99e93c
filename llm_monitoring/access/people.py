"""The people of a project: viewers are invited, added and removed by its owner, each with its record."""

from __future__ import annotations

from typing import Final

from llm_monitoring.access import audit, roles, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.db import Database, in_transaction, load, take_turn
from llm_monitoring.domain import is_address
from llm_monitoring.errors import Invalid, NotFound

SQL = load("access")

MOST_INVITATIONS: Final = 200


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


def invite_viewer(db: Database, actor: Actor, project_id: int, email: str) -> None:
    """Let the user of an address see a project of the actor's account, once there is one.

    The same is stored whether there is one or not, and the record names the address alone. Raises Invalid for what is
    no address, and for one too many.
    """
    if not is_address(email):
        raise Invalid("email", f"{email!r} is no e-mail address", code="no_address")

    def work(db: Database) -> None:
        take_turn(db, f"invitations to project {project_id}")
        if db.execute(SQL.add_invitation, {"project_id": project_id, "email": email, "most": MOST_INVITATIONS}):
            audit.record(db, actor, "viewer.add", project_id=project_id, object_id=email)
        elif len(roles.invitations(db, project_id)) >= MOST_INVITATIONS:
            sentence = f"a project has at most {MOST_INVITATIONS} invitations: remove one"
            raise Invalid("email", sentence, code="invitations_too_many", most=MOST_INVITATIONS)

    in_transaction(db, work)


def withdraw_invitation(db: Database, actor: Actor, project_id: int, email: str) -> None:
    """End an invitation, and the view of the user who has the address; raises NotFound if there was none."""

    def work(db: Database) -> None:
        db.one(SQL.hold_invitations, {"user_id": None, "email": email})
        if not db.execute(SQL.remove_invitation, {"project_id": project_id, "email": email}):
            raise NotFound("user", email, f"no one was invited to project {project_id} by this address")
        for user_id in sign_ins.users_of_address(db, email):
            db.execute(SQL.remove_viewer, {"project_id": project_id, "user_id": user_id})
        audit.record(db, actor, "viewer.remove", project_id=project_id, object_id=email)

    in_transaction(db, work)
