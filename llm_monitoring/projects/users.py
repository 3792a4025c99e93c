"""Users in the database: added, found, listed, changed, removed."""

from __future__ import annotations

from llm_monitoring.db import Conflict, Database, Rejected, Row, load
from llm_monitoring.domain import is_address
from llm_monitoring.errors import AlreadyExists, ConfigurationError, Invalid, NotFound, NotReady

SQL = load("users")


MOST_ID = 2**31 - 1


def add_user(db: Database, email: str) -> int:
    """Create a user and return the id; raises Invalid and AlreadyExists."""
    email = email.strip()
    if not is_address(email):
        raise Invalid("email", f"{email!r} is no e-mail address")
    if db.one(SQL.user, {"user_id": None, "email": email}) is not None:
        raise AlreadyExists("user", email, f"a user with the address {email} exists already")
    try:
        row = db.one(SQL.add_user, {"email": email})
    except Rejected as exc:
        raise Invalid(
            "email", f"the host application's users need more than an address ({exc}): add the user there"
        ) from exc
    if row is None:
        raise AlreadyExists("user", email, f"a user with the address {email} exists already")
    return int(row["id"])


def find_user(db: Database, who: str) -> Row:
    """A user by id or e-mail address; raises NotFound, or Invalid if several users have the address."""
    who = who.strip()
    user_id = int(who) if who.isascii() and who.isdigit() and len(who) <= len(str(MOST_ID)) else None
    if user_id is not None and user_id > MOST_ID:
        raise NotFound("user", repr(who))
    rows = db.all(SQL.user, {"user_id": user_id, "email": None if user_id is not None else who})
    if not rows:
        raise NotFound("user", repr(who))
    if len(rows) > 1:
        raise Invalid("user", f"{len(rows)} users have the address {who!r}: give the number of one instead")
    return rows[0]


def list_users(db: Database) -> list[Row]:
    return db.all(SQL.users)


def change_address(db: Database, user_id: int, email: str) -> None:
    """Store another address; raises Invalid, or AlreadyExists for the address of another user."""
    email = email.strip()
    if not is_address(email):
        raise Invalid("email", f"{email!r} is no e-mail address")
    taken = db.one(SQL.owner_of_address, {"user_id": user_id, "email": email})
    if taken is not None:
        raise AlreadyExists("user", email, f"user {taken['id']} has the address {email} already")
    try:
        db.execute(SQL.change_address, {"user_id": user_id, "email": email})
    except Conflict as exc:
        raise AlreadyExists("user", email, f"another user has the address {email} already") from exc
    except ConfigurationError as exc:
        raise owner_needed("change the address of a user") from exc
    except Rejected as exc:
        raise Invalid("email", f"the host application refuses it ({exc}): change the address there") from exc


def user_holdings(db: Database, user_id: int) -> Row:
    """The rows that `remove_user` deletes, `open_calls`, and the `calls` and `charged_usd` that the ledger keeps."""
    row = db.one(SQL.holdings, {"user_id": user_id})
    assert row is not None
    return row


def remove_user(db: Database, user_id: int) -> None:
    """Delete a user with projects, prompts, answers and keys; raises NotReady while a call of the user is open."""
    if open_calls := user_holdings(db, user_id)["open_calls"]:
        raise NotReady("user", user_id, f"user {user_id} has {open_calls} calls that are not closed", code="calls_open")
    try:
        removed = db.execute(SQL.remove_user, {"user_id": user_id})
    except ConfigurationError as exc:
        raise owner_needed("remove a user") from exc
    except Rejected as exc:
        raise NotReady(
            "user", user_id, f"user {user_id} is in use by the host application ({exc}): remove the user there"
        ) from exc
    if not removed:
        raise NotReady("user", user_id, f"user {user_id} was removed or began a call meanwhile: nothing was deleted")


def owner_needed(action: str) -> ConfigurationError:
    return ConfigurationError(
        f"this database role may not {action}: run the command with the DATABASE_URL of the tables' owner, "
        "or do it in the host application"
    )
