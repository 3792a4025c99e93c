"""Sessions of people: begun by a sign-in, found by their cookie, ended by the person, by time or with the user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from llm_monitoring.access import audit, roles
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.one_time import has_form, hash_of, new_text
from llm_monitoring.db import Database, Row, in_transaction, load
from llm_monitoring.domain import Secret
from llm_monitoring.errors import NotFound

SQL = load("people")

IDLE_HOURS: Final = 12
MOST_DAYS: Final = 30
MOST_CLIENT: Final = 200

Method = Literal["link", "oidc", "hand_off"]


@dataclass(frozen=True, slots=True)
class Session:
    """A person's session; `client` is what the browser says of itself, untrusted text."""

    id: int
    user_id: int
    email: str
    method: Method
    client: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


def begin(db: Database, user_id: int, method: Method, client: str = "") -> Secret:
    """Store a new session, with its record in the same transaction; return its text, which only the cookie holds.

    Who has shown to have an address sees the projects that it was invited to.
    """
    text = new_text()
    shown = "".join(each for each in client if each.isprintable())[:MOST_CLIENT]
    values = {"user_id": user_id, "session_hash": hash_of(text), "method": method, "client": shown, "days": MOST_DAYS}

    def work(db: Database) -> None:
        row = db.one(SQL.add_session, values)
        assert row is not None
        actor = Actor("person", user_id, row["id"])
        if method != "hand_off":  # a host application may not have verified the address
            roles.accept_invitations(db, user_id)
        audit.record(db, actor, "session.begin", object_id=row["id"], after={"method": method, "client": shown})

    in_transaction(db, work)
    return Secret(text)


def find(db: Database, text: str) -> Session | None:
    """The session of a cookie's text, if it is open and its user may sign in."""
    if not has_form(text):
        return None
    row = db.one(SQL.session, {"session_hash": hash_of(text), "idle_hours": IDLE_HOURS})
    return None if row is None else read_session(row)


def note_use(db: Database, session: Session) -> None:
    """Note that a session was used now, once a minute at most."""
    db.execute(SQL.note_session, {"id": session.id})


def sessions_of(db: Database, user_id: int) -> list[Session]:
    """A user's open sessions, the latest used first."""
    return [read_session(row) for row in db.all(SQL.sessions, {"user_id": user_id, "idle_hours": IDLE_HOURS})]


def end(db: Database, actor: Actor, session_id: int) -> None:
    """End a session of the actor's account, with its record; raises NotFound if there is none that is open."""

    def work(db: Database) -> None:
        if not db.execute(SQL.end_session, {"id": session_id, "user_id": actor.user_id}):
            raise NotFound("session", session_id)
        audit.record(db, actor, "session.end", object_id=session_id)

    in_transaction(db, work)


def end_all(db: Database, actor: Actor, *, kept: int | None = None) -> int:
    """End every session of the actor's account but `kept`, with their record; return how many there were."""

    def work(db: Database) -> int:
        ended = db.all(SQL.end_sessions, {"user_id": actor.user_id, "kept": kept})
        for row in ended:
            audit.record(db, actor, "session.end", object_id=row["id"])
        return len(ended)

    return in_transaction(db, work)


def read_session(row: Row) -> Session:
    return Session(**{name: row[name] for name in Session.__dataclass_fields__})
