"""Links that share one project with anyone who has them, until they expire or are revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.one_time import has_form, hash_of, new_text
from llm_monitoring.db import Database, Row, in_transaction, load, take_turn
from llm_monitoring.domain import Secret
from llm_monitoring.errors import Invalid, NotFound

SQL = load("shares")

DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 365
LONGEST_LABEL: Final = 100
MOST_LINKS: Final = 500  # of a user: a frozen one keeps a report

Kind = Literal["live", "frozen"]
State = Literal["open", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Share:
    """A share link of a project, made by user `user_id`: live, or frozen to a report of its day."""

    id: int
    project_id: int
    user_id: int
    label: str
    kind: Kind
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opens: int
    last_opened_at: datetime | None

    @property
    def state(self) -> State:
        if self.revoked_at is not None:
            return "revoked"
        return "open" if self.expires_at > datetime.now(UTC) else "expired"


def create(
    db: Database, actor: Actor, project_id: int, label: str, *, days: int = DEFAULT_DAYS, report: bytes | None = None
) -> tuple[Share, Secret]:
    """Store a new link with its record; return it with its text, which is shown once and kept nowhere.

    With `report` the link is frozen to it. Raises Invalid for a label or a number of days that cannot be,
    and for one link too many.
    """
    if not 1 <= len(label.strip()) <= LONGEST_LABEL or not label.isprintable():
        sentence = f"a link's label has 1 to {LONGEST_LABEL} characters"
        raise Invalid("label", sentence, code="text_length", most=LONGEST_LABEL)
    if not 1 <= days <= MOST_DAYS:
        raise Invalid("days", f"a link is open for 1 to {MOST_DAYS} days", code="days_range", most=MOST_DAYS)
    text = new_text()
    values = {
        "project_id": project_id,
        "user_id": actor.user_id,
        "label": label.strip(),
        "link_hash": hash_of(text),
        "kind": "live" if report is None else "frozen",
        "report": report,
        "days": days,
        "most": MOST_LINKS,
    }

    def work(db: Database) -> Share:
        take_turn(db, f"share links of user {actor.user_id}")
        row = db.one(SQL.add_share, values)
        if row is None:
            sentence = f"a user has at most {MOST_LINKS} links that are open or were made today: revoke one"
            raise Invalid("label", sentence, code="links_too_many", most=MOST_LINKS)
        made = read_share(row)
        after = {"label": made.label, "kind": made.kind, "expires_at": made.expires_at.isoformat()}
        audit.record(db, actor, "share.create", project_id=project_id, object_id=made.id, after=after)
        return made

    return in_transaction(db, work), Secret(text)


def find(db: Database, text: str) -> Share | None:
    """The share link of a text, if it is known, not expired and not revoked."""
    row = db.one(SQL.share_by_hash, {"link_hash": hash_of(text)}) if has_form(text) else None
    return None if row is None else read_share(row)


def shares_of(db: Database, project_id: int, *, before_id: int | None = None, limit: int = 50) -> list[Share]:
    """A page of a project's links, the latest first, those that are over included."""
    params = {"project_id": project_id, "before_id": before_id, "limit": limit}
    return [read_share(row) for row in db.all(SQL.shares, params)]


def revoke(db: Database, actor: Actor, project_id: int, share_id: int) -> None:
    """Revoke a link at once, with its record; raises NotFound if the project has none that is not revoked."""

    def work(db: Database) -> None:
        row = db.one(SQL.revoke_share, {"id": share_id, "project_id": project_id})
        if row is None:
            raise NotFound("share", share_id, project_id=project_id)
        audit.record(
            db, actor, "share.revoke", project_id=project_id, object_id=share_id, before={"label": row["label"]}
        )

    in_transaction(db, work)


def note_open(db: Database, share: Share) -> None:
    """Count an opening of a link by a person."""
    db.execute(SQL.note_open, {"id": share.id})


def report_of(db: Database, share: Share) -> bytes:
    """The report of a frozen link, byte for byte as it was made."""
    row = db.one(SQL.report, {"id": share.id})
    assert row is not None
    return bytes(row["report"])


def read_share(row: Row) -> Share:
    return Share(**{name: row[name] for name in Share.__dataclass_fields__})
