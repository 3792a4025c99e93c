"""Who may sign in, and the links to do it with: each is spent once, within a quarter of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llm_monitoring.access import audit, sessions
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.one_time import has_form, hash_of, new_text
from llm_monitoring.db import Database, in_transaction, load, take_turn
from llm_monitoring.domain import Secret

SQL = load("people")

LINK_MINUTES: Final = 15
MOST_OPEN_LINKS: Final = 3  # within LINK_MINUTES, so that no one can flood a mailbox


@dataclass(frozen=True, slots=True)
class Person:
    """A user with what concerns signing in: when invited, and when disabled."""

    id: int
    email: str
    invited_at: datetime | None
    disabled_at: datetime | None

    @property
    def may_ask(self) -> bool:
        """Whether a link is sent to this user's address on request."""
        return self.invited_at is not None and self.disabled_at is None


def person(db: Database, user_id: int) -> Person | None:
    """The user of a number, or None."""
    row = db.one(SQL.person, {"user_id": user_id, "email": None})
    return None if row is None else Person(**row)


def person_of_address(db: Database, email: str) -> Person | None:
    """The user of an address; None if there is none, or if several users have it."""
    rows = db.all(SQL.person, {"user_id": None, "email": email})
    return Person(**rows[0]) if len(rows) == 1 else None


def users_of_address(db: Database, email: str) -> list[int]:
    """The numbers of all users who have an address."""
    return [int(row["id"]) for row in db.all(SQL.person, {"user_id": None, "email": email})]


def invite(db: Database, actor: Actor) -> bool:
    """Let the actor's user ask for sign-in links, with its record; False if that was so before, or is forbidden."""
    return allow(db, actor, SQL.invite, "person.invite")


def enable(db: Database, actor: Actor) -> bool:
    """Let the actor's user, who was disabled, sign in again; False if the user may."""
    return allow(db, actor, SQL.enable, "person.enable")


def allow(db: Database, actor: Actor, statement: str, action: str) -> bool:
    """Run a statement on the actor's user and record the action; False, without a record, if it changed no row."""

    def work(db: Database) -> bool:
        is_new = db.execute(statement, {"user_id": actor.user_id}) > 0
        if is_new:
            audit.record(db, actor, action, object_id=actor.user_id)
        return is_new

    return in_transaction(db, work)


def disable(db: Database, actor: Actor) -> int:
    """Stop the actor's user from signing in and end the sessions; return how many were open."""

    def work(db: Database) -> int:
        db.execute(SQL.disable, {"user_id": actor.user_id})
        audit.record(db, actor, "person.disable", object_id=actor.user_id)
        return sessions.end_all(db, actor)

    return in_transaction(db, work)


def new_link(db: Database, user_id: int, *, most_open: int | None = None) -> Secret | None:
    """Store a link's hash and return its text; None if the user asked for `most_open` within LINK_MINUTES."""
    text = new_text()
    params = {"user_id": user_id, "link_hash": hash_of(text), "seconds": 60 * LINK_MINUTES, "most": most_open}

    def work(db: Database) -> Secret | None:
        take_turn(db, f"sign-in links of user {user_id}")
        return None if db.one(SQL.add_link, params) is None else Secret(text)

    return in_transaction(db, work)


def person_of_link(db: Database, text: str) -> Person | None:
    """Whom a link signs in, if it can still be spent. It is not spent by this."""
    row = db.one(SQL.link, {"link_hash": hash_of(text)}) if has_form(text) else None
    return None if row is None else Person(**row)


def spend(db: Database, text: str, client: str = "") -> Secret | None:
    """Spend a link and begin a session of its user: its text, or None if the link cannot be spent any more."""

    def work(db: Database) -> Secret | None:
        row = db.one(SQL.spend_link, {"link_hash": hash_of(text)})
        return None if row is None else sessions.begin(db, row["user_id"], "link", client)

    return in_transaction(db, work)
