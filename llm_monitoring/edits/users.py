"""Users: added, given another address, removed."""

from __future__ import annotations

from llm_monitoring import projects
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.edits.records import By, record


def add_user(db: Database, by: By, email: str) -> int:
    """Create a user and return the id; raises Invalid and AlreadyExists."""

    def work(db: Database) -> int:
        user_id = projects.add_user(db, email)
        record(db, by, user_id, "user.add", object_id=user_id, after={"email": email})
        return user_id

    return in_transaction(db, work)


def change_address(db: Database, by: By, user_id: int, email: str) -> None:
    """Store another address of a user; raises Invalid, NotFound and AlreadyExists."""

    def work(db: Database) -> None:
        before = projects.find_user(db, str(user_id))["email"]
        projects.change_address(db, user_id, email)
        if before != email:
            record(db, by, user_id, "user.change", object_id=user_id, before={"email": before}, after={"email": email})

    in_transaction(db, work)


def remove_user(db: Database, by: By, user_id: int) -> None:
    """Delete a user with projects, prompts, answers and keys; the record of changes stays.

    Raises NotFound, and NotReady while a call of the user is open.
    """

    def work(db: Database) -> None:
        found, holdings = projects.find_user(db, str(user_id)), projects.user_holdings(db, user_id)
        projects.remove_user(db, user_id)
        gone = {name: holdings[name] for name in ("projects", "prompts", "answers")}
        record(db, by, user_id, "user.remove", object_id=user_id, before={"email": found["email"], **gone})

    in_transaction(db, work)
