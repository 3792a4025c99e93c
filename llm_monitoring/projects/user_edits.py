"""Changes the address of a user, and removes one who has no call open; the ledger keeps what was paid."""

from __future__ import annotations

from llm_monitoring.db.database import Conflict, Database, Rejected, Row
from llm_monitoring.db.queries import load
from llm_monitoring.errors import AlreadyExists, ConfigurationError, Invalid, NotReady
from llm_monitoring.projects.people import EMAIL

SQL = load("user_edits")


def change_address(db: Database, user_id: int, email: str) -> None:
    """Store another address; raises BadInput for one that is none or another user's."""
    if not EMAIL.fullmatch(email):
        raise Invalid("email", f"{email!r} is no e-mail address")
    taken = db.one(SQL.owner_of_address, {"user_id": user_id, "email": email})
    if taken is not None:
        raise AlreadyExists("user", email, f"user {taken['id']} has the address {email} already")
    try:
        db.execute(SQL.change_address, {"user_id": user_id, "email": email})
    except Conflict as exc:
        raise AlreadyExists("user", email, f"another user has the address {email} already") from exc
    except ConfigurationError as exc:
        raise for_the_owner("change the address of a user") from exc
    except Rejected as exc:
        raise Invalid("email", f"the host application refuses it ({exc}): change the address there") from exc


def holdings(db: Database, user_id: int) -> Row:
    """What goes with a user, `open_calls`, and the `calls` and `charged_usd` that the ledger keeps."""
    row = db.one(SQL.holdings, {"user_id": user_id})
    assert row is not None
    return row


def remove(db: Database, user_id: int) -> None:
    """Delete a user with projects, prompts, answers and keys; raises BadInput while a call of the user is open."""
    if open_calls := holdings(db, user_id)["open_calls"]:
        raise NotReady("user", user_id, f"user {user_id} has {open_calls} calls that are not closed", code="calls_open")
    try:
        removed = db.execute(SQL.remove_user, {"user_id": user_id})
    except ConfigurationError as exc:
        raise for_the_owner("remove a user") from exc
    except Rejected as exc:
        raise NotReady(
            "user", user_id, f"user {user_id} is in use by the host application ({exc}): remove the user there"
        ) from exc
    if not removed:
        raise NotReady("user", user_id, f"user {user_id} was removed or began a call meanwhile: nothing was deleted")


def for_the_owner(action: str) -> ConfigurationError:
    return ConfigurationError(
        f"this database role may not {action}: run the command with the DATABASE_URL of the tables' owner, "
        "or do it in the host application"
    )
