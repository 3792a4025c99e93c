"""The users whose money is spent."""

from __future__ import annotations

import re

from llm_monitoring.db.database import Database, Rejected, Row
from llm_monitoring.db.queries import load
from llm_monitoring.errors import AlreadyExists, Invalid, NotFound

SQL = load("projects")


EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,190}")


def add_user(db: Database, email: str) -> int:
    """Create a user and return the id; raises BadInput on a bad or known address."""
    if not EMAIL.fullmatch(email):
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
    """A user by id or e-mail address; raises BadInput where there is none, or where several share the address."""
    user_id = int(who) if who.isascii() and who.isdigit() and len(who) < 10 else None
    rows = db.all(SQL.user, {"user_id": user_id, "email": None if user_id is not None else who})
    if not rows:
        raise NotFound("user", repr(who))
    if len(rows) > 1:
        raise Invalid("user", f"{len(rows)} users have the address {who!r}: give one's number instead")
    return rows[0]


def users(db: Database) -> list[Row]:
    return db.all(SQL.users)
